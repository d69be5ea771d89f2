"""Leases: one holder at a time, a fence that grows, and late writers kept out."""

from __future__ import annotations

import asyncio

from storage import clocks, leases
from storage.database import Database, DatabaseSettings
from tests.conftest import FakeClock

LIFE = 15_000


async def take(db: Database, holder: str) -> int | None:
    async with db.write() as tx:
        return await leases.take(tx, "inbox", holder, LIFE)


async def test_one_holds_it_until_its_end_and_the_next_gets_a_higher_fence(
    any_db: Database, clock: FakeClock
) -> None:
    assert await take(any_db, "a") == 1
    assert await take(any_db, "b") is None
    clock.forward(seconds=14)
    assert await take(any_db, "a") == 1, "made longer, by the one who has it"
    clock.forward(seconds=14)
    assert await take(any_db, "b") is None
    clock.forward(seconds=1)
    assert await take(any_db, "b") == 2
    assert await take(any_db, "a") is None
    async with any_db.write() as tx:
        assert not await leases.still(tx, "inbox", 1)
        assert await leases.still(tx, "inbox", 2)
        assert await leases.held(tx) == {"inbox": "b"}


async def test_what_is_given_up_is_free_at_once(any_db: Database) -> None:
    await take(any_db, "a")
    async with any_db.write() as tx:
        await leases.release(tx, {"inbox": 1})
    assert await take(any_db, "b") == 2


async def test_of_many_who_grab_it_at_once_one_gets_it(any_db: Database) -> None:
    got = await asyncio.gather(*(take(any_db, name) for name in "abcdefgh"))
    assert sorted(fence for fence in got if fence is not None) == [1]


async def test_a_lease_stays_ours_while_a_fenced_write_is_under_way(
    postgres_url: str, clock: FakeClock
) -> None:
    """Whoever wants it waits for the write, and only then takes over."""
    from storage.all_tables import metadata

    db = Database.open(DatabaseSettings(postgres_url), clock)
    async with db.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await take(db, "a")
    async with db.write() as tx:
        assert await leases.still(tx, "inbox", 1)
        clock.forward(seconds=20)
        other = asyncio.create_task(take(db, "b"))
        await asyncio.wait([other], timeout=0.3)
        assert not other.done()
    assert await other == 2
    await db.close()


async def test_replicas_are_listed_while_they_give_signs_of_life(
    any_db: Database, clock: FakeClock
) -> None:
    async with any_db.write() as tx:
        await leases.beat(tx, "a")
    clock.forward(seconds=20)
    async with any_db.write() as tx:
        await leases.beat(tx, "b")
        await leases.beat(tx, "b")
        assert await leases.alive(tx, 30_000) == ["a", "b"]
        assert await leases.alive(tx, 10_000) == ["b"]
        await leases.forget(tx, silent_ms=20_000)
        assert await leases.alive(tx, 1_000_000) == ["b"]
        await leases.forget(tx, ["b"])
        assert await leases.alive(tx, 1_000_000) == []


async def test_a_tick_is_done_once_per_period_by_whoever_comes_first(
    any_db: Database, clock: FakeClock
) -> None:
    async def due() -> bool:
        async with any_db.write() as tx:
            return await clocks.due(tx, "tick:cycle", 270_000)

    assert await due()
    clock.forward(seconds=269)
    assert not await due()
    clock.forward(seconds=1)
    first, second = await asyncio.gather(due(), due())
    assert first is not second
