"""Fifty people press Approve and Reject on one card at once, in three rooms, again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.clickers import CROWD, WEBBERS, Storm, in_the_web_room
from tests.acceptance.world import World

ROUNDS = 20


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, crowd=CROWD) as stage:
        yield stage


async def test_one_decision_one_run_and_a_polite_answer_for_everybody_else(world: World) -> None:
    names = [name for name, _ in WEBBERS]
    async with in_the_web_room(world, [world.address], names) as webbers:
        storm = Storm(world, world.app.db, webbers)
        for number in range(1, ROUNDS + 1):
            await storm.round(number)
    assert world.slack.violations == []
    assert world.telegram.violations == []
