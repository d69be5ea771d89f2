"""Actions and their moves, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from storage import actions, cards, outbox, people, rooms
from storage.actions import Action, Guard, NewAction
from storage.audit_read import walk
from storage.database import Database
from storage.lifecycle import FINAL, MOVES, Move, State
from storage.people import Listing, Role
from storage.tables import actions as table
from storage.tables import audit
from tests.conftest import FakeClock

PLAN: dict[str, Any] = {
    "targets": ["PAY-01"],
    "params": {"사유": "점검"},
    "steps": [{"host": "pay-01", "argv": ["systemctl", "restart", "--", "tomcat"]}],
    "risk": "HIGH",
    "reasons": [],
    "policy_version": "p1",
    "digest": "d" * 64,
}


async def propose(db: Database, origin: str | None = None, risk: str = "HIGH") -> Action:
    async with db.write() as tx:
        await people.sync(tx, [Listing("min", Role.REQUESTER, "ko")])
        (person,) = await people.everyone(tx)
        room = await rooms.seen(tx, "web", "", "ops", "", "en")
        new = NewAction(
            "server_restart", "재기동", person.id, room.id, origin, PLAN | {"risk": risk}
        )
        action = await actions.insert(tx, new, person.actor)
        if action is None:
            raise LookupError(origin)
        await cards.place(tx, action.subject, room.id)
    return action


async def move(db: Database, action: Action, step: Move, **more: Any) -> bool:
    async with db.write() as tx:
        return await actions.move(tx, action.id, step, "test", **more)


async def put(db: Database, action: Action, **values: Any) -> None:
    async with db.write() as tx:
        await tx.change(table.update().where(table.c.id == action.id).values(**values))


async def now(db: Database, action: Action) -> Action:
    async with db.read() as tx:
        found = await actions.by_id(tx, action.id)
    assert found is not None
    return found


async def test_an_action_is_read_back_as_it_was_written(any_db: Database, clock: FakeClock) -> None:
    action = await propose(any_db, "inbox:1")
    assert action == await now(any_db, action)
    assert (action.targets, action.params) == (("PAY-01",), {"사유": "점검"})
    assert (action.state, action.created_at, action.approved) == (
        State.PROPOSED,
        clock.now,
        False,
    )
    async with any_db.read() as tx:
        assert await actions.by_origin(tx, "inbox:1") == action
        assert await actions.by_origin(tx, "inbox:2") is None
        assert await actions.by_id(tx, 99) is None


async def test_a_delivery_makes_one_action_whoever_asks_at_once(any_db: Database) -> None:
    await propose(any_db)
    results = await asyncio.gather(
        *(propose(any_db, "inbox:7") for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, Action) for result in results) == 1
    assert sum(isinstance(result, LookupError) for result in results) == 3
    async with any_db.read() as tx:
        assert len(await actions.listing(tx)) == 2
        assert len(await tx.all(sa.select(audit.c.seq))) == 2  # nothing of the losers is left


@pytest.mark.parametrize("state", State)
async def test_only_the_moves_of_the_table_can_be_written(any_db: Database, state: State) -> None:
    action = await propose(any_db)
    for step in Move:
        await put(any_db, action, state=state.value)
        moved = await move(any_db, action, step)
        assert moved is (state in MOVES[step])
        after = (await now(any_db, action)).state
        assert after is (MOVES[step][state] if moved else state)
    if state in FINAL:
        async with any_db.read() as tx:
            kinds = await tx.all(sa.select(audit.c.kind))
        assert [row.kind for row in kinds] == ["action.propose"]


async def test_of_two_moves_of_one_action_one_wins(any_db: Database) -> None:
    for _ in range(5):
        action = await propose(any_db)
        await move(any_db, action, Move.ASK)
        results = await asyncio.gather(
            *(move(any_db, action, step) for step in (Move.APPROVE, Move.REJECT) * 3)
        )
        assert sum(results) == 1
    async with any_db.read() as tx:
        rows = [row async for row in walk(tx)]
    assert len(rows) == 5 * 3 and all(row.sound for row in rows)
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]


async def test_a_move_takes_its_audit_row_and_card_along_or_leaves_none(any_db: Database) -> None:
    action = await propose(any_db)
    async with any_db.listen("actions") as news:
        with pytest.raises(RuntimeError):
            async with any_db.write() as tx:
                assert await actions.move(tx, action.id, Move.ASK, "test")
                raise RuntimeError("crash")
        assert not news.is_set()
        assert (await now(any_db, action)).state is State.PROPOSED
        assert await move(any_db, action, Move.ASK, detail={"왜": "x"})
        assert news.is_set()
    async with any_db.read() as tx:
        rows = [row async for row in walk(tx)]
        (parcel,) = await outbox.waiting(tx, 10, personal=False)
    assert rows[-1].record.detail == {"state": "PENDING_APPROVAL", "왜": "x"}
    assert parcel.subject == f"action:{action.id}"


@pytest.mark.parametrize(
    ("guard", "holds"),
    [
        (Guard(digest="d" * 64), True),
        (Guard(digest="e" * 64), False),
        (Guard(run_id="r"), False),
        (Guard(decide_by=True), True),
    ],
)
async def test_a_guard_that_no_longer_holds_stops_the_move(
    any_db: Database, clock: FakeClock, guard: Guard, holds: bool
) -> None:
    action = await propose(any_db)
    await move(any_db, action, Move.ASK, values={"decide_by": clock.now + 1000})
    assert await move(any_db, action, Move.APPROVE, only=guard) is holds


async def test_deadlines_are_the_databases_to_the_millisecond(
    any_db: Database, clock: FakeClock
) -> None:
    late, in_time = await propose(any_db), await propose(any_db)
    for action in (late, in_time):
        await move(any_db, action, Move.ASK, values={"decide_by": clock.now + 1000})
    clock.now += 999
    assert not await move(any_db, late, Move.EXPIRE, only=Guard(overdue=True))
    assert await move(any_db, in_time, Move.APPROVE, only=Guard(decide_by=True))
    clock.now += 1
    assert not await move(any_db, late, Move.APPROVE, only=Guard(decide_by=True))
    async with any_db.read() as tx:
        assert [a.id for a in await actions.overdue(tx)] == [late.id]
    assert await move(any_db, late, Move.EXPIRE, only=Guard(overdue=True))
    # A decided action is overdue by its time to run, not by its time to decide.
    await put(any_db, in_time, run_by=clock.now + 1)
    async with any_db.read() as tx:
        assert await actions.overdue(tx) == []
    assert await move(any_db, in_time, Move.CLAIM, only=Guard(run_by=True))


async def test_listings_page_filter_and_count(any_db: Database) -> None:
    made = [await propose(any_db) for _ in range(4)]
    ids = [action.id for action in made]
    await move(any_db, made[0], Move.ASK)
    await move(any_db, made[1], Move.ASK)
    await move(any_db, made[1], Move.REJECT, values={"decided_by": made[1].requester_id})
    async with any_db.read() as tx:
        assert [a.id for a in await actions.listing(tx)] == ids[::-1]
        assert [a.id for a in await actions.listing(tx, oldest_first=True, limit=2)] == ids[:2]
        assert [a.id for a in await actions.listing(tx, before=ids[2])] == ids[1::-1]
        pending = await actions.listing(tx, states=[State.PENDING_APPROVAL])
        assert [a.id for a in pending] == ids[:1]
        assert await actions.listing(tx, states=[]) == []
        undecided = await actions.listing(tx, undecided=True)
        assert [a.id for a in undecided] == [ids[3], ids[2], ids[0]]
        assert await actions.counts(tx) == {
            State.PENDING_APPROVAL: 1,
            State.REJECTED: 1,
            State.PROPOSED: 2,
        }


async def test_an_unanswered_action_is_escalated_once(any_db: Database, clock: FakeClock) -> None:
    action = await propose(any_db)
    await move(any_db, action, Move.ASK)

    async def escalate() -> bool:
        async with any_db.write() as tx:
            return await actions.escalated(tx, action.id)

    async with any_db.read() as tx:
        assert await actions.unanswered(tx, clock.now - 1) == []
        assert [a.id for a in await actions.unanswered(tx, clock.now)] == [action.id]
    assert sorted(await asyncio.gather(*(escalate() for _ in range(4)))) == [False] * 3 + [True]
    async with any_db.read() as tx:
        assert await actions.unanswered(tx, clock.now) == []
    other = await propose(any_db)
    await move(any_db, other, Move.QUEUE)
    async with any_db.write() as tx:
        assert not await actions.escalated(tx, other.id)
        await actions.link_successor(tx, action.id, other.id)
    assert (await now(any_db, action)).superseded_by == other.id
