"""The one guarded runner: once, only what was shown, only while it is still right."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.actions.scripts import Scripts
from engine.approvals.proposals import Verdict
from engine.execution.dispatch import DispatchSettings
from engine.execution.dispatcher import Dispatcher
from engine.execution.runs import Runs
from engine.planning import Planner, PlanSettings
from storage import actions, freezes, people
from storage.lifecycle import Move, State
from storage.people import Listing, Role
from storage.tables import actions as table
from tests.unit.execution.conftest import LISTINGS, Yard

RESTART_ONE = "one systemctl restart -- tomcat"
ENDS = (State.SUCCEEDED, State.FAILED, State.UNKNOWN)


async def test_an_approved_action_runs_once_and_its_result_is_recorded(yard: Yard) -> None:
    await yard.propose("server_restart", "ONE")
    await yard.idle()
    assert yard.ledger() == []
    await yard.decide(1)
    action = await yard.ends(1, State.SUCCEEDED)
    assert yard.ledger() == [RESTART_ONE]
    assert action.result is not None and action.result["outcome"] == "DONE"
    assert action.run_id is not None and action.finished_at == yard.clock.now
    (claim,) = await yard.audited("action.claim")
    (end,) = await yard.audited("action.succeed")
    assert claim["run_id"] == end["run_id"] == action.run_id
    assert end["steps"][0]["argv"] == ["systemctl", "restart", "--", "tomcat"]
    assert await yard.said() == ["told_finished"]


async def test_a_look_runs_at_once_and_rings_no_bell(yard: Yard) -> None:
    await yard.propose("service_status", "ONE")
    await yard.ends(1, State.SUCCEEDED)
    assert len(yard.ledger()) == 1
    assert await yard.said() == []


async def test_a_rejected_action_never_runs(yard: Yard) -> None:
    await yard.propose("server_restart", "ONE")
    await yard.decide(1, verdict=Verdict.REJECT)
    await yard.idle()
    assert yard.ledger() == []


async def test_of_two_dispatchers_one_claims(yard: Yard) -> None:
    runs = Runs(yard.db, yard.proposals, yard.runs._runner, yard.runs._inside, yard.settings)
    second = asyncio.create_task(Dispatcher(yard.db, runs).serve())
    for number in range(1, 4):
        await yard.propose("service_status", "ONE", "TWO")
        await yard.ends(number, State.SUCCEEDED)
    second.cancel()
    await asyncio.gather(second, *runs.kill(), return_exceptions=True)
    assert len(yard.ledger()) == 6
    assert len(await yard.audited("action.claim")) == 3


async def test_one_target_runs_one_action_at_a_time_and_others_go_on(yard: Yard) -> None:
    yard.hosts.delay_s = 0.1
    await yard.propose("disk_status", "ONE")
    await yard.propose("memory_status", "ONE")
    await yard.propose("disk_status", "TWO")
    await yard.ends(1, State.RUNNING)
    await yard.ends(3, State.RUNNING, State.SUCCEEDED)
    assert (await yard.action(2)).state is State.QUEUED
    await yard.ends(2, State.SUCCEEDED)


async def test_no_more_run_at_once_than_is_set(yard: Yard) -> None:
    await yard.kill()
    yard.settings = DispatchSettings(at_once=1)
    yard.hosts.delay_s = 0.05
    for target in ("ONE", "TWO", "THREE"):
        await yard.propose("disk_status", target)
    await yard.start()
    await yard.ends(1, State.SUCCEEDED)
    assert (await yard.action(3)).state is State.QUEUED
    await yard.ends(3, State.SUCCEEDED)


async def test_a_freeze_holds_changes_and_lets_looks_through_however_many_wait(
    yard: Yard,
) -> None:
    await yard.kill()
    for _ in range(101):
        await yard.propose("log_collect", "ONE")  # MEDIUM: it would run by itself
    async with yard.db.write() as tx:
        await freezes.begin(tx, yard.people["ana"], "storm")
    await yard.propose("disk_status", "ONE")
    await yard.start()
    await yard.ends(102, State.SUCCEEDED)
    await yard.idle()
    assert len(yard.ledger()) == 1
    async with yard.db.write() as tx:
        for number in range(2, 102):  # keep the rest short
            await actions.move(tx, number, Move.SUPERSEDE, "test")
        await freezes.end(tx, yard.people["ana"], "")
    await yard.ends(1, State.SUCCEEDED)


async def test_what_did_not_start_in_time_does_not_start(yard: Yard) -> None:
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    yard.clock.forward(minutes=30)
    await yard.start()
    await yard.idle()
    assert yard.ledger() == []
    await yard.watch.run_once()
    assert (await yard.action()).state is State.EXPIRED


@pytest.mark.parametrize(
    "listings",
    [
        pytest.param(
            [LISTINGS[0], Listing("jun", Role.REQUESTER, "en"), LISTINGS[2]], id="demoted"
        ),
        pytest.param([LISTINGS[0], LISTINGS[2]], id="gone"),
    ],
)
async def test_a_yes_of_who_may_no_longer_say_it_is_asked_for_again(
    yard: Yard, listings: list[Listing]
) -> None:
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    async with yard.db.write() as tx:
        await people.sync(tx, listings)
    await yard.start()
    old = await yard.ends(1, State.SUPERSEDED)
    assert old.superseded_by == 2
    new = await yard.action(2)
    assert (new.state, new.decided_by, new.type) == (
        State.PENDING_APPROVAL, None, "server_restart",
    )  # fmt: skip
    assert yard.ledger() == []
    await yard.decide(2, "ana")
    await yard.ends(2, State.SUCCEEDED)
    assert yard.ledger() == [RESTART_ONE]


async def test_a_plan_that_changed_after_the_yes_is_not_run(yard: Yard) -> None:
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    planner = yard.proposals.planner
    moved = replace(planner.inventory.assets["ONE"], service="nginx")
    inventory = replace(planner.inventory, assets={**planner.inventory.assets, "ONE": moved})
    yard.proposals.planner = Planner(inventory, planner.policy, Scripts(None), PlanSettings())
    await yard.start()
    await yard.ends(1, State.SUPERSEDED)
    assert (await yard.action(2)).plan["steps"][0]["argv"][-1] == "nginx"
    assert yard.ledger() == []


async def test_a_wish_that_can_no_longer_be_planned_is_void_without_a_new_card(
    yard: Yard,
) -> None:
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    planner = yard.proposals.planner
    inventory = replace(planner.inventory, assets={"TWO": planner.inventory.assets["TWO"]})
    yard.proposals.planner = Planner(inventory, planner.policy, Scripts(None), PlanSettings())
    await yard.start()
    assert (await yard.ends(1, State.SUPERSEDED)).superseded_by is None
    assert yard.ledger() == []


@pytest.mark.parametrize("column", ["plan", "digest"])
async def test_a_row_that_was_tampered_with_is_not_run(yard: Yard, column: str) -> None:
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    action = await yard.decide(1)
    forged = {
        "plan": actions._json(action.plan).replace('"tomcat"', '"sshd"'),
        "digest": "f" * 64,
    }
    async with yard.db.write() as tx:
        await tx.change(table.update().values({column: forged[column]}))
    await yard.start()
    await yard.idle()
    assert yard.ledger() == []
    assert (await yard.action()).state is State.SUPERSEDED


async def test_a_row_that_cannot_be_claimed_holds_up_no_other(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    await yard.kill()
    await yard.propose("disk_status", "ONE")
    await yard.propose("disk_status", "TWO")
    async with yard.db.write() as tx:
        await tx.change(table.update().where(table.c.id == 1).values(plan="{}"))
    await yard.start()
    await yard.ends(2, State.SUCCEEDED)
    assert "action 1 could not be claimed" in caplog.text
    yard.clock.forward(minutes=31)
    await yard.watch.run_once()
    assert (await yard.action(1)).state is State.EXPIRED


async def test_a_host_that_is_down_fails_and_says_so(yard: Yard) -> None:
    await yard.hosts.stop()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    action = await yard.ends(1, State.FAILED)
    assert action.result is not None
    assert action.result["steps"][0]["detail"]["key"] == "plan_run_unreachable"
    assert await yard.said() == ["told_finished"]


async def test_a_connection_that_is_cut_is_unknown_asked_about_and_never_run_again(
    yard: Yard,
) -> None:
    yard.hosts.delay_s = 30
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    async with asyncio.timeout(5):
        while not yard.ledger():
            await asyncio.sleep(0.005)
    for connection in list(yard.hosts._connections):
        connection.abort()
    await yard.ends(1, State.UNKNOWN)
    await yard.idle()
    assert yard.ledger() == [RESTART_ONE]
    assert await yard.said() == ["told_unknown", "told_unknown"]  # the room and the approvers
    async with yard.db.write() as tx:
        settled = await yard.proposals.settle(tx, yard.people["jun"], 1, ran=True)
    assert settled.state is State.SUCCEEDED


async def test_what_ran_when_the_process_died_is_unknown_at_the_next_start(yard: Yard) -> None:
    yard.hosts.delay_s = 30
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    async with asyncio.timeout(5):
        while not yard.ledger():
            await asyncio.sleep(0.005)
    await yard.kill()
    assert (await yard.action()).state is State.RUNNING
    await yard.start()
    assert (await yard.action()).state is State.UNKNOWN
    await yard.idle()
    assert yard.ledger() == [RESTART_ONE]
    assert await yard.said() == ["told_unknown", "told_unknown"]


async def test_a_result_under_another_run_id_is_not_taken(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    yard.hosts.delay_s = 0.2
    await yard.propose("disk_status", "ONE")
    await yard.ends(1, State.RUNNING)
    async with yard.db.write() as tx:
        await tx.change(table.update().values(run_id="somebody-else"))
    await yard.idle()
    action = await yard.action()
    assert (action.state, action.result) == (State.RUNNING, None)
    assert "its result came after the row moved on" in caplog.text


async def test_a_result_that_cannot_be_recorded_is_asked_about_without_a_restart(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    await yard.kill()
    yard.settings = DispatchSettings(beat_s=0.1, lost_after_s=0.4)
    await yard.start()
    yard.hosts.delay_s = 0.5
    await yard.propose("disk_status", "ONE")
    await yard.ends(1, State.RUNNING)
    async with yard.db.write() as tx:
        await tx.execute(_sql("ALTER TABLE cards RENAME TO gone"))
    async with asyncio.timeout(5):
        while yard.runs.under_way:
            await asyncio.sleep(0.005)
    async with yard.db.write() as tx:
        await tx.execute(_sql("ALTER TABLE gone RENAME TO cards"))
    await yard.kill()
    assert (await yard.action()).state is State.RUNNING
    again = asyncio.create_task(yard.dispatcher.serve())
    await yard.ends(1, State.UNKNOWN)
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    assert "its runner broke" in caplog.text


def _sql(line: str):  # type: ignore[no-untyped-def]
    import sqlalchemy as sa

    return sa.text(line)


async def test_an_orderly_end_finishes_what_runs_and_claims_nothing_more(yard: Yard) -> None:
    yard.hosts.delay_s = 0.5
    await yard.propose("disk_status", "ONE")
    await yard.propose("memory_status", "ONE")
    await yard.ends(1, State.RUNNING)
    await yard.dispatcher.drain()
    await yard.idle()
    found = [(await yard.action(number)).state for number in (1, 2)]
    assert found == [State.SUCCEEDED, State.QUEUED]
    assert len(yard.ledger()) == 1


async def test_a_bulk_change_from_approval_to_every_request(yard: Yard) -> None:
    async with yard.db.write() as tx:
        keys = [(await yard.desk.create(tx, yard.people["min"], f"요청 {n}")).key for n in range(3)]
        await yard.desk.close(tx, yard.people["ana"], keys[1])
    await yard.propose("bulk_sr_update", *keys, op="priority", value="HIGH")
    await yard.idle()
    await yard.decide(1)
    action = await yard.ends(1, *ENDS)
    assert action.result is not None
    async with yard.db.read() as tx:
        found = [(await yard.desk.find(tx, key)).priority for key in keys]
    outcomes = [step["outcome"] for step in action.result["steps"]]
    assert (action.state, found, outcomes) == (
        State.FAILED, ["HIGH", None, "HIGH"], ["DONE", "FAILED", "DONE"],
    )  # fmt: skip
    assert yard.ledger() == []


async def test_a_bulk_change_of_who_left_is_refused_step_by_step(yard: Yard) -> None:
    async with yard.db.write() as tx:
        key = (await yard.desk.create(tx, yard.people["min"], "x")).key
    await yard.propose("bulk_sr_update", key, op="close")
    await yard.kill()
    await yard.decide(1)
    async with yard.db.write() as tx:
        await people.sync(tx, LISTINGS[1:])
    await yard.start()
    action = await yard.ends(1, *ENDS)
    assert action.state is State.FAILED and action.result is not None
    assert action.result["steps"][0]["detail"]["key"] == "inside_requester_gone"
