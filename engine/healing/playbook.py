"""What a playbook is: which incidents it is for, and the one step that is tried."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from re import Pattern
from typing import Any

from engine.incidents.reports import SEVERITIES

KINDS = ("DOCKER_RESTART", "SSH_CMD", "ALERT_ONLY", "WAIT_RETRY")
"""What a step does: restart containers, run an action type, call a person, wait and look again."""

REACHES = ("system", "asset")
"""Whom a step may touch: the assets of its role in the system, or only the asset with the fault."""

_LONGEST = 16_000
"""Characters looked at; of a longer text its first and its last half of them, as for classes."""


@dataclass(frozen=True)
class Step:
    """The one thing that a playbook does."""

    kind: str
    """One of ``KINDS``."""
    action: str = ""
    """The action type that is proposed; "" = none (ALERT_ONLY, mostly WAIT_RETRY)."""
    otherwise: str = ""
    """A second action type, if the first cannot be planned for the targets; "" = none."""
    role: str = ""
    """Role of the assets that it is for; "" only where there is no action."""
    reach: str = "system"
    """One of ``REACHES``."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of ``action`` and ``otherwise``."""
    wait_ms: int = 0
    """WAIT_RETRY: how long it waits."""
    message: Mapping[str, str] = field(default_factory=dict)
    """Language → what a person is told; empty = nothing besides the title."""
    guide: str = ""
    """https link to what a person should read; "" = none."""


@dataclass(frozen=True)
class Undo:
    """The inverse of the step, tried when the step did not help."""

    action: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Playbook:
    """One playbook. It matches by class, severity and words; it acts by role, never by name."""

    name: str
    title: Mapping[str, str]
    """Language → title, for all languages."""
    classes: tuple[str, ...]
    keywords: tuple[str, ...]
    """One of them has to be in the text; none = any text."""
    minimum: str
    """The mildest severity it is for: "P2" is for P1 and P2."""
    cooldown_ms: int
    """From one attempt on a target to the next."""
    max_retries: int
    """Attempts on a target until a person is called."""
    step: Step
    settle_ms: int
    """How long the symptom has to stay away after it is gone."""
    unless: tuple[str, ...] = ()
    """None of them may be in the text."""
    undo: Undo | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all of it, in hexadecimal: another file, another digest."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def is_for(self, kind: str, severity: str, text: str) -> bool:
        """Whether it is for an incident of this class, severity and text."""
        if kind not in self.classes or not at_least(severity, self.minimum):
            return False
        seen = _seen(text)
        if self.unless and _any_of(self.unless).search(seen):
            return False
        return not self.keywords or _any_of(self.keywords).search(seen) is not None


def at_least(severity: str, minimum: str) -> bool:
    """Whether a severity is as bad as the minimum or worse. Raises ValueError for no severity."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(minimum)


def _seen(text: str) -> str:
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]} {text[-half:]}"
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


@cache
def _any_of(words: tuple[str, ...]) -> Pattern[str]:
    return re.compile("|".join(_pattern(word) for word in words), re.IGNORECASE)


def _pattern(word: str) -> str:
    """A word where another begins: "cron" is not in "synchronous", nor "429" in "4290".

    Chinese and Korean put no blank between words: theirs may stand anywhere.
    """
    word = unicodedata.normalize("NFKC", word)
    pattern = r"\s{1,8}".join(re.escape(part) for part in word.split())
    if word[0].isascii() and word[0].isalnum():
        pattern = rf"(?:(?<![A-Za-z0-9])|(?-i:(?<=[a-z0-9])(?=[A-Z]))){pattern}"
    if word[-1].isascii() and word[-1].isdigit():
        pattern += r"(?![0-9])"
    return pattern
