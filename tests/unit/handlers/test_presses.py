"""Buttons of action cards, and the form that asks for a reason."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from prompts.texts import say, text
from storage import actions, rooms
from storage.lifecycle import Move, State
from storage.tables import audit
from tests.unit.handlers.stage import Stage

RUN = "/autoq run server_restart PAY-STG-01"


@pytest.fixture
async def tokens(stage: Stage) -> dict[str, str]:
    """Verb → token of the card of #1, which min asked for."""
    await stage.does("min", "command", RUN)
    card = stage.card(1)
    return {verb: stage.button(card, verb).token for verb in ("approve", "reject", "details")}


async def test_a_press_of_approve(stage: Stage, tokens: dict[str, str]) -> None:
    card = await stage.presses("jun", tokens["approve"])
    assert card.text == say(text("decided_approve", id=1), "zh-TW")
    assert (await stage.action()).state is State.APPROVED
    assert [button.label for button in stage.card(1).buttons] == ["Cancel"]


async def test_the_requester_may_look_but_not_decide(stage: Stage, tokens: dict[str, str]) -> None:
    for verb in ("approve", "reject"):
        card = await stage.presses("min", tokens[verb])
        assert card.text == say(text("decide_own", id=1), "ko")
    card = await stage.presses("min", tokens["details"])
    action = await stage.action()
    assert card.code == "pay-stg-01: systemctl restart -- tomcat" and action.digest in card.text
    assert action.state is State.PENDING_APPROVAL


async def test_a_second_press_is_told_who_was_first(stage: Stage, tokens: dict[str, str]) -> None:
    await stage.presses("ana", tokens["reject"])
    card = await stage.presses("jun", tokens["approve"])
    assert "ana" in card.text
    assert (await stage.action()).state is State.REJECTED


@pytest.mark.parametrize("token", ["", "x", "A" * 24, "' OR 1=1 --", "\u0000", "a" * 5000])
async def test_a_token_that_was_never_given_out(
    stage: Stage, tokens: dict[str, str], token: str
) -> None:
    card = await stage.presses("ana", token)
    assert card.text == say(text("button_unknown"), "en")
    assert (await stage.action()).state is State.PENDING_APPROVAL


async def test_a_token_does_not_work_in_another_room_or_on_another_message(
    stage: Stage, tokens: dict[str, str]
) -> None:
    async with stage.db.write() as tx:
        await rooms.sync(tx, [rooms.RoomListing("web", "", name) for name in ("ops", "two")])
    card = await stage.presses("ana", tokens["approve"], room="two")
    assert card.text == say(text("button_unknown"), "en")
    card = await stage.presses("ana", tokens["approve"], message="m-forwarded")
    assert card.text == say(text("button_old_copy", id=1), "en")
    assert (await stage.action()).state is State.PENDING_APPROVAL


async def test_a_card_of_last_week_is_only_history(stage: Stage, tokens: dict[str, str]) -> None:
    stage.clock.forward(minutes=8 * 24 * 60)
    card = await stage.presses("ana", tokens["details"])
    assert card.text == say(text("button_expired"), "en")


async def test_where_forms_are_the_press_asks_and_the_form_decides(
    stage: Stage, tokens: dict[str, str]
) -> None:
    await stage.does("jun", "button", "", button=tokens["reject"], context={"trigger_id": "t1"})
    form = stage.platform.sent[-1]
    assert (form.kind, form.user, form.message) == ("form", "jun", tokens["reject"])
    assert form.draft.context == {"trigger_id": "t1"}
    assert (await stage.action()).state is State.PENDING_APPROVAL
    card = await stage.whispered(
        "jun", "form", "세일 중 " * 400, button=tokens["reject"], context={"trigger_id": "t2"}
    )
    assert card.text == say(text("decided_reject", id=1), "zh-TW")
    action = await stage.action()
    assert action.state is State.REJECTED and action.comment == ("세일 중 " * 400)[:1000]


async def test_fifty_presses_at_once_are_one_decision_and_fifty_answers(
    stage: Stage, tokens: dict[str, str]
) -> None:
    before = len(stage.platform.sent)
    presses = [
        stage.keep(
            {"kind": "button", "user": ("jun", "ana")[n % 2], "button": tokens["approve"],
             "room": "ops", "n": n}
        )
        for n in range(50)
    ]  # fmt: skip
    await asyncio.gather(*presses)
    await stage.settled()
    answers = [s.card.text for s in stage.platform.sent[before:] if s.kind == "whisper"]
    assert len(answers) == 50
    yes = {say(text("decided_approve", id=1), language) for language in ("en", "zh-TW")}
    assert sum(answer in yes for answer in answers) == 1
    async with stage.db.read() as tx:
        rows = await tx.all(sa.select(audit.c.seq).where(audit.c.kind == "action.approve"))
    assert len(rows) == 1


@pytest.fixture
async def unknown(stage: Stage, tokens: dict[str, str]) -> dict[str, str]:
    """#1 was claimed, and nobody knows whether it ran. Gives the card's tokens now."""
    await stage.presses("jun", tokens["approve"])
    async with stage.db.write() as tx:
        assert await actions.move(tx, 1, Move.CLAIM, "test", values={"run_id": "r1"})
        assert await actions.move(tx, 1, Move.LOSE, "test")
    await stage.settled()
    card = stage.card(1)
    return {verb: stage.button(card, verb).token for verb in ("ran", "not_run", "check")}


@pytest.mark.parametrize(("verb", "state"), [("ran", State.SUCCEEDED), ("not_run", State.FAILED)])
async def test_a_person_settles_what_nobody_knows(
    stage: Stage, unknown: dict[str, str], verb: str, state: State
) -> None:
    card = await stage.presses("min", unknown[verb])
    assert card.text == say(text("decide_role", id=1, risk="HIGH", least="ENGINEER"), "ko")
    card = await stage.presses("jun", unknown[verb])
    assert card.text == say(text("settled", id=1, state=text(f"state_{state.value}")), "zh-TW")
    assert (await stage.action()).state is state
    await stage.presses("ana", unknown["not_run"])
    assert (await stage.action()).state is state


async def test_check_looks_at_the_hosts_without_touching_the_action(
    stage: Stage, unknown: dict[str, str]
) -> None:
    card = await stage.presses("jun", unknown["check"])
    assert card.text == say(text("check_begun", id=1), "zh-TW")
    look = await stage.action(2)
    assert (look.type, look.targets, look.state) == (
        "service_status", ("PAY-STG-01",), State.QUEUED,
    )  # fmt: skip
    assert (await stage.action(1)).state is State.UNKNOWN
