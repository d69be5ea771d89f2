"""How far the shipped model is to be believed. Fitted with it, and kept in its file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.language.contract import INTENTS

_NUMBERS = ("ask_below", "look_below", "trust", "alone")


@dataclass(frozen=True)
class Calibration:
    """What was fitted on sentences that training did not see. It travels in the GGUF."""

    rules: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By the rules' intent, what it adds to the log-probability of each intent."""
    weights: tuple[float, ...] = (0.0, 1.0, 1.0, 0.5, 0.5)
    """Of the constant, the intent's log-odds, whether the rules read the same intent, the log-odds
    of the least sure name, and whether both select the same assets."""
    ask_below: float = 0.8
    """Below this confidence a change is asked about."""
    look_below: float = 0.5
    """The same for what only looks; a look at the wrong place costs less."""
    trust: float = 0.0
    """What the rules' choice of names is worth, in log-odds."""
    alone: float = -0.02
    """Log-probability that the model's names must have where it overrules a doubt of the rules."""

    @staticmethod
    def from_json(raw: Any) -> Calibration:
        """A calibration as a file holds it. Raises ValueError for anything else."""
        try:
            rules = {
                _intent(said): {_intent(meant): _finite(value) for meant, value in row.items()}
                for said, row in raw["rules"].items()
            }
            weights = tuple(map(_finite, raw["weights"]))
            numbers = {name: _finite(raw[name]) for name in _NUMBERS}
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"the calibration is none: {error!r}") from None
        if len(weights) != len(Calibration.weights):
            raise ValueError(f"the calibration is none: {len(weights)} weights")
        return Calibration(rules, weights, **numbers)

    def confidence(self, found: Sequence[float]) -> float:
        """The probability that a reading with these features is right."""
        score = sum(w * x for w, x in zip(self.weights, (1.0, *found), strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def _intent(name: str) -> str:
    if name not in INTENTS:
        raise ValueError(f"the calibration is none: {name!r} is no intent")
    return name


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"the calibration is none: {str(value)[:40]!r} is no number")
    return float(value)
