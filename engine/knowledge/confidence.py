"""How sure it is that the best article answers: a logistic regression over the evidence."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WEIGHTS = Path(__file__).with_name("confidence.toml")
ANSWERS = 0.75
"""From this confidence on an article is given as the answer; below it a person is asked."""


@dataclass(frozen=True)
class Confidence:
    """Weights of the evidence, written by ``python -m tests.fit_knowledge``."""

    bias: float
    weights: Mapping[str, float]

    def of(self, evidence: Mapping[str, float]) -> float:
        """The probability that the article answers, from 0 to 1."""
        total = self.bias + sum(weight * evidence[name] for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


@cache
def shipped() -> Confidence:
    """The weights of confidence.toml."""
    read = tomllib.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Confidence(bias=read["bias"], weights=read["weights"])
