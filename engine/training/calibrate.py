"""Fits how far the model is to be believed, on sentences that its training did not see."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from engine.language.calibration import Calibration
from engine.language.contract import INTENTS
from engine.language.guided import open_model
from engine.language.prompt import make_prompt
from engine.language.verdict import Judged, request_for
from engine.training.measure import Case, cases, read_case
from engine.training.sentences import Sentence

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Tried weights of the rules' opinion."""
_SMOOTH = 1.0
WRONG_COSTS = 4.0
"""A change on a wrong reading costs as much as so many questions; the line follows from that."""
LOOK_COSTS = 2.5
"""The same for a look at the wrong place."""
TRUST = 3.0
"""The rules' choice of names stands where the model's own is less than so much likelier."""


def calibrate(
    path: Path, trained: list[Sentence], held_back: list[Sentence], rounds: int = 6
) -> Calibration:
    """The calibration for the model of this file. The rules never saw either text."""
    known = list(cases(trained, 11, 1, vary=True, test_names=False))
    table = _table((case.rules.parse.intent_type, case.intent) for case in known)
    model = open_model(path)
    held = list(cases(held_back, 12, rounds, vary=False))
    plain = Calibration(trust=TRUST)
    first = [(case, model.read_intents(case_request(case, plain))) for case in held]
    share = max(_SHARES, key=lambda each: _likelihood(first, table, each))
    scaled = {
        rules: {intent: round(share * value, 4) for intent, value in row.items()}
        for rules, row in table.items()
    }
    calibration = replace(plain, rules=scaled)
    judged = [(case, read_case(case, model, calibration)) for case in held]
    weights = _fit([(each.features, right(case, each)) for case, each in judged])
    return replace(
        calibration, weights=weights, ask_below=1 - 1 / WRONG_COSTS, look_below=1 - 1 / LOOK_COSTS
    )


def case_request(case: Case, calibration: Calibration) -> dict[str, object]:
    """What the model is asked for a case."""
    return request_for(case.rules, make_prompt(case.rules.scan), calibration)


def right(case: Case, judged: Judged) -> bool:
    """Whether intent and assets are right."""
    got = () if judged.rivals else judged.chosen.assets
    return judged.parse.intent_type == case.intent and got == case.assets


def _table(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """By the rules' intent, the log-odds that it lends each intent."""
    count = Counter(pairs)
    total = {true: sum(count[rules, true] for rules in INTENTS) for true in INTENTS}
    table = {}
    for rules in INTENTS:
        row = {
            true: math.log((count[rules, true] + _SMOOTH) / (total[true] + _SMOOTH * len(INTENTS)))
            for true in INTENTS
        }
        top = max(row.values())
        table[rules] = {true: value - top for true, value in row.items()}
    return table


def _likelihood(
    first: list[tuple[Case, dict[str, float]]], table: dict[str, dict[str, float]], share: float
) -> float:
    total = 0.0
    for case, chances in first:
        row = table[case.rules.parse.intent_type]
        scores = {intent: chance + share * row[intent] for intent, chance in chances.items()}
        norm = math.log(sum(math.exp(score) for score in scores.values()))
        total += scores[case.intent] - norm
    return total


def _fit(seen: list[tuple[tuple[float, ...], bool]]) -> tuple[float, ...]:
    """Logistic regression with a little shrinkage."""
    features = torch.tensor([(1.0, *found) for found, _ in seen], dtype=torch.float64)
    truth = torch.tensor([float(is_right) for _, is_right in seen], dtype=torch.float64)
    weights = torch.zeros(features.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        fit = functional.binary_cross_entropy_with_logits(features @ weights, truth)
        total: torch.Tensor = fit + 1e-3 * (weights[1:] ** 2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    return tuple(round(float(w), 4) for w in weights.detach())
