"""The few errors, named by what the caller does next. Anything else is a bug."""

from __future__ import annotations

from enum import StrEnum

from prompts.texts import Text


class Why(StrEnum):
    """Why something was refused; REST turns it into a status code."""

    INVALID = "invalid"  #: 422: the input is wrong; the text names what, where and the mend
    FORBIDDEN = "forbidden"  #: 403: not this person
    MISSING = "missing"  #: 404: there is no such thing
    CONFLICT = "conflict"  #: 409: decided, expired or changed meanwhile


class GiveUp(Exception):
    """Refused for good. ``text`` tells the person what happened, to what, and what to do next."""

    def __init__(self, why: Why, text: Text) -> None:
        super().__init__(f"{why}: {text.key} {dict(text.values)}")
        self.why = why
        self.text = text


class RetryLater(Exception):
    """Cannot be done now; the same call may work after ``delay`` seconds."""

    def __init__(self, why: str, delay: float = 5.0) -> None:
        super().__init__(why)
        self.delay = delay
