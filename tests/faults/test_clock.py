"""F10: the wall clock jumps by an hour, a day, ten years, in either direction.

The clock of the machine cannot be set in a test: it is replaced where the process reads it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Self

import apscheduler.schedulers.base
import pytest

from bot.readiness import HealthSettings, Readiness
from bot.schedule import Schedule
from storage import clocks, inbox, leases, outbox, rooms
from storage.database import Database
from tests.conftest import FakeClock
from tests.contract.conftest import any_db, any_url, bare_db, postgres, postgres_url  # noqa: F401
from tests.unit.bot.conftest import Post, post, until  # noqa: F401 - fixtures

HOUR, DAY = 3_600, 86_400
JUMPS = [-DAY, -HOUR, HOUR, DAY, 3_650 * DAY]


class Wall:
    """What every reader of the wall clock in this process gets, off by ``jump`` seconds."""

    jump = 0.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wall]:
    found = Wall()
    real = time.time

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return datetime.now(tz) + timedelta(seconds=found.jump)  # type: ignore[return-value]

    monkeypatch.setattr(time, "time", lambda: real() + found.jump)
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shifted)
    yield found


@pytest.mark.parametrize("jump", JUMPS)
async def test_ticks_go_on(wall: Wall, jump: float) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        ticks.append(time.monotonic())

    schedule = Schedule()
    schedule.every(0.2, "watch", tick)
    schedule.start()
    try:
        await until(lambda: ticks)
        wall.jump = jump
        count = len(ticks)
        async with asyncio.timeout(4):
            await until(lambda: len(ticks) >= count + 3)
        # Not a burst of what was missed, either.
        assert len(ticks) < 25
    finally:
        schedule.stop()


@pytest.mark.parametrize("jump", [-DAY, -HOUR])
async def test_a_postponed_message_waits_no_day_longer(
    post: Post,  # noqa: F811
    clock: FakeClock,
    jump: int,
) -> None:
    """Nothing comes due by a clock that was set back: the next look lets it go on."""
    ready = Readiness(post.db, HealthSettings(), [], {}, lambda _: True)
    await ready.look()
    room = await post.room()
    async with post.db.write() as tx:
        row = await outbox.say(tx, room, {"text": "hello"})
        await outbox.postpone(tx, row, "away", 5_000)
        kept = await inbox.keep(tx, "slack", "one", {})
        assert kept is not None
        await inbox.postpone(tx, kept, "away", 5_000)
    clock.forward(seconds=jump)
    ready._begun -= 2
    await ready.look()
    await post.calls(1)
    async with post.db.read() as tx:
        assert [one.id for one in await inbox.waiting(tx, 10)] == [kept]


async def test_what_was_postponed_before_a_restart_is_found_too(
    db: Database, clock: FakeClock
) -> None:
    """The clock was set back while no process ran."""
    async with db.write() as tx:
        room = (await rooms.seen(tx, "web", "", "ops", "", "en")).id
        far, near = [await outbox.say(tx, room, {"text": word}) for word in ("far", "near")]
        await outbox.postpone(tx, far, "away", 5_000)
    clock.forward(seconds=-DAY)
    async with db.write() as tx:
        await outbox.postpone(tx, near, "away", 5_000)
    await Readiness(db, HealthSettings(), [], {}, lambda _: True).look()
    clock.forward(seconds=4)
    async with db.read() as tx:
        # One row still waits its five seconds, and so keeps the order of its room.
        assert await outbox.waiting(tx, 10, personal=False) == []
    clock.forward(seconds=2)
    async with db.read() as tx:
        found = await outbox.waiting(tx, 10, personal=False)
    assert [parcel.id for parcel in found] == [far, near]


async def test_a_dead_holder_keeps_no_lease_for_a_day(
    any_db: Database,  # noqa: F811
    clock: FakeClock,
) -> None:
    ready = Readiness(any_db, HealthSettings(), [], {}, lambda _: True)
    await ready.look()
    async with any_db.write() as tx:
        assert await leases.take(tx, "inbox", "dead", 15_000) == 1
        assert await leases.take(tx, "ticks", "alive", 15_000) == 1
    clock.forward(seconds=-DAY)
    async with any_db.write() as tx:
        assert await leases.take(tx, "inbox", "other", 15_000) is None
    ready._begun -= 2
    await ready.look()
    async with any_db.write() as tx:
        # It is not taken away at once from one who lives …
        assert await leases.take(tx, "ticks", "other", 15_000) is None
        assert await leases.take(tx, "ticks", "alive", 15_000) == 1
    clock.forward(minutes=1, seconds=1)
    async with any_db.write() as tx:
        # … and a minute later from one who does not.
        assert await leases.take(tx, "inbox", "other", 15_000) == 2


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
async def test_a_tick_of_many_replicas_is_due_again(
    any_db: Database,  # noqa: F811
    clock: FakeClock,
    jump: int,
) -> None:
    async with any_db.write() as tx:
        assert await clocks.due(tx, "tick:cycle", 300_000)
        assert not await clocks.due(tx, "tick:cycle", 300_000)
    clock.forward(seconds=jump)
    async with any_db.write() as tx:
        assert await clocks.due(tx, "tick:cycle", 300_000)
        assert not await clocks.due(tx, "tick:cycle", 300_000)
