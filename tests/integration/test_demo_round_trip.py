"""What leaves the planner arrives on the host word for word, and a cancelled run lets go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.actions.slots import ACCOUNT, ARGUMENT, CONTAINER, UNIT
from engine.execution.outcome import Outcome, StepResult
from engine.plan import Plan, Step
from tests.integration.demo_stage import Stage, nothing_inside


async def test_cancelling_a_run_cuts_its_connections(stage: Stage) -> None:
    plan = stage.planner.plan("bulk_sr_update", ["SR-20261120-0001"], {"op": "close"})
    begun = asyncio.Event()

    async def endless(step: Step) -> StepResult:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    restart = stage.planner.plan("server_restart", ["WAS-01"], {})
    task = asyncio.create_task(
        stage.runner.run(replace(plan, steps=(*plan.steps, *restart.steps)), endless)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await stage.run("server_restart", ["WAS-02"])).outcome is Outcome.DONE


def legal(slot: Any) -> st.SearchStrategy[str]:
    pattern = slot.pattern.pattern
    return st.from_regex(slot.pattern, fullmatch=True).filter(
        lambda value: len(value) <= slot.longest and value not in slot.refused and bool(pattern)
    )


WORDS = st.one_of(legal(UNIT), legal(CONTAINER), legal(ACCOUNT), legal(ARGUMENT))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=1, max_size=8))
async def test_what_arrives_is_exactly_what_was_sent(stage: Stage, lines: list[list[str]]) -> None:
    stage.hosts.ledger.write_text("")
    sample = stage.planner.plan("server_restart", ["WAS-01"], {}).steps[0]
    # One asset name per step: an unknown program fails, and that must not skip the next.
    steps = tuple(
        replace(sample, asset=f"A{number}", argv=("echo", *argv))
        for number, argv in enumerate(lines)
    )
    plan = Plan("server_restart", ("WAS-01",), {}, steps, "HIGH")
    result = await stage.runner.run(plan, nothing_inside)
    assert stage.ledger() == [("was-01", ["echo", *argv]) for argv in lines]
    assert {r.exit_status for r in result.steps} == {127}


HARD = [
    "$(id)",
    "`id`",
    "a b",
    "'",
    '"',
    "\\",
    "\n",
    ";",
    "&&",
    "|",
    "*",
    "~",
    "{a,b}",
    "!",
    "#",
    "%s",
]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(st.sampled_from(HARD), min_size=1, max_size=8))
async def test_even_words_no_slot_would_pass_arrive_unchanged(
    stage: Stage, words: list[str]
) -> None:
    stage.hosts.ledger.write_text("")
    step = replace(
        stage.planner.plan("server_restart", ["WAS-01"], {}).steps[0], argv=("echo", *words)
    )
    await stage.runner.run(Plan("server_restart", (), {}, (step,), "HIGH"), nothing_inside)
    assert stage.ledger() == [("was-01", ["echo", *words])]
