"""Calling actions off, and what is kept of a run while it goes on, on both databases."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa

from storage import actions
from storage.actions import Action
from storage.database import Database
from storage.lifecycle import Move, State
from storage.tables import audit, outbox
from tests.contract.test_store_actions import move, now, propose, put

STANDING = {"done": ["pay-01"], "running": ["결제-02"], "waiting": []}


async def call_off(db: Database, action: Action, reason: str = "") -> bool:
    async with db.write() as tx:
        return await actions.cancel(
            tx, action.id, action.requester_id, "person:min", reason, {"role": "REQUESTER"}
        )


async def versions(db: Database) -> list[int]:
    """How often each waiting card was to be brought up to date."""
    async with db.read() as tx:
        rows = await tx.all(sa.select(outbox.c.version).where(outbox.c.kind == "card"))
    return [row.version for row in rows]


@pytest.mark.parametrize("state", State)
async def test_what_a_cancel_does_in_each_state(any_db: Database, state: State) -> None:
    action = await propose(any_db)
    await put(any_db, action, state=state.value, comment="as approved")
    before = await versions(any_db)
    done = await call_off(any_db, action, "그만 ✋")
    after = await now(any_db, action)
    waits = state in (State.PENDING_APPROVAL, State.APPROVED, State.QUEUED)
    assert done is (waits or state is State.RUNNING)
    assert after.state is (State.CANCELLED if waits else state)
    assert (after.cancelled_at is not None) is done
    assert after.comment == ("그만 ✋" if done else "as approved")
    assert (await versions(any_db) != before) is done
    async with any_db.read() as tx:
        rows = await tx.all(sa.select(audit.c.detail).where(audit.c.kind == "action.cancel"))
    assert [json.loads(row.detail) for row in rows] == [
        {"state": after.state.value, "reason": "그만 ✋", "role": "REQUESTER"}
    ] * done


async def test_of_ten_who_call_it_off_one_does(any_db: Database) -> None:
    for state in (State.QUEUED, State.RUNNING):
        action = await propose(any_db)
        await put(any_db, action, state=state.value)
        results = await asyncio.gather(*(call_off(any_db, action, str(n)) for n in range(10)))
        assert sum(results) == 1
        assert (await now(any_db, action)).comment == str(results.index(True))


async def test_a_claim_and_a_cancel_at_once(any_db: Database) -> None:
    for _ in range(5):
        action = await propose(any_db)
        await move(any_db, action, Move.QUEUE)
        claimed, called = await asyncio.gather(
            move(any_db, action, Move.CLAIM), call_off(any_db, action)
        )
        after = await now(any_db, action)
        assert called and after.cancelled_at is not None
        assert after.state is (State.RUNNING if claimed else State.CANCELLED)


async def test_progress_is_kept_for_the_run_it_belongs_to(any_db: Database) -> None:
    action = await propose(any_db)

    async def keep(run_id: str) -> bool:
        async with any_db.write() as tx:
            return await actions.progress(tx, action.id, run_id, STANDING)

    assert not await keep("r1")
    await put(any_db, action, state=State.RUNNING.value, run_id="r1")
    before = await versions(any_db)
    assert not await keep("r2")
    assert (await versions(any_db), (await now(any_db, action)).progress) == (before, None)
    assert await keep("r1")
    assert (await now(any_db, action)).progress == STANDING
    assert await versions(any_db) != before
    await move(any_db, action, Move.LOSE)
    assert not await keep("r1")
    # A person who settles it needs to see it.
    assert (await now(any_db, action)).progress == STANDING
