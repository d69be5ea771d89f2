"""Blocks, on both databases."""

from __future__ import annotations

from storage import blocks
from storage.attempts import Attempt
from storage.blocks import Block
from storage.database import Database
from tests.conftest import FakeClock
from tests.contract.healing import FAILS, begin, goes, incident, jun, recorded

HOUR = 3_600_000


async def failed(db: Database, symptom: str = "5ca1ab1e00000000") -> Attempt:
    return await goes(db, await begin(db, await incident(db, symptom), "PAY-01"), FAILS)


async def put(db: Database, attempt: Attempt, hours: int = 1) -> None:
    async with db.write() as tx:
        await blocks.put(tx, attempt, tx.now + hours * HOUR)


async def in_force(db: Database, attempt: Attempt, action_type: str = "") -> Block | None:
    async with db.read() as tx:
        return await blocks.in_force(tx, attempt.symptom, action_type or attempt.action_type)


async def test_a_failed_run_leaves_one_block(any_db: Database, clock: FakeClock) -> None:
    attempt = await failed(any_db)
    assert await in_force(any_db, attempt) is None
    for _ in range(2):
        await put(any_db, attempt)
    block = await in_force(any_db, attempt)
    assert block is not None
    assert (block.attempt_id, block.created_at, block.avoided) == (attempt.id, clock.now, 0)
    # Another action for the same symptom, and the same one for another symptom, stay free.
    assert await in_force(any_db, attempt, "service_start") is None
    assert await in_force(any_db, await failed(any_db, "b" * 16)) is None
    async with any_db.read() as tx:
        assert await recorded(tx, "block.") == [("watchstander", "block.put", f"block:{block.id}")]
        assert await blocks.of_attempt(tx, attempt.id) == block
        assert await blocks.by_id(tx, block.id) == block
        assert await blocks.by_id(tx, 99) is None


async def test_it_expires(any_db: Database, clock: FakeClock) -> None:
    attempt = await failed(any_db)
    await put(any_db, attempt, hours=1)
    clock.forward(minutes=59)
    assert await in_force(any_db, attempt) is not None
    clock.forward(minutes=1)
    assert await in_force(any_db, attempt) is None
    async with any_db.write() as tx:
        block = await blocks.of_attempt(tx, attempt.id)
        assert block is not None
        assert await blocks.standing(tx) == []
        assert not await blocks.lift(tx, block, None, "clean runs")


async def test_lifting_one_lifts_all_for_its_symptom_and_action(any_db: Database) -> None:
    first, second, other = (
        await failed(any_db),
        await failed(any_db),
        await failed(any_db, "b" * 16),
    )
    for attempt in (first, second, other):
        await put(any_db, attempt)
    person = await jun(any_db)
    latest = await in_force(any_db, first)
    assert latest is not None
    assert latest.attempt_id == second.id
    async with any_db.write() as tx:
        assert await blocks.lift(tx, latest, person, "person")
        assert not await blocks.lift(tx, latest, person, "person")
        assert [one.attempt_id for one in await blocks.standing(tx)] == [other.id]
        lifted = await blocks.by_id(tx, latest.id)
        assert lifted is not None
        assert (lifted.lifted_by, lifted.lifted_why) == (person.id, "person")
        assert await recorded(tx, "block.lift") == [
            ("person:jun", "block.lift", f"block:{latest.id}")
        ]


async def test_watchstander_lifts_by_itself(any_db: Database) -> None:
    attempt = await failed(any_db)
    await put(any_db, attempt)
    async with any_db.write() as tx:
        block = await blocks.of_attempt(tx, attempt.id)
        assert block is not None
        assert await blocks.lift(tx, block, None, "clean runs")
        assert [actor for actor, _, _ in await recorded(tx, "block.lift")] == ["watchstander"]


async def test_what_it_stopped_and_what_was_written_of_it(any_db: Database) -> None:
    attempt = await failed(any_db)
    await put(any_db, attempt)
    async with any_db.write() as tx:
        (block,) = await blocks.standing(tx)
        await blocks.stopped_one(tx, block.id)
        await blocks.stopped_one(tx, block.id)
        await blocks.told_by(tx, attempt.id, 12)
        (block,) = await blocks.standing(tx)
    assert (block.avoided, block.article_id) == (2, 12)
