"""``python -m tests.fit_knowledge``: fit the weights of the confidence on texts of our own.

Every question is asked of many collections: of one set or of two, in one language or in three, of
short articles and of long ones, with likely questions beside them and without.  In most of them a
part of the articles is taken away, so that questions are asked both with their article there and
without it.  A weight that would speak against good sense, as words in common counting against an
answer, is left out and the rest fitted again: what is left carries over to other texts.  Wrong
answers weigh more than right ones.  With ``--check`` nothing is written: each set is measured with
the weights that the others give.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from engine.knowledge.articles import Article
from engine.knowledge.confidence import WEIGHTS, Confidence, probability
from engine.knowledge.search import Search
from tests.unit.knowledge.figures import Outcome, figures
from tests.unit.knowledge.texts import FITTED, LANGUAGES, Asked, Texts, read

WRONG, NEAR = 1.2, 1.3
"""What a question without its article weighs; how much more one that no article answers."""
RIDGE = 1.0
REVIEWED = "reviewed"
"""The kind of collection whose articles have likely questions."""
TRANSLATED = 25
"""The first so many articles of a set are the same in every language, so each may answer."""


@dataclass(frozen=True)
class Example:
    """The evidence for one question in one collection; ``kind`` is the set that it is of."""

    evidence: dict[str, float]
    right: bool
    weight: float
    kind: str = ""


def main() -> None:
    """Fit and write confidence.toml, or check."""
    found = list(examples())
    if "--check" in sys.argv:
        check(found)
        return
    weights = both_fitted(found)
    lines = [
        "# Written by `python -m tests.fit_knowledge`: how the evidence adds up to a confidence.",
        f"bias = {weights.bias:.4f}",
        "",
        "[weights]",
        *(f"{name} = {weight:.4f}" for name, weight in weights.weights.items()),
    ]
    WEIGHTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(WEIGHTS.read_text(encoding="utf-8"))


def check(found: Sequence[Example]) -> None:
    """Print how each kind of collection fares by the weights of the others."""
    for kind in sorted({each.kind for each in found}):
        weights = both_fitted([each for each in found if each.kind != kind])
        rows = [each for each in found if each.kind == kind]
        outcomes = [Outcome(weights.of(each.evidence), each.right, each.right) for each in rows]
        row = figures(outcomes)
        print(kind, {name: round(row[name], 3) for name in ("precision", "recall", "ece")})


def examples(seed: int = 3) -> Iterator[Example]:
    """Every question in each of the collections, the same ones for the same seed."""
    chance, other_chance = random.Random(seed), random.Random(seed)
    for kind in FITTED:
        texts = [read(kind, language) for language in LANGUAGES]
        for share in (0.5, 0.5, 0.6, 0.6, 0.7, 0.9):
            for each in texts:
                yield from _asked(kind, _some(each.articles, share, chance), each.questions)
        for each, other in product(texts, texts):
            articles = each.articles if other is each else other.articles[:TRANSLATED]
            yield from _reviewed(each, articles, other_chance)
    fit = [read("fit", language) for language in LANGUAGES]
    for together in (3, 3, 5):
        for each in fit:
            yield from _long(each, together, chance)
    for _ in range(2):
        yield from _mixed(fit, chance)
    for language in LANGUAGES:
        yield from _both(language, chance)


def _some(articles: Iterable[Article], share: float, chance: random.Random) -> list[Article]:
    return [article for article in articles if chance.random() < share]


def _reviewed(
    texts: Texts, articles: Sequence[Article], chance: random.Random
) -> Iterator[Example]:
    """Each article with its other questions beside it, and at times with the one that is asked.

    The articles may be those of another language: then the questions alone are understood.
    """
    for turn in range(3):
        kept, asked = [], []
        for article in _some(articles, 0.7, chance):
            own = [each for each in texts.questions if each.key == article.key]
            asked += own[turn : turn + 1]
            if chance.random() < 0.7:
                del own[turn : turn + 1]
            kept.append(replace(article, questions=tuple(each.text for each in own)))
        keys = {article.key for article in kept}
        asked += [each for each in texts.questions if each.key not in keys]
        yield from _asked(REVIEWED, kept, asked)


def _long(texts: Texts, together: int, chance: random.Random) -> Iterator[Example]:
    """Some articles that stand together made into one."""
    pages: list[Article] = []
    page_of: dict[str, str] = {}
    for at in range(0, len(texts.articles), together):
        group = texts.articles[at : at + together]
        page_of |= {article.key: group[0].key for article in group}
        body = " ".join(article.body for article in group)
        pages.append(Article(group[0].key, group[0].title, body))
    asked = [replace(each, key=page_of.get(each.key or "")) for each in texts.questions]
    yield from _asked("long", _some(pages, 0.55, chance), asked)


def _both(language: str, chance: random.Random) -> Iterator[Example]:
    """All sets in one collection, so that there is more to take one for another."""
    articles, asked = [], []
    for kind in FITTED:
        texts = read(kind, language)
        articles += [replace(each, key=f"{kind}{each.key}") for each in texts.articles]
        asked += [replace(each, key=each.key and f"{kind}{each.key}") for each in texts.questions]
    yield from _asked("both", _some(articles, 0.7, chance), asked)


def _mixed(texts: Sequence[Texts], chance: random.Random) -> Iterator[Example]:
    """Each article in one of the languages, asked about in all."""
    turn = chance.randrange(3)
    kept = [
        replace(article, key=f"{language}-{article.key}")
        for place, (language, each) in enumerate(zip(LANGUAGES, texts, strict=True))
        for article in each.articles
        if (int(article.key) + turn) % 3 == place and chance.random() < 0.7
    ]
    translated = {key: each.key for each in kept if int(key := each.key[3:]) <= TRANSLATED}
    asked = []
    for language, each in zip(LANGUAGES, texts, strict=True):
        for question in each.questions:
            own = question.key and translated.get(question.key, f"{language}-{question.key}")
            asked.append(replace(question, key=own))
    yield from _asked("mixed", kept, asked)


def _asked(kind: str, kept: Sequence[Article], questions: Iterable[Asked]) -> Iterator[Example]:
    search = Search(kept, confidence=Confidence(0, {}))
    for question in questions:
        answer = search.ask(question.text)
        if answer.best:
            right = answer.best.key == question.key
            near = NEAR if question.key is None else 1.0
            yield Example(answer.evidence, right, 1.0 if right else WRONG * near, kind)


def both_fitted(examples: Sequence[Example]) -> Confidence:
    """The weights of the text alone, then beside them that of the likely questions."""
    found = fitted([each for each in examples if each.kind != REVIEWED])
    weight = 0.0
    for _ in range(15):
        slope, curve = RIDGE * weight, RIDGE
        for each in examples:
            value = each.evidence["asked"]
            sure = probability(found.logit(each.evidence) + weight * value)
            slope += each.weight * (sure - each.right) * value
            curve += each.weight * sure * (1 - sure) * value**2
        weight = max(0.0, weight - slope / curve)
    return Confidence(found.bias, {**found.weights, "asked": weight})


def fitted(examples: Sequence[Example]) -> Confidence:
    """Logistic regression without a weight below zero."""
    names = list(examples[0].evidence)
    while True:
        weights, spread = _newton(examples, names)
        bad = [(weights[at + 1] * spread[at], name) for at, name in enumerate(names)]
        worst, name = min(bad)
        if worst >= 0:
            return Confidence(weights[0], dict(zip(names, weights[1:], strict=True)))
        names.remove(name)


def _newton(examples: Sequence[Example], names: Sequence[str]) -> tuple[list[float], list[float]]:
    """Bias and weights, and how far each name's values spread."""
    rows = [[each.evidence[name] for name in names] for each in examples]
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    spread = [
        math.sqrt(sum((value - mean) ** 2 for value in column) / len(rows)) or 1.0
        for column, mean in zip(zip(*rows, strict=True), means, strict=True)
    ]
    scaled = [
        [1.0, *((v - m) / s for v, m, s in zip(row, means, spread, strict=True))] for row in rows
    ]
    size = len(names) + 1
    weights = [0.0] * size
    for _ in range(15):
        slope = [0.0] + [RIDGE * weight for weight in weights[1:]]
        curve = [[RIDGE if i == j and i else 0.0 for j in range(size)] for i in range(size)]
        for example, row in zip(examples, scaled, strict=True):
            sure = 1 / (1 + math.exp(-sum(w * v for w, v in zip(weights, row, strict=True))))
            miss = example.weight * (sure - example.right)
            bend = example.weight * sure * (1 - sure)
            for i, value in enumerate(row):
                slope[i] += miss * value
                line, held = curve[i], bend * value
                for j in range(size):
                    line[j] += held * row[j]
        step = _solved(curve, slope)
        weights = [weight - change for weight, change in zip(weights, step, strict=True)]
    plain = [weight / s for weight, s in zip(weights[1:], spread, strict=True)]
    bias = weights[0] - sum(weight * m for weight, m in zip(plain, means, strict=True))
    return [bias, *plain], spread


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss with pivots."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for at in range(size):
        pivot = max(range(at, size), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for below in range(at + 1, size):
            share = rows[below][at] / rows[at][at]
            rows[below] = [b - share * a for a, b in zip(rows[at], rows[below], strict=True)]
    found = [0.0] * size
    for at in reversed(range(size)):
        rest = sum(rows[at][j] * found[j] for j in range(at + 1, size))
        found[at] = (rows[at][size] - rest) / rows[at][at]
    return found


if __name__ == "__main__":
    main()
