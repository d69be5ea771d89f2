"""The confidence fitted again from the votes of this place: solved or not solved.

The change is held back by what ships, as if that were hundreds of votes: ten votes move little,
some hundred settle it.  It may go down further than up, for a wrong answer costs more than a
question that a person answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.knowledge import confidence as confidence_weights
from engine.knowledge.confidence import Calibration, Confidence, probability

SCALES = (0.5, 1.5)
SHIFTS = (-3.0, 0.5)
ARTICLE_SHIFTS = (-5.0, 0.5)
"""The least and the most of each; beyond them votes change nothing more."""
_HOLD_SCALE, _HOLD_SHIFT = 150.0, 40.0
"""How strongly the shipped weights hold, in votes times their doubt (at most a quarter each)."""
_HOLD_ARTICLE = 1.5
"""The same for one article: two people whom it did not help weigh more than what it promises."""
_STEPS = 20


@dataclass(frozen=True)
class Vote:
    """What a person said of an answer.

    ``article``: the key of the article that was given, ``evidence``: that of the answer when it
    was given, ``solved``: whether it helped.
    """

    article: str
    evidence: Mapping[str, float]
    solved: bool


@dataclass(frozen=True)
class _Row:
    logit: float
    solved: bool


def refit(votes: Iterable[Vote], weights: Confidence | None = None) -> Calibration:
    """The calibration that the votes ask for; without votes, that of the shipped weights.

    Always counted from all votes that still hold, so their order does not matter and a vote that
    is taken back leaves nothing behind.  Leave out the votes of an article from before its text
    was changed.  A vote whose evidence lacks a number that the weights need, from an older
    version, is left out.
    """
    weights = weights or confidence_weights.shipped()
    rows: dict[str, list[_Row]] = defaultdict(list)
    for vote in votes:
        if weights.weights.keys() <= vote.evidence.keys():
            rows[vote.article].append(_Row(weights.logit(vote.evidence), vote.solved))
    scale, shift = _line([row for each in rows.values() for row in each])
    return Calibration(
        scale=scale,
        shift=shift,
        articles={key: _own_shift(each, scale, shift) for key, each in sorted(rows.items())},
    )


def _line(rows: Sequence[_Row]) -> tuple[float, float]:
    """Scale and shift by Newton's steps, one after the other, so that each keeps its bounds."""
    scale, shift = 1.0, 0.0
    for _ in range(_STEPS):
        slope, curve = _HOLD_SCALE * (scale - 1), _HOLD_SCALE
        for row in rows:
            sure = probability(scale * row.logit + shift)
            slope += (sure - row.solved) * row.logit
            curve += sure * (1 - sure) * row.logit**2
        scale = _within(SCALES, scale - slope / curve)
        slope, curve = _HOLD_SHIFT * shift, _HOLD_SHIFT
        for row in rows:
            sure = probability(scale * row.logit + shift)
            slope += sure - row.solved
            curve += sure * (1 - sure)
        shift = _within(SHIFTS, shift - slope / curve)
    return scale, shift


def _own_shift(rows: Sequence[_Row], scale: float, shift: float) -> float:
    own = 0.0
    for _ in range(_STEPS):
        slope, curve = _HOLD_ARTICLE * own, _HOLD_ARTICLE
        for row in rows:
            sure = probability(scale * row.logit + shift + own)
            slope += sure - row.solved
            curve += sure * (1 - sure)
        own = _within(ARTICLE_SHIFTS, own - slope / curve)
    return own


def _within(bounds: tuple[float, float], value: float) -> float:
    return max(bounds[0], min(bounds[1], value))
