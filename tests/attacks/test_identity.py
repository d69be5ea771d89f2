"""Who may decide: by person across all doors, never by name, team, room or what a body says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from storage import people
from storage.actions import Action
from storage.lifecycle import State
from storage.people import Listing, Role
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM
from tests.attacks.doors import BURST, NAMES, Doors, Socket
from tests.attacks.stage import MESSENGER_SECRET, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def undecided(stage: Stage, action: Action) -> None:
    """Nobody decided, nothing ran."""
    await stage.settled()
    after = await stage.action(action.id)
    assert (after.state, after.decided_by) == (State.PENDING_APPROVAL, None)
    assert await stage.moves(action.id) == ["propose", "ask"]
    assert stage.ledger() == []


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("person", ["min", "jun", "robot", "lee"])
async def test_the_wrong_person_decides_nothing_by_command_word_or_button(
    stage: Stage, doors: Doors, way: str, person: str
) -> None:
    """The requester, an engineer on CRITICAL, a program, and a requester who did not ask."""
    action = await stage.waiting("min")
    tokens = await stage.tokens(action.id, way)
    await doors[way].types(person, f"/approve {action.id}")
    await doors[way].types(person, f"/ws approve {action.id} looks fine")
    await doors[way].says(person, f"approve {action.id}")
    await doors[way].says(person, f"승인 {action.id}")
    if way != "web" or person != "robot":  # a program's socket takes no presses at all
        await doors[way].press(person, action.id, tokens[way])
    await undecided(stage, action)


@pytest.mark.parametrize("asked", NAMES)
async def test_one_person_is_the_same_person_on_every_platform(
    stage: Stage, doors: Doors, asked: str
) -> None:
    """bob is an ADMIN and asks himself: his other accounts do not make him a second person."""
    before = len(await stage.all_actions())
    await doors[asked].types("bob", "/autoq run server_restart PAY-DB-01")
    await stage.settled()
    action = (await stage.all_actions())[before]
    tokens = await stage.tokens(action.id)
    for way in NAMES:
        await doors[way].press("bob", action.id, tokens[way])
        await doors[way].types("bob", f"/approve {action.id}")
    answer = await doors.rest("bob", f"/api/auto/approve/{action.id}", {"digest": action.digest})
    assert answer.status_code == 403
    await undecided(stage, action)


@pytest.mark.parametrize(
    ("person", "status"), [("min", 403), ("jun", 403), ("robot", 403), ("lee", 403)]
)
async def test_the_wrong_person_decides_nothing_by_rest(
    plain_stage: Stage, plain_doors: Doors, person: str, status: int
) -> None:
    action = await plain_stage.waiting("min")
    for verdict in ("approve", "reject"):
        path = f"/api/auto/{verdict}/{action.id}"
        answer = await plain_doors.rest(person, path, {"digest": action.digest})
        assert answer.status_code == status, answer.text
    await undecided(plain_stage, action)


@pytest.mark.parametrize(
    "field", ["requester", "person", "approver", "user", "actor", "decided_by", "role", "sender"]
)
async def test_a_name_in_a_body_is_no_name(
    plain_stage: Stage, plain_doors: Doors, field: str
) -> None:
    action = await plain_stage.waiting("min")
    path = f"/api/auto/approve/{action.id}"
    answer = await plain_doors.rest("min", path, {"digest": action.digest, field: "ana"})
    assert answer.status_code == 422
    body = {"action_type": "server_restart", "targets": ["PAY-DB-01"], field: "ana"}
    count = len(await plain_stage.all_actions())
    assert (await plain_doors.rest("min", "/api/auto/queue", body)).status_code == 422
    assert len(await plain_stage.all_actions()) == count
    if field != "user":
        assert await plain_doors.messenger.send("min", text="hello", **{field: "ana"}) == 422
    line = await plain_doors.web.line("min")
    await line.ask({"type": "say", "text": f"/approve {action.id}", field: "ana"})
    await line.ask(
        {"msg_type": "COMMAND", "content": f"/approve {action.id}", field: "ana"}
        | {"itsm_metadata": {"sender": "ana", "itsm_ticket_id": str(action.id)}}
    )
    await undecided(plain_stage, action)


async def test_a_borrowed_display_name_gives_no_rights(stage: Stage, doors: Doors) -> None:
    action = await stage.waiting("min")
    for user, name in (("UEVIL", "ana"), ("UEVIL", "UANA"), ("UMIN", "ana"), ("uana", "ana")):
        spoof = stage.slack.user(user, name)
        spoof.name = name
        await (await spoof.command(SLACK_ROOM, "/approve", str(action.id))).acknowledged()
        await (await spoof.mentions(SLACK_ROOM, f"approve {action.id}")).acknowledged()
    for number, name in ((999, "ana"), (111, "ana"), (3330, "333")):
        stage.telegram.user(number, name).command(TELEGRAM_ROOM, f"/approve {action.id}")
    for name in ("Ana", "ana ", " ana", "ana\u200b", "аna", "ana\n", "talk/ana", "%", "an_", "ANA"):
        await doors.messenger.send(name, text=f"/approve {action.id}")
    await undecided(stage, action)


async def test_the_web_address_names_nobody(plain_stage: Stage, plain_doors: Doors) -> None:
    """The client's name in the URL is a label: the credential says who it is."""
    action = await plain_stage.waiting("min")
    url = f"{plain_stage.address.replace('http', 'ws', 1)}/ws/chat/ops/ana/HUMAN"
    async with connect(url, additional_headers=await plain_stage.bearer("min")) as connection:
        socket = Socket(connection)
        plain_doors.web.readers.append(asyncio.create_task(socket.read()))
        assert (await socket.ask({"type": "say", "text": f"/approve {action.id}"}))["type"] == "ack"
        await undecided(plain_stage, action)


