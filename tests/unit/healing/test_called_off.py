"""A repair that a person calls off: a person is called, and nothing is learnt of the playbook."""

from __future__ import annotations

from engine.approvals.cancel import cancel
from engine.execution.outcome import Outcome, RunResult, without_output
from engine.plan import Plan
from prompts.texts import text
from storage import actions, blocks
from storage.lifecycle import AttemptState, IncidentState, Move, State
from tests.unit.healing.test_healer_nights import with_playbooks
from tests.unit.healing.ward import RESTART, Ward


async def _waits(ward: Ward) -> int:
    ward.break_("one")
    await ward.report()
    await ward.step()
    await ward.step()
    (waiting,) = await ward.waiting()
    return waiting.id


async def _call_off(ward: Ward, number: int) -> State:
    async with ward.yard.db.write() as tx:
        policy = ward.yard.proposals.planner.policy
        return (await cancel(tx, policy, ward.yard.people["jun"], number, "I am on it")).state


async def test_before_it_runs(ward: Ward) -> None:
    assert await _call_off(ward, await _waits(ward)) is State.CANCELLED
    await ward.step(seconds=1)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SKIPPED
    assert (await ward.incident()).state is IncidentState.ESCALATED
    assert (await ward.story())[-1] == "escalate cancelled"
    assert ward.restarts() == []
    async with ward.yard.db.read() as tx:
        assert await blocks.standing(tx) == []


async def test_while_it_runs_what_is_left_out_proves_nothing(ward: Ward) -> None:
    ward = with_playbooks(ward, RESTART.format(tries=1))
    number = await _waits(ward)
    await ward.yard.kill()
    # As if it ran on several hosts, of which one was left out.
    plan = Plan.from_json((await ward.yard.action(number)).plan)
    skipped = without_output(plan.steps[0], Outcome.SKIPPED, text("progress_withheld"))
    result = RunResult((skipped,)).to_json()
    for step in (Move.APPROVE, Move.CLAIM):
        async with ward.yard.db.write() as tx:
            assert await actions.move(tx, number, step, "watchstander")
    assert await _call_off(ward, number) is State.RUNNING
    async with ward.yard.db.write() as tx:
        assert await actions.move(tx, number, Move.FAIL, "watchstander", values={"result": result})
    await ward.step(seconds=1)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.FAILED
    assert attempt.reason is not None and attempt.reason["key"] == "cancel_heal"
    async with ward.yard.db.read() as tx:
        assert await blocks.standing(tx) == []
