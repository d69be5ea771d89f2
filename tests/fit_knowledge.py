"""``python -m tests.fit_knowledge``: fit the weights of the confidence on texts of our own.

Every question is asked of collections from which a part of the articles is taken away, so that
most questions are asked both with their article there and without it.  A weight that would speak
against good sense, as words in common counting against an answer, is left out and the rest fitted
again: what is left carries over to other texts.  Wrong answers weigh more than right ones.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from engine.knowledge.articles import Article
from engine.knowledge.confidence import WEIGHTS, Confidence
from engine.knowledge.search import Search
from tests.unit.knowledge.texts import LANGUAGES, Texts, read

ROUNDS = 8
SHARES = (0.5, 0.5, 0.6, 0.9)
"""Of the articles, how many stay in a round."""
WRONG, NEAR = 1.5, 2.5
"""What a question without its article weighs; one that is near and that no article answers."""
RIDGE = 1.0
TRANSLATED = 25
"""The first so many articles are the same in every language: each may answer for the others."""


@dataclass(frozen=True)
class Example:
    """The evidence for one question in one collection."""

    evidence: dict[str, float]
    right: bool
    weight: float


class _Silent(Confidence):
    def of(self, evidence: object) -> float:
        return 0.0


def main() -> None:
    """Fit and write confidence.toml."""
    found = fitted(examples())
    lines = [
        "# Written by `python -m tests.fit_knowledge`: how the evidence adds up to a confidence.",
        f"bias = {found.bias:.4f}",
        "",
        "[weights]",
        *(f"{name} = {weight:.4f}" for name, weight in found.weights.items()),
    ]
    WEIGHTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(WEIGHTS.read_text(encoding="utf-8"))


def examples(seed: int = 3) -> list[Example]:
    """Every question in each of the collections, the same ones for the same seed."""
    chance = random.Random(seed)
    texts = {language: read("fit", language) for language in LANGUAGES}
    found: list[Example] = []
    for number in range(ROUNDS):
        if number % 3 == 0:
            found += _mixed(texts, chance)
            continue
        for each in texts.values():
            share = SHARES[number % len(SHARES)]
            kept = [article for article in each.articles if chance.random() < share]
            search = Search(kept, confidence=_Silent(0, {}))
            found += _asked(search, [(q.text, q.key) for q in each.questions])
    return found


def _mixed(texts: dict[str, Texts], chance: random.Random) -> list[Example]:
    """Each article in one of the languages, asked about in all."""
    turn = chance.randrange(3)
    kept = [
        Article(f"{language}-{article.key}", article.title, article.body)
        for place, (language, each) in enumerate(texts.items())
        for article in each.articles
        if (int(article.key) + turn) % 3 == place and chance.random() < 0.7
    ]
    translated = {key: each.key for each in kept if int(key := each.key[3:]) <= TRANSLATED}
    questions = []
    for language, each in texts.items():
        for question in each.questions:
            key = None if question.key is None else f"{language}-{question.key}"
            known = translated.get(int(question.key)) if question.key else None
            questions.append((question.text, known or key))
    return _asked(Search(kept, confidence=_Silent(0, {})), questions)


def _asked(search: Search, questions: list[tuple[str, str | None]]) -> list[Example]:
    found = []
    for text, key in questions:
        answer = search.ask(text)
        if answer.best:
            right = answer.best.key == key
            weight = 1.0 if right else NEAR * WRONG if key is None else WRONG
            found.append(Example(answer.evidence, right, weight))
    return found


def fitted(examples: list[Example]) -> Confidence:
    """Logistic regression without a weight below zero."""
    names = list(examples[0].evidence)
    while True:
        weights, spread = _newton(examples, names)
        bad = [(weights[at + 1] * spread[at], name) for at, name in enumerate(names)]
        worst, name = min(bad)
        if worst >= 0:
            return Confidence(weights[0], dict(zip(names, weights[1:], strict=True)))
        names.remove(name)


def _newton(examples: list[Example], names: list[str]) -> tuple[list[float], list[float]]:
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
