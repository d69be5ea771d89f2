"""BM25 over the terms of articles that come and go; a term's scores are kept once known."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest

K1, B = 1.2, 0.6
"""How soon a repeated term stops counting, and how much a long article is held back."""
TITLE = 2
"""A term of the title counts as if it stood so many times more."""
QUESTION = 2
"""What a term of a likely question counts; their number does not, and they make nothing longer."""
MOST_COUNTED = 65_535
DRIFT = 0.1
"""Share by which the collection may grow or shrink before its mean length is taken again."""
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


@dataclass(frozen=True)
class Terms:
    """How often each term stands in an article's title and body; those of its likely questions."""

    title: Counter[str]
    body: Counter[str]
    questions: frozenset[str] = frozenset()

    @property
    def length(self) -> int:
        """Terms of the article, those of the title as often as they count."""
        return sum(self.body.values()) + TITLE * sum(self.title.values())

    def counts(self) -> Counter[str]:
        """What each term counts."""
        found = self.body.copy()
        for term, count in self.title.items():
            found[term] += count * TITLE
        for term in self.questions:
            found[term] += QUESTION
        return found


class Index:
    """Finds the articles, by number, whose terms are most like those of a question.

    Articles come and go one by one; the scores of a term are worked out when it is first asked
    for and kept until an article with it comes or goes, or the collection has changed much.
    """

    def __init__(self) -> None:
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        self._lengths: dict[int, int] = {}
        self._total = 0
        self._impacts: dict[str, array[float]] = {}
        self._weighed = (0, 1.0)

    @property
    def size(self) -> int:
        """How many articles it has."""
        return len(self._lengths)

    @property
    def rarest(self) -> float:
        """The rarity of a term that no article has."""
        return self._idf(0)

    def add(self, number: int, terms: Terms) -> None:
        """Take in an article. Its ``number`` must be greater than any before."""
        self._lengths[number] = terms.length
        self._total += terms.length
        for term, count in terms.counts().items():
            if term not in self._postings:
                self._postings[term] = (array("I"), array("H"))
            numbers, counts = self._postings[term]
            numbers.append(number)
            counts.append(count if count < MOST_COUNTED else MOST_COUNTED)
            if term in self._impacts:
                del self._impacts[term]

    def remove(self, number: int, terms: Terms) -> None:
        """Leave out an article again; ``terms`` are those that it was added with."""
        self._total -= self._lengths.pop(number)
        for term in terms.counts():
            numbers, counts = self._postings[term]
            at = bisect_left(numbers, number)
            del numbers[at], counts[at]
            self._impacts.pop(term, None)
            if not numbers:
                del self._postings[term]

    def idf(self, term: str) -> float:
        """How rare a term is; for one that no article has, ``rarest``."""
        rows = self._postings.get(term)
        return self._idf(len(rows[0]) if rows else 0)

    def holds(self, term: str) -> bool:
        """Whether an article has it."""
        return term in self._postings

    def best(self, terms: Mapping[str, float], most: int) -> list[tuple[float, int]]:
        """Score and number of the best articles for terms with their weights, the best first."""
        known = [(self._postings[term][0], term) for term in terms if term in self._postings]
        known.sort(key=lambda pair: (len(pair[0]), pair[1]))
        scores: dict[int, float] = defaultdict(float)
        visited = 0
        for numbers, term in known:
            visited += len(numbers)
            if visited > MOST_POSTINGS and scores:
                break
            weight = self._idf(len(numbers)) * kind_weight(term) * terms[term]
            for number, impact in zip(numbers, self._scores(term), strict=True):
                scores[number] += weight * impact
        best = nlargest(most, ((score, -number) for number, score in scores.items()))
        return [(score, -number) for score, number in best]

    def _idf(self, articles: int) -> float:
        return math.log(1 + (self.size - articles + 0.5) / (articles + 0.5))

    def _scores(self, term: str) -> array[float]:
        size, mean = self._weighed
        if abs(self.size - size) > size * DRIFT:
            self._impacts.clear()
            mean = self._total / self.size or 1.0
            self._weighed = self.size, mean
        found = self._impacts.get(term)
        if found is None:
            lengths, bare, share = self._lengths, K1 * (1 - B), K1 * B / mean
            found = array(
                "f",
                (
                    count * (K1 + 1) / (count + bare + share * lengths[number])
                    for number, count in zip(*self._postings[term], strict=True)
                ),
            )
            self._impacts[term] = found
        return found
