"""Words that say little about what a question is about."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from engine.knowledge.korean import korean
from engine.knowledge.stems import english
from engine.knowledge.words import folded

_FILE = Path(__file__).with_name("plain.toml")
SILENT, PLAIN = 0.0, 0.25
"""What such a word counts beside 1 for any other."""


@cache
def _lists() -> tuple[dict[str, float], re.Pattern[str]]:
    weights: dict[str, float] = {}
    runs: list[str] = []
    read = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    for section, weight in (("plain", PLAIN), ("silent", SILENT)):
        for language, stem in (("en", english), ("ko", korean)):
            for word in folded(read[section][language]).split():
                weights[word] = weights[stem(word)] = weight
        chinese = folded(read[section]["zh-TW"]).split()
        weights.update(dict.fromkeys(chinese, weight))
        runs += chinese
    runs.sort(key=len, reverse=True)
    return weights, re.compile("|".join(map(re.escape, runs)))


def weight(word: str, stem: str) -> float:
    """What a word of Latin letters or Hangul counts, from 0 to 1."""
    weights, _ = _lists()
    return weights.get(word, weights.get(stem, 1.0))


def plain_places(run: str) -> list[float]:
    """What each character of a Chinese run counts, from 0 to 1."""
    weights, pattern = _lists()
    counts = [1.0] * len(run)
    for match in pattern.finditer(run):
        counts[match.start() : match.end()] = [weights[match.group()]] * len(match.group())
    return counts
