"""Articles and questions for fitting and for measuring, read from the files beside this one.

``= `` starts an article with its title; ``+ `` is a question in its words, ``* `` one in others,
``? `` one that no article answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.knowledge.articles import Article

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "ko", "zh")
FITTED, MEASURED = ("fit", "near", "close"), ("measure", "held")
"""The sets that weights are fitted on, and those that are only measured."""


@dataclass(frozen=True)
class Asked:
    """A question; ``key`` is the article that answers it, None for none; ``other_words``: see *."""

    text: str
    key: str | None
    other_words: bool = False


@dataclass(frozen=True)
class Texts:
    """One file: articles are numbered from 1."""

    articles: list[Article]
    questions: list[Asked]


def read(kind: str, language: str) -> Texts:
    """The texts of one set in one language."""
    articles: list[Article] = []
    questions: list[Asked] = []
    for line in (FOLDER / kind / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        mark, text = line[:2], line[2:]
        if mark == "= ":
            articles.append(Article(str(len(articles) + 1), text, ""))
        elif mark in ("+ ", "* "):
            questions.append(Asked(text, articles[-1].key, mark == "* "))
        elif mark == "? ":
            questions.append(Asked(text, None))
        elif line and mark != "# ":
            last = articles.pop()
            articles.append(Article(last.key, last.title, last.body + line))
    return Texts(articles, questions)


def late(language: str) -> tuple[list[Article], list[Asked]]:
    """All measured articles in one language and the questions of ``held/late.txt``."""
    articles = [
        Article(kind[0] + each.key, each.title, each.body)
        for kind in MEASURED
        for each in read(kind, language).articles
    ]
    return articles, _listed(FOLDER / "held" / "late.txt", language)


def unseen(language: str) -> list[Asked]:
    """The questions of ``measure/unseen.txt`` in one language; all in other words."""
    return _listed(FOLDER / "measure" / "unseen.txt", language)


def _listed(path: Path, language: str) -> list[Asked]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" ", 2) for line in lines if not line.startswith("#")]
    return [
        Asked(text, None if key == "0" else key, key != "0")
        for key, found, text in rows
        if found == language
    ]
