"""How sure it is that the best article answers: a logistic regression over the evidence."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

WEIGHTS = Path(__file__).with_name("confidence.toml")
ANSWERS = 0.75
"""From this confidence on an article is given as the answer; below it a person is asked."""
LOWEST, HIGHEST = -30.0, 30.0
"""Bounds of a logit, the logarithm of the odds that an article answers."""


@dataclass(frozen=True)
class Confidence:
    """Weights of the evidence, written by ``python -m tests.fit_knowledge``."""

    bias: float
    weights: Mapping[str, float]

    def logit(self, evidence: Mapping[str, float]) -> float:
        """What the evidence adds up to, from LOWEST to HIGHEST. Raises KeyError for a lack."""
        total = self.bias + sum(weight * evidence[name] for name, weight in self.weights.items())
        return max(LOWEST, min(HIGHEST, total))

    def of(self, evidence: Mapping[str, float]) -> float:
        """The probability that the article answers, from 0 to 1."""
        return probability(self.logit(evidence))


@dataclass(frozen=True)
class Calibration:
    """What the people of this place have said about answers, as a change of the logit.

    ``scale`` and ``shift`` are for all articles; ``articles`` has one more shift by article key.
    """

    scale: float = 1.0
    shift: float = 0.0
    articles: Mapping[str, float] = field(default_factory=dict)

    def of(self, logit: float, article: str) -> float:
        """The probability that this article answers, from 0 to 1."""
        return probability(self.scale * logit + self.shift + self.articles.get(article, 0.0))


UNVOTED = Calibration()
"""Before the first vote: the shipped weights alone."""


def probability(logit: float) -> float:
    """From 0 to 1, for a logit of any size."""
    return 1.0 / (1.0 + math.exp(-max(LOWEST, min(HIGHEST, logit))))


@cache
def shipped() -> Confidence:
    """The weights of confidence.toml."""
    read = tomllib.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Confidence(bias=read["bias"], weights=read["weights"])
