"""Forged, foreign, replayed and stale buttons; what was changed after the card was shown."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from engine.risk import Level, Policy
from storage import holds
from storage.actions import Action
from storage.lifecycle import State
from storage.tables import buttons, rooms
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM
from tests.attacks.doors import NAMES, Doors
from tests.attacks.stage import SCRIPT, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORGED = (
    "", " ", "approve", "approve:1", "1", "null", "%", "_" * 22, "' OR '1'='1",
    '{"verb":"approve"}', "x" * 64, "\u202etoken", "А" * 22, "../1", "0", "true",
)  # fmt: skip


async def still_waits(stage: Stage, action: Action) -> None:
    await stage.settled()
    assert (await stage.action(action.id)).state is State.PENDING_APPROVAL


@pytest.mark.parametrize("way", NAMES)
async def test_no_forged_token_opens_anything(stage: Stage, doors: Doors, way: str) -> None:
    """An ADMIN's own client sends them: only what the bot gave out counts."""
    action = await stage.waiting("min")
    good = (await stage.tokens(action.id, way))[way]
    near = (
        good.swapcase(),
        good[:-1],
        good + "x",
        f" {good}",
        good[::-1],
        secrets.token_urlsafe(16),
    )
    for token in (*FORGED, *near):
        if way == "web" or token:
            await doors[way].press("ana", action.id, token)
    await still_waits(stage, action)
    assert stage.ledger() == []


@pytest.mark.parametrize("way", NAMES)
async def test_a_token_of_another_room_is_not_good_here(
    stage: Stage, doors: Doors, way: str
) -> None:
    action = await stage.waiting("min")
    tokens = await stage.tokens(action.id)
    for other, token in tokens.items():
        if other != way:
            await doors[way].press("ana", action.id, token)
    await still_waits(stage, action)


@pytest.mark.parametrize("way", ["slack", "telegram", "web"])
async def test_a_token_of_another_message_is_not_good_here(
    stage: Stage, doors: Doors, way: str
) -> None:
    """The approve of #1 under the card of #2 decides neither."""
    first, second = await stage.waiting("min"), await stage.waiting("min", "PAY-DB-01")
    tokens = await stage.tokens(first.id, way)
    await doors[way].press("ana", second.id, tokens[way])
    await still_waits(stage, first)
    await still_waits(stage, second)


@pytest.mark.parametrize("way", ["slack", "telegram", "messenger"])
async def test_a_question_is_for_the_person_who_was_asked(
    stage: Stage, doors: Doors, way: str
) -> None:
    """Another person presses min's choice: nothing is asked for in anybody's name."""
    action = await stage.waiting("min")
    await doors[way].says("min", "로그 보고 재기동도 해줘 pay-was-01, 아니 중지")
    await doors[way].says("min", "restart the payment system")
    await stage.settled(told=True)
    made = len(await stage.all_actions())
    async with stage.app.db.read() as tx:
        rows = await tx.all(
            buttons.select()
            .join(rooms, rooms.c.id == buttons.c.room_id)
            .where(buttons.c.person_id.is_not(None), buttons.c.used_at.is_(None))
            .where(rooms.c.platform == way, buttons.c.verb == "choose")
        )
    assert rows, "the words raise a question with choices"
    for row in rows:
        await doors[way].press("lee", action.id, row.token)
        await doors[way].press("ana", action.id, row.token)
    await stage.settled()
    assert len(await stage.all_actions()) == made


@pytest.mark.parametrize("way", NAMES)
async def test_a_decided_button_pressed_again_and_again_changes_nothing(
    stage: Stage, doors: Doors, way: str
) -> None:
    action = await stage.propose("min")
    token = (await stage.tokens(action.id, way))[way]
    rejected = await doors.rest("ana", f"/api/auto/reject/{action.id}", {"comment": "no"})
    assert rejected.status_code == 200
    for _ in range(2):
        # The web room lets a connection press some, the others any number.
        await asyncio.gather(*(_press_late(stage, doors, way, token) for _ in range(50)))
    await stage.settled()
    assert await stage.moves(action.id) == ["propose", "ask", "reject"]
    assert stage.ledger() == []


async def _press_late(stage: Stage, doors: Doors, way: str, token: str) -> None:
    """Press by raw delivery: the button is no longer on the screen."""
    if way == "slack":
        ts = stage.slack.screen(SLACK_ROOM)[-1].ts
        await (await doors.slack.user("ana").press_token(SLACK_ROOM, ts, token)).acknowledged()
    elif way == "telegram":
        card = stage.telegram.cards(TELEGRAM_ROOM)[-1]
        doors.telegram.user("ana").press_raw(TELEGRAM_ROOM, card.id, token)
    elif way == "web":
        line = await doors.web.line("ana")
        key = await stage.until(lambda: _any_message(line.frames), "no message")
        await line.ask({"type": "press", "message_id": key, "command_code": token})
    else:
        await doors.messenger.press("ana", 0, token)


def _any_message(frames: list[dict[str, Any]]) -> str:
    """A message of the room: the press needs one to stand on."""
    return next((str(f["message_id"]) for f in frames if f.get("message_id")), "")


async def test_a_repeated_delivery_of_one_press_counts_once(stage: Stage, doors: Doors) -> None:
    action = await stage.propose("min", "PAY-STG-01")
    token = (await stage.tokens(action.id))["slack"]
    card = await stage.slack_card(action.id)
    stage.slack.repeat_next(20)
    pressed = await doors.slack.user("ana").press_token(SLACK_ROOM, card.ts, token)
    await pressed.acknowledged()
    if stage.mode == "called":
        for _ in range(20):
            assert await stage.slack.replay(pressed) == 200
    await stage.settled()
    assert (await stage.moves(action.id)).count("approve") == 1
    assert len([line for line in stage.ledger() if " restart " in line]) == 1
    stage.hosts.ledger.write_text("")


