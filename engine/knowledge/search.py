"""Search over articles: the best ones for a question, the passage, and how sure it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.knowledge import confidence as confidence_weights
from engine.knowledge import synonyms as synonym_groups
from engine.knowledge.analysis import Analysed, analysed, haystack
from engine.knowledge.articles import Article
from engine.knowledge.confidence import ANSWERS, LOWEST, UNVOTED, Calibration, Confidence
from engine.knowledge.evidence import Match, Weighed, evidence, match
from engine.knowledge.index import Index
from engine.knowledge.numbers import amount_missing, number_missing
from engine.knowledge.page import LONGEST_TITLE, Line, Page, paged
from engine.knowledge.question import LONGEST, Unit, rarity, sought, units
from engine.knowledge.synonyms import Synonyms
from engine.knowledge.words import folded

CANDIDATES, CLOSELY = 10, 6
"""Articles that are ranked, and how many of them are looked at word by word."""
_CLOSENESS = 0.5
"""What the weight that stands close together in an article adds to its score."""
_RIVALS = 4
"""The next best articles that the best is compared with."""
JOIN = 60
"""Joining two rankings, an article counts 1 / (JOIN + its place) in each: reciprocal rank fusion
with the constant it was published with (Cormack, Clarke and Büttcher, 2009)."""
_UNSEEN = Match()


@dataclass(frozen=True, slots=True)
class Found:
    """An article for a question.

    ``passage`` is the part of the body that fits best, as written, from ``start`` to ``end`` in
    characters; ``score`` compares articles for one question, by words, and means nothing else.
    """

    article: Article
    passage: str
    start: int
    end: int
    score: float
    match: Match


@dataclass(frozen=True, slots=True)
class Answer:
    """The articles nearest to a question, the best first.

    ``confidence``: the probability that the first answers it, from 0 to 1; 0 where there is none.
    ``logit`` is what the evidence says by the shipped weights, before any vote of this place.
    """

    found: tuple[Found, ...]
    confidence: float
    logit: float
    evidence: dict[str, float]

    @property
    def best(self) -> Article | None:
        """The first article, if one has a word of the question."""
        return self.found[0].article if self.found else None


@dataclass(frozen=True, slots=True)
class _Ranked:
    score: float
    page: Page
    fits: Match


@dataclass(frozen=True, slots=True)
class _Question:
    parts: Analysed
    weighed: Weighed
    text: str


class Search:
    """An index over articles, which come and go one by one. Asking changes nothing in it.

    ``calibration`` may be set anew at any time, as engine.knowledge.refit makes it of votes.
    """

    def __init__(
        self,
        articles: Iterable[Article] = (),
        synonyms: Synonyms | None = None,
        confidence: Confidence | None = None,
        calibration: Calibration = UNVOTED,
    ) -> None:
        self.calibration = calibration
        self._synonyms = synonyms or synonym_groups.shipped()
        self._confidence = confidence or confidence_weights.shipped()
        self._pages: dict[int, Page] = {}
        self._numbers: dict[str, int] = {}
        self._next = 0
        self._index = Index()
        for article in articles:
            self.put(article)

    def __len__(self) -> int:
        return len(self._pages)

    def articles(self) -> list[Article]:
        """All of them, the oldest change first."""
        return [page.article for page in self._pages.values()]

    def put(self, article: Article) -> None:
        """Take in an article, in place of the one with its key if there is one."""
        self.remove(article.key)
        page, found = paged(article, self._synonyms)
        self._index.add(self._next, found)
        self._pages[self._next] = page
        self._numbers[article.key] = self._next
        self._next += 1

    def remove(self, key: str) -> bool:
        """Leave out the article with this key; False where there is none."""
        number = self._numbers.pop(key, None)
        if number is None:
            return False
        page = self._pages.pop(number)
        self._index.remove(number, paged(page.article, self._synonyms)[1])
        return True

    def ask(
        self, question: str, most: int = 3, near: Sequence[str] = (), keep: float = ANSWERS
    ) -> Answer:
        """The articles nearest to a question in words of a person; ``most`` of them are kept.

        ``near``: keys of articles that something else found, the best first.  They are joined with
        those found by words where these are less sure than ``keep``, and never raise that: from
        ``keep`` on, the answer is the same with and without them.
        """
        asked = self._question(question)
        ranked = self._ranked(asked)
        answer = self._answer(asked, ranked, most)
        if not near or answer.confidence >= keep:
            return answer
        joined = self._joined(asked, ranked, near)
        if joined[:1] == ranked[:1]:
            return replace(answer, found=tuple(map(_found, joined[:most])))
        other = self._answer(asked, joined, most)
        return replace(other, confidence=min(answer.confidence, other.confidence))

    def _answer(self, asked: _Question, ranked: Sequence[_Ranked], most: int) -> Answer:
        if not ranked:
            return Answer((), 0.0, LOWEST, {})
        proof = self._evidence(asked, ranked)
        logit = self._confidence.logit(proof)
        sure = self.calibration.of(logit, ranked[0].page.article.key)
        return Answer(tuple(map(_found, ranked[:most])), sure, logit, proof)

    def _question(self, question: str) -> _Question:
        parts = analysed(question[:LONGEST], self._synonyms)
        return _Question(parts, self._weighed(units(parts)), haystack(parts))

    def _weighed(self, asked: Sequence[Unit]) -> Weighed:
        rarities = [rarity(unit, self._index.idf, self._index.holds) for unit in asked]
        weights = [unit.weight * rare for unit, rare in zip(asked, rarities, strict=True)]
        return Weighed(asked, rarities, weights, self._index.rarest)

    def _ranked(self, asked: _Question) -> list[_Ranked]:
        total = sum(asked.weighed.weights)
        ranked = []
        for place, (score, number) in enumerate(self._index.best(sought(asked.parts), CANDIDATES)):
            page = self._pages[number]
            fits = self._match(asked, page) if place < CLOSELY else Match()
            close = (score + _CLOSENESS * total) * fits.fits
            ranked.append(_Ranked(score + close, page, fits))
        ranked.sort(key=lambda row: (-row.score, row.page.article.key))
        return ranked

    def _joined(
        self, asked: _Question, ranked: Sequence[_Ranked], near: Sequence[str]
    ) -> list[_Ranked]:
        """Both rankings as one; where they say the same, words come first."""
        rows = {row.page.article.key: row for row in ranked}
        counts: dict[str, float] = defaultdict(float)
        for keys in (rows, [key for key in dict.fromkeys(near) if key in self._numbers]):
            for place, key in enumerate(keys, 1):
                counts[key] += 1 / (JOIN + place)
        best = sorted(counts, key=lambda key: -counts[key])[:CANDIDATES]
        return [self._seen(asked, key, rows.get(key)) for key in best]

    def _seen(self, asked: _Question, key: str, row: _Ranked | None) -> _Ranked:
        """Looked at word by word, whatever found it."""
        if row is not None and row.fits != _UNSEEN:
            return row
        page = self._pages[self._numbers[key]]
        return _Ranked(row.score if row else 0.0, page, self._match(asked, page))

    def _match(self, asked: _Question, page: Page) -> Match:
        fits = match(asked.weighed, page.title, page.parts)
        if not page.asked:
            return fits
        return replace(fits, asked=max(self._same(asked, line) for line in page.asked))

    def _evidence(self, asked: _Question, ranked: Sequence[_Ranked]) -> dict[str, float]:
        best = ranked[0]
        page, at = best.page, best.fits.at
        rivals = [each.fits for each in ranked[1 : 1 + _RIVALS]]
        proof = evidence(asked.weighed, best.fits, rivals, (page.title, *page.parts[at : at + 2]))
        start, end = page.place(at)
        passage = folded(f"{page.article.title[:LONGEST_TITLE]}\n{page.article.body[start:end]}")
        proof["numberless"] = -float(number_missing(asked.parts.text, page.whole))
        proof["amountless"] = -float(amount_missing(asked.parts.text, passage))
        return proof

    def _same(self, asked: _Question, line: Line) -> float:
        """How far a question and a likely one ask the same, from 0 to 1: the weaker way round."""
        other = self._weighed(line.units)
        return min(
            asked.weighed.share([unit.found(line.text) for unit in asked.weighed.units]),
            other.share([unit.found(asked.text) for unit in other.units]),
        )


def _found(ranked: _Ranked) -> Found:
    article = ranked.page.article
    start, end = ranked.page.place(ranked.fits.at)
    return Found(article, article.body[start:end], start, end, ranked.score, ranked.fits)
