"""The card of a run over many hosts, and calling it off from the room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.platforms.slack import drawing as slack
from bot.platforms.telegram import drawing as telegram
from engine.execution.outcome import Outcome, RunResult, without_output
from engine.plan import Plan
from handlers.action_card import ActionView, action_card, verbs, view
from handlers.card import Card
from prompts.texts import LANGUAGES, say, text
from storage import actions
from storage.actions import Action
from storage.lifecycle import Move, State
from storage.tables import actions as table
from tests.doubles.slack_rules import check_message
from tests.unit.handlers.stage import Stage

RUN = "/autoq run server_restart PAY-STG-01 PAY-WAS-01"


@pytest.fixture
async def action(stage: Stage) -> Action:
    await stage.does("min", "command", RUN)
    return await stage.action()


async def put(stage: Stage, **values: Any) -> Action:
    async with stage.db.write() as tx:
        await tx.change(table.update().where(table.c.id == 1).values(**values))
    return await stage.action()


async def running(stage: Stage, **standing: list[str]) -> Action:
    await put(stage, state=State.RUNNING.value, run_id="r1", started_at=stage.clock.now)
    async with stage.db.write() as tx:
        assert await actions.progress(tx, 1, "r1", standing)
    await stage.settled()
    return await stage.action()


async def card(stage: Stage, action: Action, language: str = "en") -> Card:
    async with stage.db.read() as tx:
        shown = await view(tx, action)
    return action_card(shown, language, {verb: verb for verb in verbs(action)})


def told(card: Card, label: str, language: str = "en") -> str:
    values = [f.value for f in card.fields if f.label == say(text(label), language)]
    return values[0] if values else ""


async def test_the_order_is_on_the_card_before_anybody_says_yes(
    stage: Stage, action: Action
) -> None:
    order = told(stage.card(1), "progress_field_order")
    assert order == "one host first, then 5 at a time; stops at the first failure"
    await stage.does("min", "command", "/autoq run server_restart PAY-STG-01")
    assert told(stage.card(2), "progress_field_order") == ""


async def test_how_far_it_is_is_in_the_room(stage: Stage, action: Action) -> None:
    await running(stage, done=["pay-stg-01"], running=["pay-was-01"])
    shown = stage.card(1)
    assert told(shown, "progress_field") == "1 of 2 done, 1 running"
    assert told(shown, "progress_field_running") == "pay-was-01"
    assert [b.label for b in shown.buttons] == ["Cancel"]
    ko = await card(stage, await stage.action(), "ko")
    assert told(ko, "progress_field", "ko") == "2대 중 1대 완료, 1대 실행 중"


async def test_one_host_has_no_progress_and_nothing_to_spare(stage: Stage) -> None:
    await stage.does("min", "command", "/autoq run server_restart PAY-STG-01")
    action = await running(stage, running=["pay-stg-01"])
    shown = await card(stage, action)
    assert told(shown, "progress_field") == "" and shown.buttons == ()


def many(action: Action, **more: Any) -> Action:
    """The same on a hundred hosts, everything as long as it may be."""
    hosts = [f"{'h' * 240}-{number:03}.example" for number in range(100)]
    steps = [
        {**action.plan["steps"][0], "host": host, "argv": [".watchstander/" + "a" * 64, "x" * 200]}
        for host in hosts
    ]
    values = {
        **action.__dict__,
        "targets": tuple(host[:60] for host in hosts),
        "plan": {**action.plan, "steps": steps, "rolling": 5},
        "description": "🧨" * 2000,
        "comment": "🧨" * 1000,
        **more,
    }
    return Action(**values)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("each", [1, 25])
async def test_while_it_runs_it_fits_everywhere_without_a_file(
    action: Action, language: str, each: int
) -> None:
    hosts = [step["host"] for step in many(action).plan["steps"]]
    states = ("done", "failed", "unknown", "running", "waiting")
    standing = {state: hosts[n * 20 : n * 20 + each] for n, state in enumerate(states)}
    shown = many(action, state=State.RUNNING, progress=standing, cancelled_at=1)
    drawn = action_card(ActionView(shown, "민", "준", "아나"), language, {})
    assert telegram.draw(drawn, language).file_text == ""
    found = slack.draw(drawn, language)
    assert found.file is None
    check_message({"text": found.text, "blocks": found.blocks})


async def test_of_a_crash_every_host_is_listed_with_what_is_known(
    stage: Stage, action: Action
) -> None:
    await running(stage, done=["pay-stg-01"], running=["pay-was-01"])
    async with stage.db.write() as tx:
        await actions.move(tx, 1, Move.LOSE, "watchstander")
    shown = await card(stage, await stage.action())
    assert shown.code.splitlines() == [
        "pay-stg-01: systemctl restart -- tomcat → done",
        "pay-was-01: systemctl restart -- tomcat → begun, end unknown",
    ]
    assert told(shown, "progress_field_lost") == "1 of 2 done, 1 running"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_why_a_host_did_not_end_well_is_on_its_card(
    stage: Stage, action: Action, language: str
) -> None:
    away = text("plan_run_unreachable", host="pay-stg-01", reason="Connection refused")
    steps = Plan.from_json(action.plan).steps
    result = RunResult(
        (
            without_output(steps[0], Outcome.FAILED, away),
            replace(
                without_output(steps[1], Outcome.FAILED, text("plan_run_exit", status=3)),
                exit_status=3,
                output="no such unit\n",
            ),
        )
    )
    ended = replace(action, state=State.FAILED, result=result.to_json())
    shown = await card(stage, ended, language)
    assert shown.code.splitlines() == [
        "pay-stg-01: systemctl restart -- tomcat → FAILED",
        say(away, language),
        "pay-was-01: systemctl restart -- tomcat → FAILED (exit 3)",
        "no such unit",
    ]


async def test_one_reason_for_many_hosts_stands_once(stage: Stage, action: Action) -> None:
    why = text("progress_wave_ended", host="a")
    steps = Plan.from_json(action.plan).steps
    result = RunResult(tuple(without_output(step, Outcome.SKIPPED, why) for step in steps))
    shown = await card(stage, replace(action, state=State.FAILED, result=result.to_json()))
    assert len(steps) == 2 and shown.code.splitlines().count(say(why, "en")) == 1


@pytest.mark.parametrize("called_off", [True, False])
async def test_what_was_left_out_is_on_the_last_card(
    stage: Stage, action: Action, called_off: bool
) -> None:
    plan = Plan.from_json(action.plan)
    first = Outcome.DONE if called_off else Outcome.FAILED
    ends = (first, Outcome.SKIPPED)
    result = RunResult(
        tuple(
            without_output(s, o, text("plan_run_done"))
            for s, o in zip(plan.steps, ends, strict=True)
        )
    )
    await running(stage)
    if called_off:
        await stage.does("min", "command", "/cancel 1 the sale began")
    async with stage.db.write() as tx:
        await actions.move(tx, 1, Move.FAIL, "watchstander", values={"result": result.to_json()})
    await stage.settled()
    shown = stage.card(1)
    stopped = "" if called_off else "stopped at pay-stg-01: "
    assert told(shown, "progress_field_left_out") == f"{stopped}1 of 2 hosts were not begun"
    assert told(shown, "progress_field_waiting") == "pay-was-01"
    wanted = "min: the sale began" if called_off else ""
    assert told(shown, "field_cancelled_by") == wanted


@pytest.mark.parametrize(
    "line",
    ["/cancel 1 wrong hosts", "/cancel #1 wrong hosts", "취소 1 wrong hosts", "取消 1 wrong hosts"],
)
async def test_calling_off_by_command_and_in_words(stage: Stage, action: Action, line: str) -> None:
    kind = "command" if line.startswith("/") else "words"
    at = stage.clock.now
    await stage.hears("min", kind, line, "cancel_done", id=1, name="min", at=at)
    shown = stage.card(1)
    assert told(shown, "field_state") == "cancelled"
    assert told(shown, "field_cancelled_by") == "min: wrong hosts"
    assert shown.buttons == ()
    # The second hears of the first.
    await stage.hears("ana", "command", "/cancel 1 me too", "cancel_done", id=1, name="min", at=at)


@pytest.mark.parametrize("line", ["/cancel", "/cancel x", "/cancel 1x", "/cancel -1"])
async def test_a_cancel_without_a_number_is_refused(
    stage: Stage, action: Action, line: str
) -> None:
    heard = await stage.whispered("min", "command", line)
    assert "/cancel ID" in heard.text
    assert (await stage.action()).state is State.PENDING_APPROVAL


@pytest.mark.parametrize(
    "words", ["취소해줘", "취소 요청 들어온 3건 확인해줘", "取消訂單失敗", "cancel that"]
)
async def test_words_that_only_begin_alike_call_nothing_off(
    stage: Stage, action: Action, words: str
) -> None:
    await stage.does("min", "words", words)
    assert (await stage.action()).state is State.PENDING_APPROVAL


async def test_the_button_on_what_waits_for_the_runner(stage: Stage, action: Action) -> None:
    await stage.does("ana", "command", "/approve 1 fine")
    button = stage.button(stage.card(1), "cancel")
    heard = await stage.presses("min", button.token)
    values = {"id": 1, "name": "min", "at": stage.clock.now}
    assert heard.text == say(text("cancel_done", **values), "ko")
    assert (await stage.action()).state is State.CANCELLED


async def test_the_button_while_it_runs(stage: Stage, action: Action) -> None:
    await running(stage, done=["pay-stg-01"], running=["pay-was-01"])
    button = stage.button(stage.card(1), "cancel")
    not_yours = await stage.presses("jun", button.token)
    values: dict[str, Any] = {"id": 1, "risk": "CRITICAL", "least": "ADMIN"}
    assert not_yours.text == say(text("cancel_role", **values), "zh-TW")
    values = {"id": 1, "name": "ana", "at": stage.clock.now}
    heard = await stage.presses("ana", button.token)
    assert heard.text == say(text("cancel_running", **values), "en")
    assert stage.card(1).buttons == ()
    assert told(stage.card(1), "field_cancelled_by") == "ana"
    again = await stage.presses("min", button.token)
    assert again.text == say(text("cancel_running", **values), "ko")
