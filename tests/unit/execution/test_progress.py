"""What is kept of a run while it goes on."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.outcome import Outcome, RunResult, without_output
from engine.execution.progress import HostState, Progress, tally, tally_of
from engine.plan import Plan, Step
from prompts.texts import text


def plan_of(*hosts: str) -> Plan:
    """One step a word; a host that stands twice has two."""
    steps = tuple(Step(f"A{n}", host, f"ops@{host}:22", ("x",)) for n, host in enumerate(hosts))
    return Plan("server_restart", hosts, {}, steps, "HIGH")


def end(progress: Progress, plan: Plan, number: int, outcome: Outcome) -> None:
    progress.ended(number, without_output(plan.steps[number], outcome, text("plan_run_done")))


def test_hosts_go_from_waiting_to_their_end_in_the_order_of_the_plan() -> None:
    plan = plan_of("c", "a", "b", "a")
    progress = Progress(plan)
    assert not progress.changed
    assert progress.to_json()["waiting"] == ["c", "a", "b"]
    progress.begun(1)
    assert progress.changed
    assert progress.to_json()["running"] == ["a"]
    assert not progress.changed
    end(progress, plan, 1, Outcome.DONE)
    assert progress.to_json()["running"] == ["a"]  # its second step is still to come
    end(progress, plan, 3, Outcome.DONE)
    end(progress, plan, 0, Outcome.FAILED)
    end(progress, plan, 2, Outcome.SKIPPED)
    assert {state: hosts for state, hosts in progress.to_json().items() if hosts} == {
        "done": ["a"],
        "failed": ["c"],
        "skipped": ["b"],
    }


def test_the_worst_step_is_what_became_of_its_host() -> None:
    for ends, state in (
        ((Outcome.DONE, Outcome.UNKNOWN), HostState.UNKNOWN),
        ((Outcome.FAILED, Outcome.UNKNOWN), HostState.UNKNOWN),
        ((Outcome.FAILED, Outcome.SKIPPED), HostState.FAILED),
        ((Outcome.DONE, Outcome.SKIPPED), HostState.FAILED),
        ((Outcome.SKIPPED, Outcome.SKIPPED), HostState.SKIPPED),
    ):
        plan = plan_of("a", "a")
        result = RunResult(
            tuple(
                without_output(step, outcome, text("plan_run_done"))
                for step, outcome in zip(plan.steps, ends, strict=True)
            )
        )
        assert tally_of(result)[state] == ("a",), ends


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(Outcome)), min_size=1))
def test_each_host_stands_in_one_place_and_the_end_is_told_alike(
    ends: list[tuple[str, Outcome]],
) -> None:
    plan = plan_of(*(host for host, _ in ends))
    progress = Progress(plan)
    results = []
    for number, (_, outcome) in enumerate(ends):
        progress.begun(number)
        end(progress, plan, number, outcome)
        results.append(without_output(plan.steps[number], outcome, text("plan_run_done")))
        kept = json.loads(json.dumps(progress.to_json()))
        listed = [host for hosts in kept.values() for host in hosts]
        assert sorted(listed) == sorted({step.host for step in plan.steps})
    assert tally(progress.to_json()) == tally_of(RunResult(tuple(results)))


def test_what_an_older_row_lacks_is_empty() -> None:
    assert tally({"done": ["a"]})[HostState.WAITING] == ()
