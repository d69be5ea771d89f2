"""A change on several hosts, from the yes to its end: waves, progress, calling it off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.approvals.cancel import cancel
from storage.actions import Action
from storage.lifecycle import State
from tests.unit.execution.conftest import Yard

RESTARTS = [f"{host} systemctl restart -- tomcat" for host in ("one", "two", "three")]
ENDS = (State.SUCCEEDED, State.FAILED, State.UNKNOWN)


async def begin(yard: Yard) -> None:
    await yard.propose("server_restart", "ONE", "TWO", "THREE")
    await yard.decide(1)


async def call_off(yard: Yard, who: str = "min") -> Action:
    async with yard.db.write() as tx:
        policy = yard.proposals.planner.policy
        return await cancel(tx, policy, yard.people[who], 1, "enough")


async def until(yard: Yard, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until what is kept of the run's progress is as wanted."""
    async with asyncio.timeout(10):
        while True:
            kept = (await yard.action()).progress
            if kept is not None and wanted(kept):
                return kept
            await asyncio.sleep(0.01)


async def touched(yard: Yard, count: int) -> None:
    async with asyncio.timeout(10):
        while len(yard.ledger()) < count:
            await asyncio.sleep(0.005)


async def second_wave_hangs(yard: Yard, delay_s: float = 4.5) -> None:
    """Begin; the first host answers soon, the two behind it take a while."""
    yard.hosts.delay_s = 0.05
    await begin(yard)
    await touched(yard, 1)
    yard.hosts.delay_s = delay_s  # a host reads it when the command comes in


def outcomes(action: Action) -> list[tuple[str, str]]:
    assert action.result is not None
    return [(step["outcome"], step["detail"]["key"]) for step in action.result["steps"]]


async def test_the_first_host_is_alone_and_when_it_fails_it_is_the_only_one(yard: Yard) -> None:
    (yard.folder / "hosts/homes/one/failing").write_text("tomcat stays\n", encoding="utf-8")
    await begin(yard)
    action = await yard.ends(1, *ENDS)
    assert action.state is State.FAILED
    assert yard.ledger() == RESTARTS[:1]
    assert outcomes(action) == [
        ("FAILED", "plan_run_exit"),
        ("SKIPPED", "progress_wave_ended"),
        ("SKIPPED", "progress_wave_ended"),
    ]


async def test_all_well_goes_to_every_host_the_first_one_first(yard: Yard) -> None:
    await begin(yard)
    action = await yard.ends(1, *ENDS)
    assert action.state is State.SUCCEEDED
    assert yard.ledger()[0] == RESTARTS[0] and sorted(yard.ledger()) == sorted(RESTARTS)


async def test_how_far_it_is_is_kept_while_it_runs(yard: Yard) -> None:
    await second_wave_hangs(yard)
    kept = await until(yard, lambda kept: kept["done"] == ["one"])
    assert (kept["running"], kept["waiting"]) == (["two", "three"], [])


async def test_called_off_while_it_runs_no_further_host_is_touched(yard: Yard) -> None:
    yard.hosts.delay_s = 1.0
    await begin(yard)
    await touched(yard, 1)
    assert (await call_off(yard)).state is State.RUNNING
    action = await yard.ends(1, *ENDS)
    assert yard.ledger() == RESTARTS[:1]
    # What ran ended by itself, and well; what was left out makes the whole a failure.
    assert (action.state, action.comment) == (State.FAILED, "enough")
    assert outcomes(action) == [
        ("DONE", "plan_run_done"),
        ("SKIPPED", "progress_withheld"),
        ("SKIPPED", "progress_withheld"),
    ]
    assert [row["state"] for row in await yard.audited("action.cancel")] == ["RUNNING"]


async def test_called_off_when_all_was_sent_it_ends_as_it_ends(yard: Yard) -> None:
    await second_wave_hangs(yard, 1.0)
    await touched(yard, 3)
    await call_off(yard)
    action = await yard.ends(1, *ENDS)
    assert action.state is State.SUCCEEDED and action.cancelled_at is not None


async def test_called_off_before_it_runs_it_never_does(yard: Yard) -> None:
    await yard.propose("server_restart", "ONE", "TWO", "THREE")
    assert (await call_off(yard)).state is State.CANCELLED
    await yard.idle()
    assert yard.ledger() == []


async def test_after_a_crash_it_is_known_which_hosts_were_done_and_begun(yard: Yard) -> None:
    await second_wave_hangs(yard)
    await until(yard, lambda kept: kept["done"] == ["one"])
    await yard.kill()
    await yard.start()
    action = await yard.ends(1, State.UNKNOWN)
    assert action.result is None and action.progress is not None
    assert (action.progress["done"], action.progress["running"]) == (["one"], ["two", "three"])
