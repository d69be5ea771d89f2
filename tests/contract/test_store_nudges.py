"""When a room may be offered a check again, and where nobody wants it, on both databases."""

from __future__ import annotations

import asyncio

from storage import nudges, people, rooms
from storage.database import Database
from storage.nudges import EVERY, Standing
from storage.people import Listing, Person, Role
from tests.conftest import FakeClock

HALF_HOUR = 30 * 60_000


async def room(db: Database, address: str = "ops") -> int:
    async with db.write() as tx:
        return (await rooms.seen(tx, "web", "", address, "", "en")).id


async def person(db: Database) -> Person:
    async with db.write() as tx:
        await people.sync(tx, [Listing("jun", Role.ENGINEER, "ko")])
        found = await people.by_name(tx, "jun")
    assert found is not None
    return found


async def claim(db: Database, room_id: int, rule: str = "disk_full") -> bool:
    async with db.write() as tx:
        return await nudges.claim(tx, room_id, rule, HALF_HOUR)


async def test_of_many_who_claim_at_the_same_time_one_gets_it(
    any_db: Database, clock: FakeClock
) -> None:
    ops = await room(any_db)
    for _ in range(3):
        got = await asyncio.gather(*(claim(any_db, ops) for _ in range(8)))
        assert sum(got) == 1
        clock.forward(minutes=30)


async def test_each_room_and_rule_has_its_own_rest(any_db: Database, clock: FakeClock) -> None:
    ops, dev = await room(any_db), await room(any_db, "dev")
    assert await claim(any_db, ops)
    assert not await claim(any_db, ops)
    assert await claim(any_db, dev)
    assert await claim(any_db, ops, "db_delay")
    clock.forward(minutes=29)
    assert not await claim(any_db, ops)
    clock.forward(minutes=1)
    assert await claim(any_db, ops)


async def test_a_clock_that_was_put_back_does_not_silence_a_rule_for_years(
    any_db: Database, clock: FakeClock
) -> None:
    ops = await room(any_db)
    clock.forward(minutes=60 * 24 * 365)
    assert await claim(any_db, ops)
    clock.forward(minutes=-60 * 24 * 365)
    assert await claim(any_db, ops)
    assert not await claim(any_db, ops)


async def test_switches(any_db: Database) -> None:
    ops, dev, jun = await room(any_db), await room(any_db, "dev"), await person(any_db)
    async with any_db.write() as tx:
        assert not await nudges.switch(tx, ops, "disk_full", jun, off=False), "it is on"
        assert await nudges.switch(tx, ops, "disk_full", jun, off=True)
        assert not await nudges.switch(tx, ops, "disk_full", jun, off=True)
        assert await nudges.is_off(tx, ops, "disk_full")
        assert not await nudges.is_off(tx, ops, "db_delay")
        assert not await nudges.is_off(tx, dev, "disk_full")
        assert await nudges.switch(tx, dev, EVERY, jun, off=True)
        assert await nudges.is_off(tx, dev, "db_delay")
        assert await nudges.switch(tx, dev, EVERY, jun, off=False)
        assert not await nudges.is_off(tx, dev, "db_delay")


async def test_a_switch_leaves_the_rest_as_it_is(any_db: Database, clock: FakeClock) -> None:
    ops, jun = await room(any_db), await person(any_db)
    offered = clock.now
    await claim(any_db, ops)
    async with any_db.write() as tx:
        await nudges.switch(tx, ops, "disk_full", jun, off=True)
        assert await nudges.standing(tx, ops) == {"disk_full": Standing(True, offered)}
