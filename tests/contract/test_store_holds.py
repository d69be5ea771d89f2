"""Who has a target, and who waits for it: one at a time, oldest first, and told on the cards."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa

from storage import actions, beats, cards, holds, rooms
from storage.actions import Guard
from storage.beats import Beat
from storage.database import Database
from storage.holds import SHOWN_PLACES, InLine, Waiting
from storage.lifecycle import Move
from storage.rooms import RoomListing
from storage.tables import actions as table
from storage.tables import outbox
from tests.conftest import FakeClock
from tests.contract.test_store_actions import propose


async def move(db: Database, action: int, step: Move, **more: Any) -> bool:
    async with db.write() as tx:
        return await actions.move(tx, action, step, "test", **more)


async def in_line(db: Database, *targets: str, risk: str = "LOW") -> int:
    """A new action that waits for the runner."""
    action = await propose(db, risk=risk)
    listed = "[" + ", ".join(f'"{target}"' for target in targets) + "]"
    async with db.write() as tx:
        await tx.change(table.update().where(table.c.id == action.id).values(targets=listed))
    assert await move(db, action.id, Move.QUEUE, values={"run_by": 10**15})
    return action.id


async def take(db: Database, action: int, *targets: str) -> bool:
    async with db.write() as tx:
        return await holds.take(tx, action, f"run-{action}", targets)


async def waits(db: Database, action: int) -> Waiting | None:
    async with db.read() as tx:
        return await holds.queue(tx, action)


async def test_all_targets_are_taken_or_none(any_db: Database) -> None:
    one, two = await in_line(any_db, "A", "B"), await in_line(any_db, "B", "C")
    assert await take(any_db, one, "A", "B")
    assert not await take(any_db, two, "C", "B")
    async with any_db.write() as tx:
        assert await holds.held(tx) == {"A", "B"}
        await holds.free(tx, one)
    assert await take(any_db, two, "C", "B")


async def test_of_many_that_want_the_same_targets_at_once_one_gets_them(any_db: Database) -> None:
    made = [await in_line(any_db, "A", "B", "C") for _ in range(6)]
    orders = [("A", "B", "C"), ("C", "B", "A"), ("B", "C", "A")] * 2
    taken = await asyncio.gather(
        *(take(any_db, action, *order) for action, order in zip(made, orders, strict=True))
    )
    assert sum(taken) == 1


async def test_at_a_start_only_what_runs_keeps_its_targets(any_db: Database) -> None:
    running, waiting = await in_line(any_db, "A"), await in_line(any_db, "B")
    assert await take(any_db, running, "A") and await take(any_db, waiting, "B")
    async with any_db.write() as tx:
        await tx.change(table.update().where(table.c.id == running).values(state="RUNNING"))
        assert await holds.free_stale(tx) == 1
        assert await holds.held(tx) == {"A"}


async def test_the_line_is_oldest_first_page_by_page_and_without_what_is_too_late(
    any_db: Database, clock: FakeClock
) -> None:
    levels = {"A": "LOW", "B": "HIGH", "C": "LOW", "D": "HIGH"}
    made = [await in_line(any_db, target, risk=risk) for target, risk in levels.items()]
    async with any_db.write() as tx:
        await tx.change(table.update().where(table.c.id == made[3]).values(run_by=clock.now))
        assert await holds.line(tx, 2) == [
            InLine(made[0], frozenset("A")),
            InLine(made[1], frozenset("B")),
        ]
        assert [found.id for found in await holds.line(tx, 9, after=made[1])] == [made[2]]
        assert [found.id for found in await holds.line(tx, 9, 0, "LOW")] == [made[0], made[2]]


async def test_it_is_told_who_has_the_target_since_when_and_how_many_are_before(
    any_db: Database, clock: FakeClock
) -> None:
    runs = await in_line(any_db, "A")
    assert await waits(any_db, runs) is None
    assert await take(any_db, runs, "A")
    async with any_db.write() as tx:
        await tx.change(table.update().where(table.c.id == runs).values(state="RUNNING"))
    second, third, apart = [await in_line(any_db, *names) for names in ("A", "BA", "a")]
    fourth = await in_line(any_db, "C", "B")
    assert await waits(any_db, second) == Waiting("A", runs, clock.now, 1)
    assert await waits(any_db, third) == Waiting("A", runs, clock.now, 2)
    assert await waits(any_db, fourth) == Waiting("B", None, None, 2)
    assert await waits(any_db, apart) is None
    assert await waits(any_db, runs) is None
    assert await waits(any_db, 999) is None


async def test_far_back_no_number_is_told(any_db: Database) -> None:
    made = [await in_line(any_db, "A") for _ in range(SHOWN_PLACES + 2)]
    last_exact = await waits(any_db, made[SHOWN_PLACES - 1])
    assert last_exact == Waiting("A", None, None, SHOWN_PLACES)
    assert await waits(any_db, made[SHOWN_PLACES]) == Waiting("", None, None, SHOWN_PLACES + 1)
    assert await waits(any_db, made[-1]) == Waiting("", None, None, SHOWN_PLACES + 1)


async def test_a_move_redraws_the_cards_of_those_that_wait_behind(any_db: Database) -> None:
    made = [await in_line(any_db, "A") for _ in range(SHOWN_PLACES + 3)]
    other = await in_line(any_db, "B")
    async with any_db.write() as tx:
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
        (room,) = await rooms.with_cards(tx)
        for action in [*made, other]:
            await cards.place(tx, f"action:{action}", room.id)
        await tx.change(outbox.update().values(state="SENT"))
    assert await move(any_db, made[0], Move.CLAIM, only=Guard(run_by=True))
    async with any_db.read() as tx:
        waiting = sa.select(outbox.c.subject).where(outbox.c.state == "WAITING")
        found = {row.subject for row in await tx.all(waiting)}
    assert found == {f"action:{action}" for action in made[: SHOWN_PLACES + 1]}


async def test_a_sign_of_life_counts_only_for_the_run_that_has_it(
    any_db: Database, clock: FakeClock
) -> None:
    action = await in_line(any_db, "A")
    async with any_db.write() as tx:
        assert not await beats.give(tx, action, "r1")
    values = {"run_id": "r1", "beat_at": clock.now}
    assert await move(any_db, action, Move.CLAIM, values=values)
    before = Beat(action, "r1", clock.now)
    clock.forward(seconds=5)
    async with any_db.write() as tx:
        assert await beats.last(tx) == [before]
        assert await beats.silent_since(tx, before)
        assert not await beats.give(tx, action, "r2")
        assert await beats.give(tx, action, "r1")
        assert not await beats.silent_since(tx, before)
        assert await beats.called_off(tx, ["r1"]) == set()
        await tx.change(table.update().values(cancelled_at=clock.now))
        assert await beats.called_off(tx, ["r1", "r2"]) == {"r1"}
    assert await move(any_db, action, Move.LOSE)
    async with any_db.write() as tx:
        assert not await beats.give(tx, action, "r1")
        assert await beats.last(tx) == []
