"""Calling an action off: who may, until when, and that it is done once."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa

from engine.approvals.cancel import cancel
from engine.approvals.proposals import Verdict
from engine.errors import GiveUp, Why
from storage import actions, people, rooms
from storage.actions import Action
from storage.database import Database
from storage.lifecycle import Move, State
from storage.people import Person
from storage.tables import audit, outbox
from tests.unit.approvals.conftest import Team

PRD, STG = "PAY-WAS-01", "PAY-STG-01"


async def ask(db: Database, team: Team, asset: str = STG, kind: str = "server_restart") -> Action:
    async with db.write() as tx:
        room = (await rooms.with_cards(tx))[0]
        return await team.proposals.propose(tx, team.min, kind, [asset], {}, room_id=room.id)


async def call_off(
    db: Database, team: Team, who: Person, action: Action, reason: str = ""
) -> Action:
    async with db.write() as tx:
        return await cancel(tx, team.proposals.planner.policy, who, action.id, reason)


async def refused(db: Database, team: Team, who: Person, action: Action) -> tuple[Why, str]:
    with pytest.raises(GiveUp) as refusal:
        await call_off(db, team, who, action)
    return refusal.value.why, refusal.value.text.key


async def approve(db: Database, team: Team, action: Action) -> None:
    async with db.write() as tx:
        await team.proposals.decide(tx, team.ana, action.id, Verdict.APPROVE, comment="go")


async def move(db: Database, action: Action, step: Move) -> None:
    async with db.write() as tx:
        assert await actions.move(tx, action.id, step, "watchstander")


async def audited(db: Database) -> list[dict[str, object]]:
    async with db.read() as tx:
        rows = await tx.all(sa.select(audit).where(audit.c.kind == "action.cancel"))
    return [{"actor": row.actor, **json.loads(row.detail)} for row in rows]


async def said(db: Database) -> list[dict[str, object]]:
    async with db.read() as tx:
        rows = await tx.all(sa.select(outbox.c.body).where(outbox.c.kind == "say"))
    return [json.loads(row.body)["text"] for row in rows]


async def test_the_requester_takes_back_what_waits(db: Database, team: Team) -> None:
    action = await ask(db, team)
    after = await call_off(db, team, team.min, action, "wrong host")
    assert (after.state, after.cancelled_by, after.comment) == (
        State.CANCELLED,
        team.min.id,
        "wrong host",
    )
    (row,) = await audited(db)
    assert (row["actor"], row["state"], row["reason"]) == ("person:min", "CANCELLED", "wrong host")
    assert row["digest"] == action.digest
    assert await said(db) == []  # the requester knows


async def test_it_never_runs_afterwards(db: Database, team: Team) -> None:
    approved, queued = await ask(db, team), await ask(db, team, PRD, "service_status")
    await approve(db, team, approved)
    for action in (approved, queued):
        assert (await call_off(db, team, team.ana, action)).state is State.CANCELLED
        async with db.write() as tx:
            assert not await actions.move(tx, action.id, Move.CLAIM, "watchstander")


async def test_an_approver_may_and_the_requester_hears_of_it(db: Database, team: Team) -> None:
    action = await ask(db, team)
    await approve(db, team, action)
    after = await call_off(db, team, team.jun, action, "sale goes on")
    assert (after.state, after.decided_by, after.comment) == (
        State.CANCELLED,
        team.ana.id,
        "sale goes on",
    )
    (told,) = await said(db)
    assert told["key"] == "cancel_told"
    values = told["values"]
    assert isinstance(values, dict)
    assert (values["name"], values["by"], values["reason"], values["running"]) == (
        "min",
        "jun",
        "sale goes on",
        False,
    )


async def test_who_may_not(db: Database, team: Team) -> None:
    critical, look = await ask(db, team, PRD), await ask(db, team, PRD, "service_status")
    assert await refused(db, team, team.jun, critical) == (Why.FORBIDDEN, "cancel_role")
    assert await refused(db, team, team.bot, look) == (Why.FORBIDDEN, "cancel_role")
    async with db.write() as tx:
        own = await team.proposals.propose(tx, team.jun, "service_status", [PRD], {})
    # What needs no approval is not everybody's to stop either.
    assert await refused(db, team, team.min, own) == (Why.FORBIDDEN, "cancel_role")
    assert await audited(db) == []


async def test_a_requester_that_became_a_program_may_not(db: Database, team: Team) -> None:
    action = await ask(db, team)
    async with db.write() as tx:
        await people.sync(tx, [people.Listing("min", people.Role.AGENT, "en")])
        program = await people.by_name(tx, "min")
    assert program is not None
    assert await refused(db, team, program, action) == (Why.FORBIDDEN, "cancel_role")


async def test_of_what_runs_nothing_more_is_begun_and_it_ends_as_it_ends(
    db: Database, team: Team
) -> None:
    action = await ask(db, team, PRD, "service_status")
    await move(db, action, Move.CLAIM)
    after = await call_off(db, team, team.jun, action, "enough")
    assert (after.state, after.cancelled_by, after.comment) == (
        State.RUNNING,
        team.jun.id,
        "enough",
    )
    await move(db, action, Move.FAIL)
    assert await refused(db, team, team.jun, action) == (Why.CONFLICT, "cancel_late")
    assert [row["state"] for row in await audited(db)] == ["RUNNING"]


@pytest.mark.parametrize("running", [False, True])
async def test_the_second_time_changes_nothing(db: Database, team: Team, running: bool) -> None:
    action = await ask(db, team, PRD, "service_status")
    if running:
        await move(db, action, Move.CLAIM)
    first = await call_off(db, team, team.jun, action, "first")
    second = await call_off(db, team, team.ana, action, "second")
    assert second == first
    assert len(await audited(db)) == 1


@pytest.mark.parametrize("end", [Move.SUCCEED, Move.FAIL, Move.LOSE])
async def test_what_is_over_cannot_be_called_off(db: Database, team: Team, end: Move) -> None:
    action = await ask(db, team, PRD, "service_status")
    await move(db, action, Move.CLAIM)
    await move(db, action, end)
    assert await refused(db, team, team.min, action) == (Why.CONFLICT, "cancel_late")


async def test_what_is_not_there_is_missing(db: Database, team: Team) -> None:
    async with db.write() as tx:
        with pytest.raises(GiveUp) as refusal:
            await cancel(tx, team.proposals.planner.policy, team.ana, 99)
    assert refusal.value.why is Why.MISSING


async def test_cancelled_or_claimed_but_never_both(db: Database, team: Team) -> None:
    for _ in range(10):
        action = await ask(db, team, PRD, "service_status")

        async def claim(number: int = action.id) -> bool:
            async with db.write() as tx:
                return await actions.move(tx, number, Move.CLAIM, "watchstander")

        claimed, after = await asyncio.gather(claim(), call_off(db, team, team.jun, action))
        assert after.state is (State.RUNNING if claimed else State.CANCELLED)
        assert after.cancelled_by == team.jun.id


async def test_a_late_decision_hears_who_called_it_off(db: Database, team: Team) -> None:
    action = await ask(db, team)
    await call_off(db, team, team.min, action)
    with pytest.raises(GiveUp) as refusal:
        await approve(db, team, action)
    assert refusal.value.text.key == "fate_cancelled"
    assert refusal.value.text.values["name"] == "min"
