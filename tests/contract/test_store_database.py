"""Transactions, waking, keys and the lease, on both databases."""

from __future__ import annotations

import asyncio
import time

import pytest
import sqlalchemy as sa

from storage import counters, freezes, inbox, people
from storage.database import Database, DatabaseSettings
from storage.people import Listing, Role
from storage.tables import inbox as inbox_table
from tests.conftest import FakeClock


async def kept(db: Database) -> int:
    async with db.read() as tx:
        row = await tx.one(sa.select(sa.func.count()).select_from(inbox_table))
    assert row is not None
    return int(row[0])


async def test_a_transaction_that_raises_leaves_nothing_and_wakes_nobody(any_db: Database) -> None:
    async with any_db.listen("inbox") as news:
        with pytest.raises(RuntimeError):
            async with any_db.write() as tx:
                await inbox.keep(tx, "slack", "1", {})
                raise RuntimeError("in the middle")
        assert not news.is_set()
    assert await kept(any_db) == 0
    async with any_db.write() as tx:  # and the next writer is not held up
        assert await inbox.keep(tx, "slack", "1", {}) is not None


async def test_a_cancelled_transaction_leaves_nothing_and_frees_the_writer(
    any_db: Database,
) -> None:
    inside = asyncio.Event()

    async def stuck() -> None:
        async with any_db.write() as tx:
            await inbox.keep(tx, "slack", "1", {})
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await kept(any_db) == 0
    async with asyncio.timeout(5), any_db.write() as tx:
        assert await inbox.keep(tx, "slack", "1", {}) is not None


async def test_whoever_waits_is_woken_after_the_commit_not_before(any_db: Database) -> None:
    async with any_db.listen("inbox") as news, any_db.listen("outbox") as other:
        async with any_db.write() as tx:
            await inbox.keep(tx, "slack", "1", {})
            assert not news.is_set()
        assert news.is_set()
        assert not other.is_set()
        assert await kept(any_db) == 1


async def test_nobody_sees_what_is_not_committed(any_db: Database) -> None:
    async with any_db.write() as tx:
        await inbox.keep(tx, "slack", "1", {})
        assert await kept(any_db) == 0
    assert await kept(any_db) == 1


async def test_the_time_of_a_transaction_stands_still(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        begun = tx.now
        clock.forward(minutes=1)
        assert tx.now == begun
    async with any_db.read() as tx:
        assert tx.now == begun + 60_000


async def test_without_a_test_clock_the_time_is_milliseconds_of_now(any_url: str) -> None:
    db = Database.open(DatabaseSettings(any_url, "NORMAL"))
    try:
        async with db.read() as tx:
            assert abs(tx.now - time.time() * 1000) < 60_000
        async with db.write() as tx:
            assert abs(tx.now - time.time() * 1000) < 60_000
    finally:
        await db.close()


async def test_many_writers_and_readers_at_once_all_come_through(any_db: Database) -> None:
    async def write(number: int) -> None:
        async with any_db.write() as tx:
            await inbox.keep(tx, "slack", str(number), {"n": number})
        assert await kept(any_db) > 0

    await asyncio.gather(*(write(number) for number in range(60)))
    assert await kept(any_db) == 60


async def test_takers_of_a_days_keys_never_get_the_same_one(
    any_db: Database, clock: FakeClock
) -> None:
    async def take(count: int) -> list[str]:
        async with any_db.write() as tx:
            return await counters.take(tx, "SR", count)

    taken = await asyncio.gather(*(take(1 + number % 3) for number in range(20)))
    keys = [key for some in taken for key in some]
    assert sorted(keys) == [f"SR-20261120-{n:04d}" for n in range(1, len(keys) + 1)]
    clock.forward(minutes=24 * 60)
    assert await take(1) == ["SR-20261121-0001"]
    async with any_db.write() as tx:
        assert await counters.take(tx, "INC") == ["INC-20261121-0001"]


async def test_keys_that_were_rolled_back_are_given_again(any_db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with any_db.write() as tx:
            await counters.take(tx, "SR", 5)
            raise RuntimeError("never mind")
    async with any_db.write() as tx:
        assert await counters.take(tx, "SR") == ["SR-20261120-0001"]


async def test_one_freeze_at_a_time(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [Listing("ana", Role.ADMIN, "en")])
        (ana,) = await people.everyone(tx)
        assert await freezes.current(tx) is None
        assert not await freezes.end(tx, ana, "")
        assert await freezes.begin(tx, ana, "storm")
        assert not await freezes.begin(tx, ana, "again")
        freeze = await freezes.current(tx)
    assert freeze is not None and (freeze.reason, freeze.begun_by) == ("storm", "ana")
    async with any_db.listen("actions") as news:
        async with any_db.write() as tx:
            assert await freezes.end(tx, ana, "calm")
            assert await freezes.current(tx) is None
        assert news.is_set()  # what waited may run now
