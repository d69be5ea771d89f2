"""The log of the running process: one event a line on stderr, for journald or a container."""

from __future__ import annotations

import logging
import re

from bot.settings_secrets import secrets_in
from storage import redaction

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CHATTY = ("httpx", "httpcore", "apscheduler", "asyncssh", "slack_bolt", "telegram", "alembic")
_HIDDEN = "[hidden]"


class PlainLines(logging.Formatter):
    """Hides secrets, and writes what terminals obey (escape codes, bidi) as visible escapes."""

    def __init__(self, template: str, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__(template)
        self._known = redaction.pattern(secrets)

    def format(self, record: logging.LogRecord) -> str:
        line = redaction.hidden(self._known.sub(_HIDDEN, super().format(record)), _HIDDEN)
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)


def log_to_stderr(settings: object = None, level: int = logging.INFO) -> None:
    """Set up logging for the process; libraries speak from WARNING on.

    The secrets that ``settings`` holds (fields that are left out of its repr) never get through.
    """
    handler = logging.StreamHandler()
    template = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(PlainLines(template, frozenset(secrets_in(settings))))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
