"""What holds of handing work out, in the process on SQLite and through the queue on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.actions.scripts import Scripts
from engine.execution.dispatch import DispatchSettings
from engine.execution.runs import Runs
from engine.planning import Planner, PlanSettings
from storage import actions, freezes, holds
from storage.database import Database
from storage.lifecycle import State
from storage.tables import audit
from tests.conftest import FakeClock
from tests.unit.execution.conftest import Yard, open_yard

RESTART_ONE = "one systemctl restart -- tomcat"
OVER = (State.SUCCEEDED, State.FAILED, State.UNKNOWN)


@pytest.fixture
async def yard(
    any_db: Database, any_url: str, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Yard]:
    async with open_yard(any_db, clock, tmp_path, any_url) as found:
        await found.start()
        yield found


async def passed_over(yard: Yard) -> None:
    """Everything that waited before now had its turn: something newer ran."""
    marker = await yard.propose("disk_status", "THREE")
    await yard.ends(marker.id, *OVER)


async def begun(yard: Yard) -> list[str]:
    """The actions in the order in which they were claimed."""
    async with yard.db.read() as tx:
        query = sa.select(audit.c.subject).where(audit.c.kind == "action.claim")
        return [row.subject for row in await tx.all(query.order_by(audit.c.seq))]


def moments(yard: Yard) -> dict[str, list[float]]:
    """Host → when each command reached it, in seconds."""
    found: dict[str, list[float]] = {}
    for line in yard.hosts.ledger.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["host"], []).append(datetime.fromisoformat(row["at"]).timestamp())
    return {host: sorted(times) for host, times in found.items()}


async def sent(yard: Yard, count: int = 1) -> None:
    """Wait until so many commands reached their hosts."""
    async with asyncio.timeout(10):
        while len(yard.ledger()) < count:
            await asyncio.sleep(0.005)


async def test_an_approved_action_runs_once_and_is_recorded(yard: Yard) -> None:
    await yard.propose("server_restart", "ONE")
    await passed_over(yard)
    assert RESTART_ONE not in yard.ledger()
    await yard.decide(1)
    action = await yard.ends(1, State.SUCCEEDED)
    await passed_over(yard)
    assert yard.ledger().count(RESTART_ONE) == 1
    assert action.result is not None and action.result["outcome"] == "DONE"
    async with yard.db.read() as tx:
        assert await holds.held(tx) == set()


async def test_of_two_that_share_a_database_one_runs_each_action(
    yard: Yard, clock: FakeClock, tmp_path: Path
) -> None:
    """Each action once, in order, and no host with two commands at a time."""
    yard.hosts.delay_s = 0.05
    async with open_yard(yard.db, clock, tmp_path, yard.url, yard.hosts) as other:
        await other.start()
        made = [
            await yard.propose("disk_status", *targets)
            for targets in (("ONE",), ("TWO", "ONE"), ("TWO",), ("ONE", "TWO")) * 3
        ]
        for action in made:
            await yard.ends(action.id, State.SUCCEEDED)
    assert sorted(await begun(yard)) == sorted(action.subject for action in made)
    assert len(yard.ledger()) == 18
    for times in moments(yard).values():
        assert min(late - early for early, late in pairwise(times)) >= 0.05


async def test_actions_on_one_target_run_in_the_order_in_which_they_came(yard: Yard) -> None:
    """Also past one that wants two targets: whoever came later does not overtake it."""
    yard.hosts.delay_s = 0.05
    for targets in (("ONE",), ("ONE", "TWO"), ("TWO",), ("TWO",), ("ONE",)):
        await yard.propose("disk_status", *targets)
    for number in range(1, 6):
        await yard.ends(number, State.SUCCEEDED)
    order = [int(subject.partition(":")[2]) for subject in await begun(yard)]
    assert order[:2] == [1, 2]
    assert order.index(3) < order.index(4)


async def test_different_targets_run_side_by_side(yard: Yard) -> None:
    yard.hosts.delay_s = 1.0
    for target in ("ONE", "TWO", "THREE"):
        await yard.propose("disk_status", target)
    await sent(yard, 3)
    states = {(await yard.action(number)).state for number in (1, 2, 3)}
    assert states == {State.RUNNING}


async def test_no_more_run_at_once_than_is_set(yard: Yard) -> None:
    await yard.kill()
    yard.settings = DispatchSettings(at_once=1)
    yard.hosts.delay_s = 0.05
    for target in ("ONE", "TWO", "THREE"):
        await yard.propose("disk_status", target)
    await yard.start()
    for number in (1, 2, 3):
        await yard.ends(number, State.SUCCEEDED)
    times = sorted(time for times in moments(yard).values() for time in times)
    assert min(late - early for early, late in pairwise(times)) >= 0.05


async def test_a_freeze_holds_changes_back_and_lets_looks_through(yard: Yard) -> None:
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    await yard.ends(1, State.SUCCEEDED)
    await yard.propose("server_restart", "ONE")
    async with yard.db.write() as tx:
        await freezes.begin(tx, yard.people["ana"], "storm")
        await actions.move(
            tx, 2, actions.Move.APPROVE, "test", values={"decided_by": yard.people["jun"].id,
            "run_by": tx.now + 60_000},
        )  # fmt: skip
    look = await yard.propose("disk_status", "ONE")  # behind it, on the same target
    await yard.ends(look.id, State.SUCCEEDED)
    await passed_over(yard)
    assert (await yard.action(2)).state is State.APPROVED
    async with yard.db.write() as tx:
        await freezes.end(tx, yard.people["ana"], "")
    await yard.ends(2, State.SUCCEEDED)
    assert yard.ledger().count(RESTART_ONE) == 2


async def test_who_asks_the_same_at_once_hears_of_the_same_action(yard: Yard) -> None:
    async def ask() -> int:
        async with yard.db.write() as tx:
            made = await yard.proposals.propose(
                tx, yard.people["min"], "server_restart", ["ONE"], {}, origin="api:1:key"
            )
            return made.id

    assert await asyncio.gather(*(ask() for _ in range(4))) == [1] * 4


async def test_a_freeze_is_begun_by_one(yard: Yard) -> None:
    async def freeze() -> bool:
        async with yard.db.write() as tx:
            return await freezes.begin(tx, yard.people["ana"], "storm")

    assert sorted(await asyncio.gather(*(freeze() for _ in range(4)))) == [False] * 3 + [True]


async def test_a_freeze_on_its_way_holds_up_a_claim(yard: Yard) -> None:
    """Said and not yet committed while the claim is made: the claim waits, and then is not made."""
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    runs = Runs(yard.db, yard.proposals, yard.runs._runner, yard.runs._inside, yard.settings)
    async with asyncio.timeout(10), yard.db.write() as tx:
        await freezes.begin(tx, yard.people["ana"], "storm")
        claim = asyncio.create_task(runs.carry(1))
        done, _ = await asyncio.wait({claim}, timeout=0.3)
        assert not done
    assert await claim is False
    assert (await yard.action(1)).state is State.APPROVED
    assert yard.ledger() == []


async def test_a_plan_that_changed_after_the_yes_is_not_run(yard: Yard) -> None:
    await yard.kill()
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    planner = yard.proposals.planner
    moved = replace(planner.inventory.assets["ONE"], service="nginx")
    inventory = replace(planner.inventory, assets={**planner.inventory.assets, "ONE": moved})
    yard.proposals.planner = Planner(inventory, planner.policy, Scripts(None), PlanSettings())
    await yard.start()
    assert (await yard.ends(1, State.SUPERSEDED)).superseded_by == 2
    await passed_over(yard)
    assert RESTART_ONE not in yard.ledger()


async def test_what_ran_in_a_process_that_died_is_unknown_and_never_run_again(
    yard: Yard,
) -> None:
    await yard.kill()
    yard.settings = DispatchSettings(look_every_s=0.1, beat_s=0.2, lost_after_s=2.0)
    await yard.start()
    yard.hosts.delay_s = 30
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    await sent(yard)
    await yard.kill()
    assert (await yard.action()).state is State.RUNNING
    yard.hosts.delay_s = 0
    await yard.start()
    await yard.ends(1, State.UNKNOWN)
    assert await yard.said() == ["told_unknown", "told_unknown"]  # the room and the approvers
    look = await yard.propose("disk_status", "ONE")  # its target is free again
    await yard.ends(look.id, State.SUCCEEDED)
    assert yard.ledger().count(RESTART_ONE) == 1


async def test_an_orderly_end_finishes_what_runs_and_begins_nothing_more(yard: Yard) -> None:
    yard.hosts.delay_s = 1.0
    await yard.propose("disk_status", "ONE")
    await yard.propose("memory_status", "ONE")
    await sent(yard)
    async with asyncio.timeout(5):
        await yard.dispatcher.drain()
    states = [(await yard.action(number)).state for number in (1, 2)]
    assert states == [State.SUCCEEDED, State.QUEUED]
    await yard.kill()
    assert len(yard.ledger()) == 1
    await yard.start()
    await yard.ends(2, State.SUCCEEDED)


async def test_an_action_that_was_called_off_in_time_never_begins(yard: Yard) -> None:
    yard.hosts.delay_s = 1.0
    await yard.propose("disk_status", "ONE")
    waiting = await yard.propose("memory_status", "ONE")
    jun = yard.people["jun"]
    async with yard.db.write() as tx:
        assert await actions.cancel(tx, waiting.id, jun.id, jun.actor, "", {})
    await yard.ends(1, State.SUCCEEDED)
    await passed_over(yard)
    assert (await yard.action(waiting.id)).state is State.CANCELLED
    assert [line for line in yard.ledger() if line.startswith("one")] == [yard.ledger()[0]]


async def test_nothing_more_is_sent_of_an_action_that_was_called_off(yard: Yard) -> None:
    await yard.kill()
    yard.parallel = 1
    await yard.start()
    yard.hosts.delay_s = 1.5
    await yard.propose("disk_status", "ONE", "TWO", "THREE")
    await sent(yard)
    jun = yard.people["jun"]
    async with yard.db.write() as tx:
        assert await actions.cancel(tx, 1, jun.id, jun.actor, "", {})
    action = await yard.ends(1, State.FAILED)
    assert action.result is not None
    outcomes = [step["outcome"] for step in action.result["steps"]]
    assert sorted(outcomes) == ["DONE", "SKIPPED", "SKIPPED"]
    assert len(yard.ledger()) == 1


async def test_a_late_result_does_not_touch_what_was_called_unknown(yard: Yard) -> None:
    yard.hosts.delay_s = 1.0
    await yard.propose("disk_status", "ONE")
    await sent(yard)
    async with yard.db.write() as tx:
        await actions.move(tx, 1, actions.Move.LOSE, "test")
    while yard.runs.under_way:
        await asyncio.sleep(0.01)
    action = await yard.action()
    assert (action.state, action.result) == (State.UNKNOWN, None)
