"""What speaks for the best article and against it, in numbers that fit any collection."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.knowledge.analysis import CONCEPT
from engine.knowledge.question import BY_CONCEPT, Unit

SMOOTHING = 0.25
"""Words of the rarest kind, so that a question of one word proves little."""
MOST_CONCEPTS = 3
CLEAR = 1.0
"""From these odds on, where it has nearly three times what it lacks, more has a second weight."""


@dataclass(frozen=True, slots=True)
class Match:
    """How far an article has what a question asks.

    ``near``: the share of the question's weight, from 0 to 1, that stands in the title and two
    sentences that follow each other, of which ``at`` is the first; ``body``: the same without the
    title.  Weights, in words of the rarest kind: ``got`` and ``lacking``: of the characters and
    words that are, and are not, part of something found there.  ``concepts``: how many things are
    named there in other words than the question's.  ``asked``: how far, from 0 to 1, the question
    is one of the article's likely questions.  ``values``: for each unit of the question how far it
    is found, from 0 to 1; empty where the article was not looked at.
    """

    near: float = 0.0
    body: float = 0.0
    got: float = 0.0
    lacking: float = 0.0
    concepts: int = 0
    at: int = 0
    asked: float = 0.0
    values: tuple[float, ...] = ()

    @property
    def fits(self) -> float:
        """The better of its text and its likely questions, from 0 to 1."""
        return max(self.near, self.asked)

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

    def share(self, values: Sequence[float], of: Sequence[float] | None = None) -> float:
        """The share of the weight that ``values`` stand for, from 0 to 1.

        Words that are silent by themselves count only where they are found, in ``of`` or here.
        """
        total = got = 0.0
        rows = zip(self.units, self.weights, values, of or values, strict=True)
        for unit, weight, value, whole in rows:
            got += weight * value
            total += weight * whole if unit.silent else weight
        return got / total if total else 0.0


def match(asked: Weighed, title: str, parts: Sequence[str]) -> Match:
    """Look for each unit in the haystacks of an article's title and of its sentences."""
    if not any(asked.weights):
        return Match()
    named = [unit.found(title) for unit in asked.units]
    at = _window(asked, named, parts)
    return _fitting(asked, named, title, "".join(parts[at : at + 2]), at)


def _window(asked: Weighed, named: Sequence[float], parts: Sequence[str]) -> int:
    """The first of the two sentences that have most of what the title has not."""
    whole = "".join(parts)
    left = [
        (unit, weight, value)
        for unit, weight, value in zip(asked.units, asked.weights, named, strict=True)
        if value < 1 and unit.found(whole) > value
    ]
    best, found = 0, 0.0
    for at in range(max(1, len(parts) - 1) if left else 0):
        window = "".join(parts[at : at + 2])
        fits = sum(weight * max(value, unit.found(window)) for unit, weight, value in left)
        if fits > found:
            best, found = at, fits
    return best


def _fitting(asked: Weighed, named: Sequence[float], title: str, text: str, at: int) -> Match:
    inside = [unit.found(text) for unit in asked.units]
    values = [max(pair) for pair in zip(named, inside, strict=True)]
    got, lacking = _characters(asked, values)
    window = title + text
    concepts = {
        concept
        for unit, value in zip(asked.units, values, strict=True)
        if value == BY_CONCEPT
        for concept in unit.concepts
        if f" {CONCEPT}{concept} " in window
    }
    return Match(
        near=asked.share(values),
        body=asked.share(inside, values),
        got=got / asked.rarest,
        lacking=lacking / asked.rarest,
        concepts=len(concepts),
        at=at,
        values=tuple(values),
    )


def _characters(asked: Weighed, values: Sequence[float]) -> tuple[float, float]:
    """What is found and what is not, by character.

    Two characters that merely meet at the seam of two words are no word: that they are missing
    says nothing where each is part of something found.
    """
    weights: dict[int, float] = {}
    found: dict[int, float] = {}
    for unit, rarity, value in zip(asked.units, asked.rarities, values, strict=True):
        if unit.silent and not value:
            continue
        for place, counts in unit.places:
            weights[place] = min(weights.get(place, math.inf), counts * rarity)
            found[place] = max(found.get(place, 0.0), value)
    got = sum(weight * found[place] for place, weight in weights.items())
    return got, sum(weights.values()) - got


def evidence(
    asked: Weighed, best: Match, others: Sequence[Match], lines: Sequence[str]
) -> dict[str, float]:
    """The numbers that confidence is worked out from, each between about -3 and 4.

    ``others``: the next best articles; ``lines``: the haystacks of the best article's title and of
    its two sentences, each by itself.  ``concepts``: how many things beyond one are named in other
    words, for one proves nothing.
    """
    return {
        "body": best.body,
        "odds": best.odds,
        "clear": max(0.0, best.odds - CLEAR),
        "words": math.log1p(sum(asked.weights) / asked.rarest),
        "lead": best.fits - max((other.fits for other in others), default=0.0),
        "beyond": _beyond(asked, best, others),
        "third": _third(asked, best),
        "pairs": _paired(asked, lines, best.near),
        "concepts": float(max(0, min(best.concepts, MOST_CONCEPTS) - 1)),
        "asked": max(0.0, 2 * best.asked - 1),
    }


def _beyond(asked: Weighed, best: Match, others: Sequence[Match]) -> float:
    """How far the best stands out among articles on the same thing, from 0 to a quarter.

    The share that it alone has, times the share that another has too.  Where nothing else is on
    the subject, that it leads says little: it may be the only one to come near.
    """
    rivals = [other.values for other in others if other.values]
    total = sum(asked.weights)
    if not (rivals and best.values and total):
        return 0.0
    shared = alone = 0.0
    for weight, value, *theirs in zip(asked.weights, best.values, *rivals, strict=True):
        most = max(theirs)
        shared += weight * min(value, most)
        alone += weight * max(0.0, value - most)
    return shared * alone / total**2


def _third(asked: Weighed, best: Match) -> float:
    """What the third of the weightiest words found weighs, in words of the rarest kind.

    Two that stand in one article may do so by chance, three hardly.
    """
    found = sorted((w * v for w, v in zip(asked.weights, best.values, strict=False)), reverse=True)
    return found[2] / asked.rarest if len(found) > 2 else 0.0


def _paired(asked: Weighed, lines: Sequence[str], otherwise: float) -> float:
    """The share of the question's neighbouring words that stand in one sentence, or in the title.

    ``otherwise``: what it is where no two words are neighbours.
    """
    rows = [
        (unit, weight)
        for unit, weight in zip(asked.units, asked.weights, strict=True)
        if unit.weight >= 1
    ]
    found = [[unit.found(line) for line in lines] for unit, _ in rows]
    total = got = 0.0
    for one, other in _neighbours([unit for unit, _ in rows]):
        weight = math.sqrt(rows[one][1] * rows[other][1])
        total += weight
        got += weight * max(min(pair) for pair in zip(found[one], found[other], strict=True))
    return got / total if total else otherwise


def _neighbours(units: Sequence[Unit]) -> Iterator[tuple[int, int]]:
    """Each unit with the next one that shares no character with it."""
    for at, unit in enumerate(units):
        for other in (at + 1, at + 2):
            if other < len(units) and units[other].places[:1] > unit.places[-1:]:
                yield at, other
                break
