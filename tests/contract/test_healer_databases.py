"""The healer on both databases, and two of them at once on the same rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from engine.errors import GiveUp
from engine.healing.consider import Considering, consider
from engine.healing.settings import HealSettings
from engine.incidents import desk
from storage import incidents
from storage.database import Database
from storage.lifecycle import UNDER_WAY
from tests.conftest import FakeClock
from tests.unit.execution.conftest import Yard, open_yard
from tests.unit.healing import test_healer, test_healer_clocks, test_healer_nights
from tests.unit.healing.walks import ALERTS, Walk
from tests.unit.healing.ward import RESTART, Ward

PATHS = (
    test_healer.test_a_broken_service_is_restarted_looked_after_and_resolved,
    test_healer.test_the_last_failure_blocks_the_repair_and_the_next_alert_asks,
    test_healer.test_a_freeze_holds_repairs_up_and_loses_none,
    test_healer.test_too_many_repairs_trip_a_breaker_that_only_a_person_closes,
    test_healer_nights.test_what_comes_back_goes_on_with_the_repair_that_is_under_way,
    test_healer_clocks.test_a_clock_that_was_years_ahead_leaves_nothing_stuck,
    test_healer_nights.test_what_gets_worse_after_a_person_was_called_is_told_once_more,
)


@pytest.fixture
async def yard(
    any_db: Database, any_url: str, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Yard]:
    """With the dispatch that belongs to each database."""
    async with open_yard(any_db, clock, tmp_path, any_url) as found:
        await found.start()
        yield found


@pytest.fixture
async def ward(yard: Yard, tmp_path: Path) -> Ward:
    playbooks = Ward.folder(tmp_path / "playbooks", RESTART.format(tries=2))
    return Ward(yard, playbooks, HealSettings(look_every_s=1))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
async def test_a_path(ward: Ward, path: Callable[[Ward], Awaitable[None]]) -> None:
    await path(ward)


def _twins(ward: Ward) -> list[Ward]:
    """The same bot started several times on one database."""
    return [ward, *(Ward(ward.yard, ward.playbooks, ward.settings) for _ in range(3))]


async def test_of_many_healers_one_begins_a_repair_of_a_target(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    for letter in "abcdefgh":
        await ward.report(fingerprint=letter, summary=f"request {letter} timed out")
    db, planner = ward.yard.db, ward.yard.proposals.planner
    known = Considering(planner, ward.playbooks, ward.settings)

    async def decide(number: int) -> None:
        async with db.write() as tx:
            await consider(tx, known, number)

    # Each decides about another incident, so that only the guards stand between them.
    await asyncio.gather(*(decide(number) for number in range(1, 9)))
    tried = [one for number in range(1, 9) for one in await ward.attempts(number)]
    assert [one.state in UNDER_WAY for one in tried] == [True]
    twins = _twins(ward)
    for _ in range(3):
        await asyncio.gather(*(twin.healer.run_once() for twin in twins))
    assert len(await ward.waiting()) == 1
    assert "could not" not in caplog.text


async def test_healers_reports_and_people_at_once_wait_in_no_ring(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(7)
    twins = _twins(ward)
    walk = Walk(ward, dice, lambda old, _: old)

    async def at_the_desk(deed: Callable[..., Awaitable[object]]) -> None:
        async with ward.yard.db.read() as tx:
            found = await incidents.listing(tx, states=desk.LIVE)
        for incident in found[:3]:
            try:
                async with ward.yard.db.write() as tx:
                    await deed(tx, ward.yard.people["jun"], incident)
            except GiveUp:
                continue
            if deed is desk.retry:
                walk.retried_at.append(ward.yard.clock.now)

    for alert in ALERTS:
        await ward.report(**alert)
    for _ in range(12):
        ward.yard.clock.forward(seconds=dice.choice((1, 31, 301, 1801)))
        chosen = dice.sample(ALERTS, 3)
        people = dice.sample((desk.resolve, desk.take, desk.retry), 2)
        await asyncio.gather(
            *(ward.report(**alert) for alert in chosen),
            *(ward.clear(**alert) for alert in dice.sample(ALERTS, 2)),
            *(twin.healer.run_once() for twin in twins),
            *(at_the_desk(deed) for deed in people),
        )
        if waiting := await ward.waiting():
            await ward.yard.decide(waiting[0].id)
            await walk.ended(waiting[0])
        await walk.check()
    assert "could not" not in caplog.text