async def test_other_places_give_no_rights(stage: Stage) -> None:
    """ana is an ADMIN, but these rooms are not listed, and a guest's team is another team."""
    action = await stage.waiting("min")
    ana = stage.slack.user("UANA", "ana")
    for room in ("C2", "G3"):
        await (await ana.command(room, "/approve", str(action.id))).acknowledged()
        await (await ana.mentions(room, f"approve {action.id}")).acknowledged()
    guest = stage.slack.user("UANA", "ana", team="T9")
    await (await guest.command(SLACK_ROOM, "/approve", str(action.id))).acknowledged()
    await (await guest.mentions(SLACK_ROOM, f"approve {action.id}")).acknowledged()
    token = (await stage.tokens(action.id))["slack"]
    card = await stage.slack_card(action.id)
    await (await guest.press_token(SLACK_ROOM, card.ts, token)).acknowledged()
    stage.telegram.user(333, "ana").command(-1002, f"/approve {action.id}")
    await undecided(stage, action)


async def test_strangers_get_nothing_in_private(stage: Stage) -> None:
    action = await stage.waiting("min")
    evil = stage.slack.user("UEVIL", "ana")
    await (await evil.says_directly(f"approve {action.id}")).acknowledged()
    stranger = stage.telegram.user(999, "ana")
    stranger.starts()
    stranger.says(999, f"/approve {action.id}")
    stranger.says(999, "restart pay-was-01")
    count = len(await stage.all_actions())
    await undecided(stage, action)
    assert len(await stage.all_actions()) == count


async def test_masks_and_programs_are_nobody(stage: Stage) -> None:
    action = await stage.waiting("min")
    ana = stage.telegram.user(333, "ana")
    line = f"/approve {action.id}"
    ana.says(TELEGRAM_ROOM, line, anonymous=True)
    ana.says(TELEGRAM_ROOM, line, sender_chat={"id": -1009, "type": "channel", "title": "news"})
    ana.says(TELEGRAM_ROOM, line, **{"from": {"id": 333, "is_bot": True, "first_name": "ana"}})
    ana.says(TELEGRAM_ROOM, line, via_bot={"id": 5, "is_bot": True, "first_name": "x"}, **_bot())
    ana.forwards(TELEGRAM_ROOM, line)
    slack = stage.slack.user("UANA", "ana")
    words = f"<@{stage.slack.bot_user}> approve {action.id}"
    await (await slack.says(SLACK_ROOM, words, bot_id="B9")).acknowledged()
    await (await slack.says(SLACK_ROOM, words, subtype="bot_message", bot_id="B9")).acknowledged()
    await undecided(stage, action)


def _bot() -> dict[str, Any]:
    return {"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}}


async def _list(stage: Stage, changed: dict[str, Role | None]) -> None:
    """The configuration again, with some roles changed; None takes a person off the list."""
    kept = []
    for listing in stage.app.settings.people:
        role = changed.get(listing.name, listing.role)
        if role is not None:
            kept.append(Listing(listing.name, role, listing.language, accounts=listing.accounts))
    async with stage.app.db.write() as tx:
        await people.sync(tx, kept)


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("role", [None, Role.REQUESTER, Role.AGENT])
async def test_a_right_that_was_taken_away_is_gone_at_once(
    stage: Stage, doors: Doors, way: str, role: Role | None
) -> None:
    action = await stage.waiting("min")
    tokens = await stage.tokens(action.id, way)
    await stage.bearer("ana")
    line = await doors.web.line("ana")
    await _list(stage, {"ana": role})
    try:
        if way == "web":
            frame = {"type": "say", "text": f"/approve {action.id}"}
            await line.connection.send(json.dumps(frame))
        else:
            await doors[way].types("ana", f"/approve {action.id}")
            await doors[way].press("ana", action.id, tokens[way])
        path = f"/api/auto/approve/{action.id}"
        answer = await doors.rest("ana", path, {"digest": action.digest})
        assert answer.status_code == (401 if role is None else 403)
        await undecided(stage, action)
    finally:
        await _list(stage, {})
        line.sent = BURST


async def test_the_secret_of_one_messenger_is_not_another_person(plain_stage: Stage) -> None:
    """A person's API token is no messenger secret, and the other way round."""
    count = await plain_stage.inbox_rows()
    body = {"room": "ops", "user": "ana", "text": "/pending"}
    answer = await plain_stage.http.post(
        "/messenger/webhook", json=body, headers=await plain_stage.bearer("ana")
    )
    assert answer.status_code == 401
    crossed = {"Authorization": f"Bearer {MESSENGER_SECRET}"}
    assert (await plain_stage.http.get("/api/auto/queue", headers=crossed)).status_code == 401
    assert await plain_stage.inbox_rows() == count