@pytest.mark.parametrize("way", NAMES)
async def test_an_expired_button_is_dead(stage: Stage, doors: Doors, way: str) -> None:
    action = await stage.propose("min")
    token = (await stage.tokens(action.id, way))[way]
    start = stage.clock.now
    stage.clock.forward(minutes=24 * 60 + 1)
    try:
        if way in ("slack", "telegram", "messenger"):
            await doors[way].press("ana", action.id, token)
        await doors["messenger"].types("ana", f"/approve {action.id}")
        await stage.settled()
        assert "approve" not in await stage.moves(action.id)
        await stage.wait_minutes(0)
        assert (await stage.action(action.id)).state is State.EXPIRED
    finally:
        stage.clock.now = start
    assert stage.ledger() == []


# What changed after the card was shown


async def test_a_script_that_was_changed_after_the_approval_does_not_run(
    plain_stage: Stage, plain_doors: Doors
) -> None:
    """Changed unregistered, changed and registered anew, and gone: three ways, no run."""
    for content, register in ((b"#!/bin/sh\nrm -rf /\n", False), (b"#!/bin/sh\nid\n", True)):
        plain_stage.write_script(SCRIPT)
        params = {"script": "rotate.sh", "args": []}
        action = await plain_stage.propose("min", action_type="script_exec", params=params)
        digest = action.digest
        plain_stage.write_script(content, register=register)
        path = f"/api/auto/approve/{action.id}"
        answer = await plain_doors.rest("ana", path, {"digest": digest})
        assert answer.status_code == 409, answer.text
        await plain_stage.settled()
        moves = await plain_stage.moves(action.id)
        assert "approve" not in moves
        assert "claim" not in moves
        await plain_stage.app.watch.run_once()
        assert (await plain_stage.moves(action.id))[-1] == "supersede"
        assert plain_stage.ledger() == []
    plain_stage.write_script(SCRIPT)


async def test_a_script_swapped_between_approval_and_run_does_not_run(
    plain_stage: Stage, plain_doors: Doors
) -> None:
    """A freeze holds the approved action back, meanwhile the file is swapped."""
    plain_stage.write_script(SCRIPT)
    params = {"script": "rotate.sh", "args": []}
    action = await plain_stage.propose("min", action_type="script_exec", params=params)
    async with plain_stage.app.db.write() as tx:  # the host is busy: the runner waits
        assert await holds.take(tx, action.id, "somebody-else", ["PAY-WAS-01"])
    try:
        path = f"/api/auto/approve/{action.id}"
        assert (await plain_doors.rest("ana", path, {"digest": action.digest})).status_code == 200
        plain_stage.write_script(b"#!/bin/sh\nrm -rf /\n", register=False)
    finally:
        async with plain_stage.app.db.write() as tx:
            await holds.free(tx, action.id)
    plain_stage.app.db.announce({"actions"})
    await plain_stage.settled()
    assert (await plain_stage.moves(action.id))[-1] == "supersede"
    assert plain_stage.ledger() == []
    plain_stage.write_script(SCRIPT)


@pytest.mark.parametrize("way", NAMES)
async def test_the_old_card_is_void_once_the_policy_changed(
    stage: Stage, doors: Doors, way: str
) -> None:
    action = await stage.propose("min", "PAY-STG-01")
    token = (await stage.tokens(action.id, way))[way]
    planner = stage.app.services.proposals.planner
    old = planner.policy
    planner.policy = Policy({**old.levels, "server_restart": Level.CRITICAL})
    try:
        await doors[way].press("ana", action.id, token)
        await stage.settled()
        await stage.app.watch.run_once()
        after = await stage.action(action.id)
        assert after.state is State.SUPERSEDED
        assert after.superseded_by is not None
        await doors[way].types("ana", f"/approve {action.id}")
        await stage.settled()
        assert (await stage.action(after.superseded_by)).state is State.PENDING_APPROVAL
        assert (await stage.action(after.superseded_by)).risk == "CRITICAL"
    finally:
        planner.policy = old
        await stage.app.watch.run_once()
    assert stage.ledger() == []


async def test_the_answer_to_an_old_card_says_what_became_of_it(
    plain_stage: Stage, plain_doors: Doors
) -> None:
    action = await plain_stage.propose("min", "PAY-STG-01")
    rejected = await plain_doors.rest("ana", f"/api/auto/reject/{action.id}", {})
    assert rejected.status_code == 200
    answer = await plain_doors.rest(
        "bob", f"/api/auto/approve/{action.id}", {"digest": action.digest}
    )
    assert answer.status_code == 409
    assert "ana" in answer.json()["message"]


async def test_a_wrong_digest_decides_nothing(plain_stage: Stage, plain_doors: Doors) -> None:
    action = await plain_stage.waiting("min")
    path = f"/api/auto/approve/{action.id}"
    other = (await plain_stage.propose("min", "PAY-DB-01")).digest
    for digest in ("", "0" * 64, action.digest[:12], action.digest.upper(), other, "%"):
        assert (await plain_doors.rest("ana", path, {"digest": digest})).status_code in (409, 422)
    assert (await plain_doors.rest("ana", path, {})).status_code == 422
    assert (await plain_doors.rest("ana", path)).status_code == 422
    await still_waits(plain_stage, action)
