"""An article as it is searched: the strings in which a question's words are looked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from engine.knowledge.analysis import analysed, haystack, terms
from engine.knowledge.articles import Article
from engine.knowledge.index import Terms
from engine.knowledge.passages import Sentence, sentences
from engine.knowledge.question import Unit, units
from engine.knowledge.synonyms import Synonyms

LONGEST_TITLE, LONGEST_BODY = 1_000, 200_000
"""Characters of an article that are searched."""
MOST_QUESTIONS, LONGEST_QUESTION = 20, 500
"""Likely questions of an article that are searched, and the characters of each."""


@dataclass(frozen=True, slots=True)
class Line:
    """A likely question: what is found in it, and what it asks itself."""

    text: str
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """An article, its title, likely questions and sentences, each as a haystack."""

    article: Article
    title: str
    asked: tuple[Line, ...]
    lines: tuple[Sentence, ...]
    parts: tuple[str, ...]

    @property
    def whole(self) -> str:
        """All of it."""
        return self.title + "".join(line.text for line in self.asked) + "".join(self.parts)

    def place(self, at: int) -> tuple[int, int]:
        """Where the window ``at`` stands in the body: its start and its end."""
        lines = self.lines[at : at + 2]
        return (lines[0].start, lines[-1].end) if lines else (0, 0)


def paged(article: Article, synonyms: Synonyms) -> tuple[Page, Terms]:
    """An article's page, and its terms for the index; the same each time."""
    title = analysed(article.title[:LONGEST_TITLE], synonyms)
    asked = [analysed(text[:LONGEST_QUESTION], synonyms) for text in _questions(article)]
    body = article.body[:LONGEST_BODY]
    lines, parts = sentences(body), []
    counts: Counter[str] = Counter()
    for line in lines:
        part = analysed(body[line.start : line.end], synonyms)
        parts.append(haystack(part))
        counts.update(terms(part))
    page = Page(
        article=article,
        title=haystack(title),
        asked=tuple(Line(haystack(each), tuple(units(each))) for each in asked),
        lines=tuple(lines),
        parts=tuple(parts),
    )
    questions = frozenset(term for each in asked for term in terms(each))
    return page, Terms(terms(title), counts, questions)


def _questions(article: Article) -> tuple[str, ...]:
    return article.questions[:MOST_QUESTIONS]
