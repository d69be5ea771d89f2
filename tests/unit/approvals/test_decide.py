"""One decide() for every door: who, what, until when, and only once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from engine.approvals.proposals import Verdict
from engine.errors import GiveUp, Why
from storage import actions, audit_read, freezes, people
from storage.actions import Action
from storage.database import Database
from storage.lifecycle import State
from storage.people import Listing, Person, Role
from storage.tables import actions as table
from storage.tables import audit, outbox
from tests.conftest import FakeClock
from tests.unit.approvals.conftest import Team

PRD, STG = "PAY-WAS-01", "PAY-STG-01"


async def ask(db: Database, team: Team, asset: str, kind: str = "server_restart") -> Action:
    async with db.write() as tx:
        return await team.proposals.propose(tx, team.min, kind, [asset], {}, "please")


async def decide(
    db: Database, team: Team, who: Person, action: Action, verdict: Verdict = Verdict.APPROVE
) -> Action:
    async with db.write() as tx:
        return await team.proposals.decide(tx, who, action.id, verdict, digest=action.digest)


async def refused(db: Database, team: Team, who: Person, action: Action) -> tuple[Why, str]:
    with pytest.raises(GiveUp) as refusal:
        await decide(db, team, who, action)
    return refusal.value.why, refusal.value.text.key


async def test_a_restart_in_production_is_critical_and_waits(db: Database, team: Team) -> None:
    action = await ask(db, team, PRD)
    assert (action.risk, action.state) == ("CRITICAL", State.PENDING_APPROVAL)


async def test_a_status_check_runs_at_once(db: Database, team: Team) -> None:
    action = await ask(db, team, PRD, "service_status")
    assert (action.risk, action.state) == ("LOW", State.QUEUED)


async def test_nobody_decides_their_own(db: Database, team: Team) -> None:
    async with db.write() as tx:
        action = await team.proposals.propose(tx, team.ana, "server_restart", [PRD], {})
    assert await refused(db, team, team.ana, action) == (Why.FORBIDDEN, "decide_own")


async def test_an_engineer_may_decide_high_but_not_critical(db: Database, team: Team) -> None:
    critical, high = await ask(db, team, PRD), await ask(db, team, STG)
    assert await refused(db, team, team.jun, critical) == (Why.FORBIDDEN, "decide_role")
    assert (await decide(db, team, team.jun, high)).state is State.APPROVED


async def test_a_role_taken_away_counts_at_the_click(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    async with db.write() as tx:
        await people.sync(
            tx, [Listing("min", Role.REQUESTER, "ko"), Listing("jun", Role.REQUESTER, "en")]
        )
        jun = await people.by_name(tx, "jun")
    assert jun is not None
    assert await refused(db, team, jun, action) == (Why.FORBIDDEN, "decide_role")


async def test_a_program_may_neither_ask_nor_decide(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    assert await refused(db, team, team.bot, action) == (Why.FORBIDDEN, "decide_role")
    with pytest.raises(GiveUp):
        async with db.write() as tx:
            await team.proposals.propose(tx, team.bot, "service_status", [STG], {})


async def test_the_digest_that_was_shown_must_be_the_one_in_the_row(
    db: Database, team: Team
) -> None:
    action = replace(await ask(db, team, STG), digest="0" * 64)
    assert await refused(db, team, team.jun, action) == (Why.CONFLICT, "decide_changed")


async def test_a_late_click_is_told_who_and_when(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    await decide(db, team, team.ana, action, Verdict.REJECT)
    with pytest.raises(GiveUp) as refusal:
        await decide(db, team, team.jun, action)
    assert refusal.value.why is Why.CONFLICT
    assert refusal.value.text.values["name"] == "ana"


async def test_of_fifty_clicks_one_decides(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    clicks = [
        decide(db, team, team.jun, action, Verdict.APPROVE if n % 2 else Verdict.REJECT)
        for n in range(50)
    ]
    results = await asyncio.gather(*clicks, return_exceptions=True)
    assert sum(isinstance(r, Action) for r in results) == 1
    assert sum(isinstance(r, GiveUp) and r.why is Why.CONFLICT for r in results) == 49
    async with db.read() as tx:
        decisions = await tx.all(
            sa.select(audit.c.seq).where(audit.c.kind.in_(("action.approve", "action.reject")))
        )
    assert len(decisions) == 1


async def test_the_same_delivery_proposes_once(db: Database, team: Team) -> None:
    for _ in range(2):
        async with db.write() as tx:
            await team.proposals.propose(
                tx, team.min, "server_restart", [STG], {}, origin="inbox:1"
            )
    async with db.read() as tx:
        assert len(await actions.listing(tx)) == 1


async def test_a_freeze_stops_proposals_and_approvals_but_not_looks(
    db: Database, team: Team
) -> None:
    waiting = await ask(db, team, STG)
    async with db.write() as tx:
        await freezes.begin(tx, team.ana, "storm")
    assert await refused(db, team, team.jun, waiting) == (Why.CONFLICT, "frozen")
    with pytest.raises(GiveUp):
        await ask(db, team, STG)
    assert (await ask(db, team, STG, "disk_status")).state is State.QUEUED
    assert (await decide(db, team, team.jun, waiting, Verdict.REJECT)).state is State.REJECTED


async def test_an_unanswered_action_alarms_once_and_then_expires(
    db: Database, team: Team, clock: FakeClock
) -> None:
    action = await ask(db, team, PRD)
    clock.forward(minutes=29)
    assert (await team.watch.run_once()).escalated == ()
    clock.forward(minutes=2)
    assert (await team.watch.run_once()).escalated == (action.id,)
    assert (await team.watch.run_once()).escalated == ()
    async with db.read() as tx:
        rooms_told = await tx.all(sa.select(outbox.c.room_id).where(outbox.c.kind == "say"))
    assert len(rooms_told) == 1
    clock.forward(minutes=24 * 60)
    assert await refused(db, team, team.ana, action) == (Why.CONFLICT, "decide_expired")
    assert (await team.watch.run_once()).expired == (action.id,)
    assert await refused(db, team, team.ana, action) == (Why.CONFLICT, "fate_expired")


async def test_an_approved_action_that_does_not_start_in_time_expires(
    db: Database, team: Team, clock: FakeClock
) -> None:
    action = await ask(db, team, STG)
    await decide(db, team, team.jun, action)
    clock.forward(minutes=31)
    assert (await team.watch.run_once()).expired == (action.id,)


async def test_a_changed_target_voids_the_card_and_asks_anew(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    inventory = team.proposals.planner.inventory
    moved = replace(inventory.assets[STG], host="other-host")
    team.replan_with(replace(inventory, assets={**inventory.assets, STG: moved}))
    assert await refused(db, team, team.jun, action) == (Why.CONFLICT, "decide_changed")
    assert (await team.watch.run_once()).superseded == (action.id,)
    async with db.read() as tx:
        old = await actions.by_id(tx, action.id)
        assert old is not None and old.superseded_by is not None
        new = await actions.by_id(tx, old.superseded_by)
    assert old.state is State.SUPERSEDED
    assert new is not None and new.state is State.PENDING_APPROVAL
    assert new.plan["steps"][0]["host"] == "other-host"


async def test_every_move_leaves_an_audit_row(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    await decide(db, team, team.jun, action)
    async with db.read() as tx:
        kinds = [r.kind for r in await tx.all(sa.select(audit.c.kind).order_by(audit.c.seq))]
        head = await audit_read.head(tx)
    assert kinds == ["action.propose", "action.ask", "action.approve"]
    assert head.count == 3


async def test_a_move_that_is_not_in_the_table_cannot_be_written(db: Database, team: Team) -> None:
    action = await ask(db, team, STG)
    async with db.write() as tx:
        for step in ("claim", "succeed", "fail", "lose", "settle_ran"):
            assert not await actions.move(tx, action.id, actions.Move(step), "test")
        row = await tx.one(sa.select(table.c.state).where(table.c.id == action.id))
    assert row is not None and row.state == "PENDING_APPROVAL"
