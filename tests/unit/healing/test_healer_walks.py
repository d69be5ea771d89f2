"""Whatever happens, in whatever order: nothing is lost, doubled, hurried or stuck."""

from __future__ import annotations

import random

import pytest

from engine.healing.checks import Check
from tests.unit.healing.test_healer_nights import LATER
from tests.unit.healing.walks import Walk
from tests.unit.healing.ward import RESTART, Ward

RESTARTS = RESTART.format(tries=2)
WAITS = LATER.replace("TIMEOUT", "OOM")
CHANGED = RESTARTS.replace("settle_seconds = 300", "settle_seconds = 200")
UNDOES = RESTARTS + '[undo]\naction = "service_stop"\n'


@pytest.mark.parametrize("seed", range(24))
async def test_any_walk(ward: Ward, seed: int) -> None:
    dice = random.Random(seed)
    folder = ward.yard.folder
    versions = [
        Ward.folder(folder / "first", RESTARTS, WAITS),
        Ward.folder(folder / "first", RESTARTS, WAITS),
        Ward.folder(folder / "changed", CHANGED, WAITS),
        Ward.folder(folder / "undoes", UNDOES, WAITS),
        Ward.folder(folder / "gone", WAITS),
    ]
    checks = (Check("shop", "unit", asset="ONE"),)

    def starts(old: Ward, dice: random.Random) -> Ward:
        known = checks if dice.random() < 0.7 else ()
        return Ward(old.yard, dice.choice(versions), old.settings, known)

    walk = Walk(Ward(ward.yard, versions[0], ward.settings, checks), dice, starts)
    try:
        await walk.go(80)
    except AssertionError as error:
        error.add_note(f"seed {seed}, after {' '.join(walk.done)}")
        raise
