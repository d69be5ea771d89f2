"""What speaks for the best article and against it, in numbers that fit any collection."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.knowledge.question import Unit

_NUMBER_ASKED = re.compile(
    r"\b(?:when|how (?:many|much|long|often|high|old|far|late|soon)|what (?:time|year|date|day))\b"
    r"|몇|얼마|언제|며칠|기간|幾|多少|多久|何時|哪年|哪一年|什麼時候|多高|多長"
)
_NUMBER = re.compile(
    r"[0-9]|[一二三四五六七八九十百千兩半每]|[한두세네]\s?[가-힣]|하루|이틀|사흘|나흘|닷새|매[년월주일]|무료"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twice|once|free|every"
    r"|daily|weekly|monthly|hundred|thousand|noon|midnight|monday|friday|sunday|quarter)\b"
)


SMOOTHING = 0.25
"""Words of the rarest kind, so that a question of one word proves little."""


@dataclass(frozen=True, slots=True)
class Match:
    """How far an article has what a question asks.

    ``near``: the share of the question's weight, from 0 to 1, that stands in the title and two
    sentences that follow each other, of which ``at`` is the first.  Weights, in words of the
    rarest kind: ``got`` and ``lacking``: of the characters and words that are, and are not, part
    of something found there.
    """

    near: float = 0.0
    got: float = 0.0
    lacking: float = 0.0
    at: int = 0

    @property
    def odds(self) -> float:
        """The logarithm of what it has over what it lacks."""
        return math.log((self.got + SMOOTHING) / (self.lacking + SMOOTHING))


@dataclass(frozen=True, slots=True)
class Weighed:
    """The units of a question with the rarity and the weight of each among the articles.

    ``rarest`` is the rarity of a word that no article has.
    """

    units: Sequence[Unit]
    rarities: Sequence[float]
    weights: Sequence[float]
    rarest: float


def match(
    asked: Weighed, windows: Sequence[str], whole: str, questions: Sequence[str] = ()
) -> Match:
    """Look for each unit in an article's haystack, its windows and its likely questions.

    A likely question may fit better than any window; ``at`` is the best window all the same.
    """
    total = sum(asked.weights)
    if not total:
        return Match()
    there = [
        (unit, weight)
        for unit, weight in zip(asked.units, asked.weights, strict=True)
        if unit.found(whole)
    ]
    near, place = max(
        (
            (sum(weight * unit.found(window) for unit, weight in there), -place)
            for place, window in enumerate(windows)
        ),
        default=(0.0, 0),
    )
    window = windows[-place] if windows else whole
    for question in questions:
        fits = sum(weight * unit.found(question) for unit, weight in there)
        if fits > near:
            near, window = fits, question
    close = [unit.found(window) for unit in asked.units]
    got, lacking = _characters(asked, close)
    return Match(
        near=near / total,
        got=got / asked.rarest,
        lacking=lacking / asked.rarest,
        at=-place,
    )


def _characters(asked: Weighed, values: Sequence[float]) -> tuple[float, float]:
    """What is found and what is not, by character.

    Two characters that merely meet at the seam of two words are no word: that they are missing
    says nothing where each is part of something found.
    """
    weights: dict[int, float] = {}
    found: dict[int, float] = {}
    for unit, rarity, value in zip(asked.units, asked.rarities, values, strict=True):
        for place, counts in unit.places:
            weights[place] = min(weights.get(place, math.inf), counts * rarity)
            found[place] = max(found.get(place, 0.0), value)
    got = sum(weight * found[place] for place, weight in weights.items())
    return got, sum(weights.values()) - got


def number_missing(question: str, passage: str) -> bool:
    """Whether a folded question asks for a number or a time and the folded passage has none."""
    return bool(_NUMBER_ASKED.search(question)) and not _NUMBER.search(passage)


def evidence(
    best: Match, others: Sequence[Match], named: float, numberless: bool
) -> dict[str, float]:
    """The numbers that confidence is worked out from, each between about -3 and 4.

    ``others``: the next best articles; ``named``: the share of the article's title that the
    question names.
    """
    return {
        "near": best.near,
        "odds": best.odds,
        "got": math.log1p(best.got),
        "lead": best.near - max((other.near for other in others), default=0.0),
        "named": named,
        "numberless": -float(numberless),
    }
