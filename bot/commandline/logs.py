"""The log of the running process: one event a line on stderr, for journald or a container."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CHATTY = ("httpx", "httpcore", "apscheduler", "asyncssh", "slack_bolt", "telegram", "alembic")
_TOKENS = re.compile(
    r"xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|\b\d{6,20}:[\w-]{30,}|\bws_[\w-]{40,}|sign-in/[\w-]{40,}",
    re.ASCII,
)
_HIDDEN = "[hidden]"
_SHORTEST = 6
"""Characters of a secret that is looked for; a shorter one would hide ordinary words."""


class PlainLines(logging.Formatter):
    """Hides secrets, and writes what terminals obey (escape codes, bidi) as visible escapes."""

    def __init__(self, template: str, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__(template)
        longest_first = sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def format(self, record: logging.LogRecord) -> str:
        line = _TOKENS.sub(_HIDDEN, self._known.sub(_HIDDEN, super().format(record)))
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


def secrets_in(value: Any) -> Iterator[str]:
    """Every text in the settings that is a secret: hidden fields, and a database's password."""
    if not dataclasses.is_dataclass(value):
        return
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if isinstance(inner, Mapping) and field.name == "secrets":
            yield from inner.values()
        elif isinstance(inner, str) and field.name == "url":
            yield from re.findall(r"://[^/@]*?:([^/@]+)@", inner)
        elif isinstance(inner, str) and not field.repr:
            yield inner
        else:
            yield from secrets_in(inner)
