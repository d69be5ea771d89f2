"""When things end and what was told of it, and the days of daily work, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

from prompts.texts import text
from storage import clocks, expiries
from storage.database import Database
from storage.expiries import Expiry
from tests.conftest import FakeClock

REFUSED = text("upkeep_refused", where="h:1").to_json()
SLOW = text("upkeep_slow", where="h:1", seconds=5.0).to_json()


async def kept(db: Database) -> Expiry:
    async with db.read() as tx:
        (row,) = await expiries.listing(tx)
    return row


async def look(db: Database, ends_at: int | None, problem: Any = None) -> None:
    async with db.write() as tx:
        await expiries.looked(tx, "certificate", "shop", ends_at, problem)


async def test_a_look_is_kept_and_another_end_forgets_what_was_told(
    any_db: Database, clock: FakeClock
) -> None:
    await look(any_db, 5_000)
    async with any_db.write() as tx:
        await expiries.told(tx, await kept(any_db), 30)
    row = await kept(any_db)
    assert (row.ends_at, row.looked_at, row.told_days, row.problem) == (5_000, clock.now, 30, None)
    await look(any_db, 5_000)
    assert (await kept(any_db)).told_days == 30
    await look(any_db, 6_000)
    assert (await kept(any_db)).told_days is None


async def test_what_was_told_of_an_end_that_has_changed_meanwhile_is_not_written(
    any_db: Database,
) -> None:
    await look(any_db, 5_000)
    before = await kept(any_db)
    await look(any_db, 6_000)
    async with any_db.write() as tx:
        await expiries.told(tx, before, 7)
    assert (await kept(any_db)).told_days is None


async def test_trouble_has_one_beginning_until_a_look_goes_well(
    any_db: Database, clock: FakeClock
) -> None:
    await look(any_db, 5_000)
    clock.forward(minutes=1)
    begun = clock.now
    await look(any_db, None, REFUSED)
    async with any_db.write() as tx:
        await expiries.told_problem(tx, await kept(any_db))
    clock.forward(minutes=1)
    await look(any_db, None, SLOW)
    row = await kept(any_db)
    assert (row.ends_at, row.failing_since, row.looked_at) == (5_000, begun, clock.now)
    assert (row.problem, row.problem_told) == (SLOW, "upkeep_refused")
    await look(any_db, 5_000)
    row = await kept(any_db)
    assert (row.problem, row.failing_since, row.problem_told) == (None, None, "")
    await look(any_db, None, REFUSED)
    assert (await kept(any_db)).failing_since == clock.now


async def test_what_is_not_listed_is_forgotten(any_db: Database) -> None:
    async with any_db.write() as tx:
        for kind, name in (("domain", "a"), ("licence", "a"), ("domain", "b")):
            await expiries.looked(tx, kind, name, 1)
        await expiries.keep_only(tx, {("licence", "a")})
    row = await kept(any_db)
    assert (row.kind, row.name) == ("licence", "a")


async def test_two_who_look_at_the_same_time_leave_one_row(any_db: Database) -> None:
    await asyncio.gather(*(look(any_db, 5_000) for _ in range(6)))
    assert (await kept(any_db)).ends_at == 5_000


async def test_a_day_is_taken_once(any_db: Database) -> None:
    async def take(day: str) -> bool:
        async with any_db.write() as tx:
            return await clocks.reach(tx, "expiry", day)

    async with any_db.read() as tx:
        assert await clocks.last(tx, "expiry") is None
    for day in ("2026-11-20", "2026-11-21"):
        assert sum(await asyncio.gather(*(take(day) for _ in range(6)))) == 1
    async with any_db.read() as tx:
        assert await clocks.last(tx, "expiry") == "2026-11-21"
        assert await clocks.last(tx, "other") is None
