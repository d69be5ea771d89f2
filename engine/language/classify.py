"""A request's type and priority by keywords: a suggestion, made fast enough for whole batches."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from operator import add
from pathlib import Path
from typing import Any

TYPES = ("DEPLOY", "RESTART", "LOG", "INQUIRY", "OTHER")
PRIORITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
_TABLE = Path(__file__).with_name("classify.toml")
_LIMIT = 2000
"""Characters of a request that are looked at; what it is about stands at its beginning."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What is suggested, and by whom."""

    type: str
    priority: str
    why: tuple[str, ...]
    """The keywords that were found, type first; empty where the model decided both."""
    source: str = "keywords"
    """``model`` where the model decided the type, the priority or both; else ``keywords``."""
    confidence: float | None = None
    """The model's probability of what it decided, the lower one of two; None for keywords."""


@dataclass(frozen=True, slots=True)
class _Keyword:
    word: str
    family: str
    label: str
    rank: int
    """Lower wins within the family."""
    whole: bool
    open_end: bool


def classify(title: str, body: str = "") -> Suggestion:
    """The type and priority that the words of a request suggest. Never raises for content."""
    if len(title) + len(body) > _LIMIT:
        title, body = title[:_LIMIT], body[: max(0, _LIMIT - len(title))]
    words = f" {title} \n {body} ".lower()
    starts, by_start = _keywords()
    best: dict[str, _Keyword] = {}
    # Every keyword has its first two letters in the text, so the pairs of letters that the text
    # shares with the table (found at C speed) leave few keywords to look for.
    for pair in starts.intersection(map(add, words, words[1:])):
        for keyword in by_start[pair]:
            held = best.get(keyword.family)
            if (held is None or keyword.rank < held.rank) and _stands(keyword, words):
                best[keyword.family] = keyword
    kind, urgency = best.get("type"), best.get("priority")
    return Suggestion(
        kind.label if kind else "OTHER",
        urgency.label if urgency else "MEDIUM",
        tuple(keyword.word for keyword in (kind, urgency) if keyword),
    )


def by_model(stored: Mapping[str, Any] | None) -> Suggestion | None:
    """The suggestion that a request carries as JSON, if the model made it; else None."""
    if not stored or stored.get("source") != "model":
        return None
    if stored.get("type") not in TYPES or stored.get("priority") not in PRIORITIES:
        return None
    return Suggestion(
        stored["type"],
        stored["priority"],
        tuple(stored.get("why", ())),
        "model",
        stored.get("confidence"),
    )


def _stands(keyword: _Keyword, words: str) -> bool:
    at = words.find(keyword.word)
    while at >= 0:
        if not keyword.whole:
            return True
        end = at + len(keyword.word)
        # The text has a space on both ends, so both neighbours exist.
        if not _latin(words[at - 1]) and (keyword.open_end or not _latin(words[end])):
            return True
        at = words.find(keyword.word, at + 1)
    return False


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


@cache
def _keywords() -> tuple[frozenset[str], dict[str, list[_Keyword]]]:
    by_start: dict[str, list[_Keyword]] = {}
    for family, labels in tomllib.loads(_TABLE.read_text(encoding="utf-8")).items():
        for rank, (label, words) in enumerate(labels.items()):
            for written in words:
                word = written.rstrip("*").lower()
                keyword = _Keyword(word, family, label, rank, word.isascii(), written.endswith("*"))
                by_start.setdefault(word[:2], []).append(keyword)
    for keywords in by_start.values():
        keywords.sort(key=lambda keyword: keyword.rank)
    return frozenset(by_start), by_start
