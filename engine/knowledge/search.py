"""Search over articles: the best ones for a question, the passage, and how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from engine.knowledge import confidence as confidence_weights
from engine.knowledge import synonyms as synonym_groups
from engine.knowledge.analysis import Analysed, analysed, haystack, terms
from engine.knowledge.articles import Article
from engine.knowledge.confidence import Confidence
from engine.knowledge.evidence import Match, Weighed, evidence, match, number_missing
from engine.knowledge.index import Index
from engine.knowledge.passages import sentences
from engine.knowledge.question import LONGEST, Unit, rarity, units
from engine.knowledge.synonyms import Synonyms
from engine.knowledge.words import folded

CANDIDATES, CLOSELY = 10, 6
"""Articles that are ranked, and how many of them are looked at word by word."""
LONGEST_TITLE, LONGEST_BODY = 1_000, 200_000
"""Characters of an article that are searched."""
_CLOSENESS = 0.5
"""What the weight that stands close together in an article adds to its score."""
_RIVALS = 4
"""The next best articles that the best is compared with."""


@dataclass(frozen=True, slots=True)
class Found:
    """An article for a question.

    ``passage`` is the part of the body that fits best, as written; ``score`` compares articles
    for one question and means nothing else.
    """

    article: Article
    passage: str
    score: float
    match: Match


@dataclass(frozen=True, slots=True)
class Answer:
    """The articles nearest to a question, the best first.

    ``confidence``: the probability that the first answers it, from 0 to 1; 0 where there is none.
    """

    found: tuple[Found, ...]
    confidence: float
    evidence: dict[str, float]

    @property
    def best(self) -> Article | None:
        """The first article, if one has a word of the question."""
        return self.found[0].article if self.found else None


@dataclass(frozen=True, slots=True)
class _Page:
    article: Article
    title: str
    title_units: tuple[Unit, ...]
    lines: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def whole(self) -> str:
        return self.title + "".join(self.parts)

    def windows(self) -> list[str]:
        """The title with each two sentences that follow each other; made when they are needed."""
        starts = range(max(1, len(self.parts) - 1))
        return [self.title + "".join(self.parts[at : at + 2]) for at in starts]

    def passage(self, at: int) -> str:
        return " ".join(self.lines[at : at + 2])


@dataclass(frozen=True, slots=True)
class _Question:
    parts: Analysed
    weighed: Weighed
    text: str


class Search:
    """An index over articles. Made once; asking changes nothing in it."""

    def __init__(
        self,
        articles: Iterable[Article],
        synonyms: Synonyms | None = None,
        confidence: Confidence | None = None,
    ) -> None:
        self._synonyms = synonyms or synonym_groups.shipped()
        self._confidence = confidence
        self._pages: list[_Page] = []
        self._index = Index(map(self._add, articles))

    def ask(self, question: str, most: int = 3) -> Answer:
        """The articles nearest to a question in words of a person; ``most`` of them are kept."""
        asked = self._question(question)
        ranked = self._ranked(asked)
        if not ranked:
            return Answer((), 0.0, {})
        proof = self._evidence(asked, ranked)
        found = tuple(
            Found(page.article, page.passage(fits.at), score, fits)
            for score, page, fits in ranked[:most]
        )
        sure = (self._confidence or confidence_weights.shipped()).of(proof)
        return Answer(found, sure, proof)

    def _add(self, article: Article) -> tuple[Counter[str], Counter[str]]:
        """Keep an article's page; its terms are for the index."""
        title = analysed(article.title[:LONGEST_TITLE], self._synonyms)
        counts: Counter[str] = Counter()
        lines, parts = sentences(article.body[:LONGEST_BODY]), []
        for line in lines:
            part = analysed(line, self._synonyms)
            parts.append(haystack(part))
            counts.update(terms(part))
        self._pages.append(
            _Page(
                article=article,
                title=haystack(title),
                title_units=tuple(units(title)),
                lines=tuple(lines),
                parts=tuple(parts),
            )
        )
        return terms(title), counts

    def _question(self, question: str) -> _Question:
        parts = analysed(question[:LONGEST], self._synonyms)
        asked = units(parts)
        rarities = [rarity(unit, self._index.idf, self._index.holds) for unit in asked]
        weights = [unit.weight * rare for unit, rare in zip(asked, rarities, strict=True)]
        return _Question(
            parts, Weighed(asked, rarities, weights, self._index.rarest), haystack(parts)
        )

    def _ranked(self, asked: _Question) -> list[tuple[float, _Page, Match]]:
        total = sum(asked.weighed.weights)
        ranked = []
        for place, (score, number) in enumerate(self._index.best(terms(asked.parts), CANDIDATES)):
            page = self._pages[number]
            fits = match(asked.weighed, page.windows(), page.whole) if place < CLOSELY else Match()
            close = (score + _CLOSENESS * total) * fits.near
            ranked.append((score + close, number, page, fits))
        ranked.sort(key=lambda row: (-row[0], row[1]))
        return [(score, page, fits) for score, _, page, fits in ranked]

    def _evidence(
        self, asked: _Question, ranked: list[tuple[float, _Page, Match]]
    ) -> dict[str, float]:
        _, page, best = ranked[0]
        return evidence(
            best,
            [fits for _, _, fits in ranked[1 : 1 + _RIVALS]],
            named=self._named(page, asked.text),
            numberless=number_missing(asked.parts.text, folded(page.passage(best.at))),
        )

    def _named(self, page: _Page, question: str) -> float:
        weights = [
            (unit, unit.weight * rarity(unit, self._index.idf, self._index.holds))
            for unit in page.title_units
        ]
        total = sum(weight for _, weight in weights)
        named = sum(weight * unit.found(question) for unit, weight in weights)
        return named / total if total else 0.0
