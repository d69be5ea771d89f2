"""BM25 over the terms of articles: postings with the score of each term worked out beforehand."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import nlargest

K1, B = 1.2, 0.6
"""How soon a repeated term stops counting, and how much a long article is held back."""
TITLE = 2
"""A term of the title counts as if it stood so many times more."""
CONCEPT_WEIGHT = 0.8
PIECE_WEIGHT = 0.4
SINGLE_WEIGHT = 0.5
MOST_POSTINGS = 20_000
"""Postings that one question may visit, the rarest terms first: this bounds its time."""


def kind_weight(term: str) -> float:
    """What a kind of term counts beside a word: a concept, two syllables, one character."""
    if term.startswith("#"):
        return CONCEPT_WEIGHT
    if term.startswith("~"):
        return PIECE_WEIGHT
    return SINGLE_WEIGHT if len(term) == 1 else 1.0


class Index:
    """Finds the articles, by number, whose terms are most like those of a question."""

    def __init__(self, articles: Iterable[tuple[Counter[str], Counter[str]]]) -> None:
        """Each article as the terms of its title and those of its body; read once, one by one."""
        found: dict[str, tuple[array[int], array[float]]] = {}
        lengths: list[int] = []
        for number, (title, body) in enumerate(articles):
            counts = _together(title, body)
            lengths.append(sum(counts.values()))
            for term, count in counts.items():
                numbers, impacts = found.setdefault(term, (array("I"), array("f")))
                numbers.append(number)
                impacts.append(count)
        self.size = len(lengths)
        self._postings = found
        self.rarest = self._idf(0)
        mean = (sum(lengths) / len(lengths) if lengths else 0) or 1.0
        held = [K1 * (1 - B + B * length / mean) for length in lengths]
        for numbers, impacts in found.values():
            for place, (number, often) in enumerate(zip(numbers, impacts, strict=True)):
                impacts[place] = often * (K1 + 1) / (often + held[number])

    def idf(self, term: str) -> float:
        """How rare a term is; for one that no article has, ``rarest``."""
        rows = self._postings.get(term)
        return self._idf(len(rows[0]) if rows else 0)

    def holds(self, term: str) -> bool:
        """Whether an article has it."""
        return term in self._postings

    def best(self, terms: Iterable[str], most: int) -> list[tuple[float, int]]:
        """Score and number of the best articles, the best first."""
        known = [(self._postings[term], term) for term in set(terms) if term in self._postings]
        known.sort(key=lambda pair: (len(pair[0][0]), pair[1]))
        scores: dict[int, float] = defaultdict(float)
        visited = 0
        for (numbers, impacts), term in known:
            visited += len(numbers)
            if visited > MOST_POSTINGS and scores:
                break
            weight = self._idf(len(numbers)) * kind_weight(term)
            for number, impact in zip(numbers, impacts, strict=True):
                scores[number] += weight * impact
        return nlargest(most, ((score, number) for number, score in scores.items()), key=_order)

    def _idf(self, articles: int) -> float:
        return math.log(1 + (self.size - articles + 0.5) / (articles + 0.5))


def _order(found: tuple[float, int]) -> tuple[float, int]:
    score, number = found
    return score, -number


def _together(title: Counter[str], body: Counter[str]) -> Counter[str]:
    return body + Counter({term: count * TITLE for term, count in title.items()})
