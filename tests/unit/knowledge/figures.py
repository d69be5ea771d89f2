"""What is counted of answers: how many are right, how many are given, how honest the confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.knowledge.confidence import ANSWERS


@dataclass(frozen=True)
class Outcome:
    """One question: the confidence, whether the best article is right, whether one could be."""

    confidence: float
    right: bool
    answerable: bool


def figures(outcomes: Sequence[Outcome], bins: int = 10) -> dict[str, float]:
    """Shares from 0 to 1.

    ``first``: of the answerable, the best article is right; ``precision``: of the answers given at
    0.75 or above; ``coverage``: of all questions, those answered so; ``recall``: of the
    answerable, answered so and right; ``ece``: the expected calibration error over ``bins`` of
    equal width.
    """
    answerable = sum(each.answerable for each in outcomes) or 1
    given = [each for each in outcomes if each.confidence >= ANSWERS]
    right = sum(each.right for each in given)
    error = 0.0
    for number in range(bins):
        inside = [each for each in outcomes if min(int(each.confidence * bins), bins - 1) == number]
        error += abs(sum(each.confidence - each.right for each in inside))
    return {
        "first": sum(each.right for each in outcomes) / answerable,
        "given": len(given),
        "precision": right / len(given) if given else 1.0,
        "coverage": len(given) / (len(outcomes) or 1),
        "recall": right / answerable,
        "ece": error / (len(outcomes) or 1),
    }
