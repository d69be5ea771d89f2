"""The SDK's own log lines, without the keys they would carry into a log file."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
#: Any Slack token, and the one-time ticket in a Socket Mode address.
_TOKENS = re.compile(r"xox[a-z](?:\.xox[a-z])?-[\w.-]+|xapp-[\w-]+|(?<=ticket=)[^&\s'\"]+")


class Redaction(logging.Filter):
    """Hides keys in a record: in its words, its values and its traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage()
        if record.exc_info:
            words += "\n" + logging.Formatter().formatException(record.exc_info)
        record.msg, record.args = self.hide(words), ()
        record.exc_info = record.exc_text = None
        return True

    def hide(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, HIDDEN)
        return _TOKENS.sub(HIDDEN, words)


def sdk_logger(secrets: Iterable[str]) -> logging.Logger:
    """The logger for Bolt and the SDK; never below WARNING: at DEBUG they print whole requests."""
    logger = logging.getLogger("bot.platforms.slack.sdk")
    # A level of its own: the SDK compares logger.level, and 0 (inherit) counts as DEBUG there.
    logger.setLevel(logging.WARNING)
    for old in list(logger.filters):
        logger.removeFilter(old)
    logger.addFilter(Redaction(secrets))
    return logger
