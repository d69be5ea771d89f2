"""The class of an incident's text, by ordered rules in ``classes.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import Pattern
from typing import Any

CLASSES = (
    "DNS_FAIL",
    "DB_UNREACHABLE",
    "OOM",
    "SSL_FAIL",
    "AUTH_FAIL",
    "CRAWLER_FAIL",
    "DISK_FULL",
    "TIMEOUT",
    "UNKNOWN",
)
"""Every class; the last is for all that no rule knows."""
UNKNOWN = CLASSES[-1]

_TABLE = Path(__file__).with_name("classes.toml")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: str
    pattern: Pattern[str]
    exception: Pattern[str] | None


@dataclass(frozen=True, slots=True)
class _Rules:
    longest: int
    healthy: Pattern[str]
    rules: tuple[_Rule, ...]


def classify(text: str) -> str:
    """One of ``CLASSES``, always the same for the same text. Never raises for content."""
    table = _rules()
    if len(text) > table.longest:
        half = table.longest // 2
        text = f"{text[:half]} {text[-half:]}"
    seen = table.healthy.sub(" ", _BLANKS.sub(" ", text.lower()))
    for rule in table.rules:
        if rule.pattern.search(seen) and not (rule.exception and rule.exception.search(seen)):
            return rule.kind
    return UNKNOWN


@cache
def _rules() -> _Rules:
    table = tomllib.loads(_TABLE.read_text("utf-8"))
    words: dict[str, str] = table["words"]
    return _Rules(
        longest=table["longest"],
        healthy=_any(table["healthy"]["patterns"], words),
        rules=tuple(_rule(row, words) for row in table["rule"]),
    )


def _rule(row: dict[str, Any], words: dict[str, str]) -> _Rule:
    if row["class"] not in CLASSES[:-1]:
        raise ValueError(f"classes.toml: {row['class']} is not one of {', '.join(CLASSES[:-1])}")
    exceptions = row.get("except")
    return _Rule(
        row["class"],
        _any(row["patterns"], words),
        _any(exceptions, words) if exceptions else None,
    )


def _any(patterns: list[str], words: dict[str, str]) -> Pattern[str]:
    """One pattern for all, with the table's words in their places."""
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    # The words may be made of those before them.
    for name, pattern in reversed(words.items()):
        joined = joined.replace(f"{{{name}}}", pattern)
    return re.compile(joined)
