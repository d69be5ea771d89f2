"""Breakers, on both databases."""

from __future__ import annotations

import asyncio

from storage import breakers
from storage.database import Database
from tests.conftest import FakeClock
from tests.contract.healing import jun, recorded


async def trip(db: Database, scope: str, limit: int = 3) -> bool:
    async with db.write() as tx:
        return await breakers.trip(tx, scope, limit)


async def test_it_opens_once(any_db: Database, clock: FakeClock) -> None:
    opened = await asyncio.gather(*(trip(any_db, "target:PAY-01") for _ in range(6)))
    assert sorted(opened) == [False] * 5 + [True]
    assert await trip(any_db, "global", 10)
    async with any_db.read() as tx:
        found = await breakers.open_ones(tx)
        assert [(one.scope, one.limit) for one in found] == [("target:PAY-01", 3), ("global", 10)]
        assert {(one.opened_at, one.reminded_at) for one in found} == {(clock.now, clock.now)}
        assert await recorded(tx, "breaker.") == [
            ("watchstander", "breaker.open", "target:PAY-01"),
            ("watchstander", "breaker.open", "global"),
        ]


async def test_a_person_closes_it_and_it_may_open_again(any_db: Database, clock: FakeClock) -> None:
    person = await jun(any_db)
    async with any_db.write() as tx:
        assert not await breakers.close(tx, "global", person)
        assert await breakers.last_closed(tx, "global") == 0
    assert await trip(any_db, "global")
    clock.forward(minutes=5)
    async with any_db.write() as tx:
        assert not await breakers.close(tx, "target:PAY-01", person)
        assert await breakers.close(tx, "global", person)
        assert not await breakers.close(tx, "global", person)
        assert await breakers.open_ones(tx) == []
        assert await breakers.last_closed(tx, "global") == clock.now
        assert await recorded(tx, "breaker.close") == [("person:jun", "breaker.close", "global")]
    clock.forward(minutes=1)
    assert await trip(any_db, "global")
    async with any_db.read() as tx:
        assert [one.opened_at for one in await breakers.open_ones(tx)] == [clock.now]
        assert await breakers.last_closed(tx, "global") == clock.now - 60_000


async def test_one_reminds(any_db: Database, clock: FakeClock) -> None:
    assert await trip(any_db, "global")
    async with any_db.read() as tx:
        (before,) = await breakers.open_ones(tx)
    clock.forward(minutes=60)
    async with any_db.write() as tx:
        assert await breakers.reminded(tx, before)
        assert not await breakers.reminded(tx, before)
        (after,) = await breakers.open_ones(tx)
    assert after.reminded_at == clock.now
    person = await jun(any_db)
    async with any_db.write() as tx:
        assert await breakers.close(tx, "global", person)
        assert not await breakers.reminded(tx, after)
