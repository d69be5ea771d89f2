"""The web room's WebSocket: what is kept, who sees what."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from handlers.card import Button, Card, Field, Tone
from handlers.inbound import Event, EventKind, Speaker
from storage.database import Database
from tests.contract.web_server import OPS, WebRoom, draft, web_room

CARD = Card(
    title="#17 Restart",
    text="Restart two servers?",
    tone=Tone.WAITING,
    fields=(Field("Targets", "BUDGET-WAS-01"),),
    code="systemctl restart -- tomcat",
    buttons=(Button("Approve", "tokA", "good"), Button("Reject", "tokR", "danger", True)),
)


@pytest.fixture
async def room(db: Database) -> AsyncIterator[WebRoom]:
    async with web_room(db) as running:
        yield running


async def translated(room: WebRoom) -> list[Event | None]:
    return [room.platform.translate(delivery.body) for delivery in await room.inbox()]


# What is said


async def test_words_are_kept_before_they_are_acknowledged_and_seen_by_all(room: WebRoom) -> None:
    async with room.client("Min") as min_, room.client("Ada") as ada:
        ack = await min_.ask({"type": "say", "id": "a1", "text": " restart budget "})
        assert ack == {
            "type": "ack",
            "id": "a1",
            "repeated": False,
            "message_id": ack["message_id"],
        }
        [delivery] = await room.inbox()
        seen = await ada.next("message")
    assert (delivery.source, delivery.lane) == ("web", "ops")
    assert room.platform.translate(delivery.body) == Event(
        EventKind.WORDS,
        OPS,
        Speaker("web", "", "Min"),
        text="restart budget",
        open_talk=True,
        room_name="ops",
        context={"said": ack["message_id"]},
    )
    assert (seen["sender"], seen["content"]) == ("Min", "restart budget")


async def test_a_message_has_the_schema_a8(room: WebRoom) -> None:
    async with room.client("Ada") as ada:
        await room.platform.post(OPS, draft(1, CARD, itsm_ticket_id="SR-1", severity="HIGH"))
        seen = await ada.next("message")
    assert seen["message_id"] == "MSG-20261120-0001"
    assert seen["timestamp"] == "2026-11-20T09:00:00.000Z"
    assert (seen["sender"], seen["sender_type"]) == ("Watchstander", "BOT")
    assert (seen["msg_type"], seen["is_widget"]) == ("CARD", True)
    assert seen["interactive_action"] == {
        "type": "BUTTON",
        "label": "Approve",
        "command_code": "tokA",
    }
    assert [a["command_code"] for a in seen["interactive_actions"]] == ["tokA", "tokR"]
    assert seen["itsm_metadata"] == {
        "itsm_ticket_id": "SR-1",
        "asset_code": None,
        "severity": "HIGH",
    }
    assert seen["content"] == (
        "#17 Restart\nRestart two servers? (en)\n"
        "Targets: BUDGET-WAS-01\nsystemctl restart -- tomcat"
    )


@pytest.mark.parametrize(
    ("frame", "kind", "text"),
    [
        ({"type": "say", "text": "/status now"}, EventKind.COMMAND, "/status now"),
        ({"msg_type": "COMMAND", "content": "approve 17"}, EventKind.COMMAND, "/approve 17"),
        ({"msg_type": "CHAT", "content": "disk?"}, EventKind.WORDS, "disk?"),
        ({"type": "say", "text": "@watchstander, disk?"}, EventKind.WORDS, "disk?"),
        ({"type": "say", "text": "@nobody disk?"}, EventKind.WORDS, "@nobody disk?"),
    ],
)
async def test_what_words_become(
    room: WebRoom, frame: dict[str, str], kind: EventKind, text: str
) -> None:
    async with room.client("Min") as min_:
        assert (await min_.ask(frame))["type"] == "ack"
    [event] = await translated(room)
    assert event is not None
    assert (event.kind, event.text) == (kind, text)


async def test_the_actor_is_never_read_from_the_body(room: WebRoom) -> None:
    forged = {"sender": "Ada", "person": "Ada", "user": "Ada", "room": "approvals", "id": "x"}
    async with room.client("Min") as min_:
        await min_.ask({"type": "say", "text": "approve 1", **forged})
        await min_.ask({"msg_type": "CHAT", "content": "approve 2", "sender_type": "BOT", **forged})
    events = await translated(room)
    assert [e.speaker.user for e in events if e] == ["Min", "Min"]
    assert {str(e.room) for e in events if e} == {"web:ops"}
    async with room.client("Ada") as ada:
        assert {m["sender_type"] for m in ada.history["messages"]} == {"HUMAN"}


async def test_the_same_delivery_is_kept_and_shown_once(room: WebRoom) -> None:
    frame = {"type": "say", "id": "same", "text": "hello"}
    async with room.client("Min") as min_:
        first = await min_.ask(frame)
        second = await min_.ask(frame)
        other = await min_.ask({**frame, "text": "hello again"})
    async with room.client("Min") as min_:
        third = await min_.ask(frame)
        contents = [m["content"] for m in min_.history["messages"]]
    assert [first["repeated"], second["repeated"], other["repeated"], third["repeated"]] == [
        False,
        True,
        False,
        True,
    ]
    assert first["message_id"] == second["message_id"] == third["message_id"]
    assert contents == ["hello", "hello again"]
    assert len(await room.inbox()) == 2


async def test_two_people_may_use_the_same_id(room: WebRoom) -> None:
    frame = {"type": "say", "id": "1", "text": "hello"}
    async with room.client("Min") as min_, room.client("Ada") as ada:
        assert [(await c.ask(frame))["repeated"] for c in (min_, ada)] == [False, False]
    assert len(await room.inbox()) == 2


async def test_what_could_not_be_kept_is_not_acknowledged_and_not_shown(room: WebRoom) -> None:
    room.broken = True
    async with room.client("Min") as min_:
        answer = await min_.ask({"type": "say", "id": "a1", "text": "restart"})
        assert (answer["type"], answer["id"], answer["code"]) == ("error", "a1", "not_kept")
        assert "저장하지 못해" in answer["text"]
        room.broken = False
        again = await min_.ask({"type": "say", "id": "a1", "text": "restart"})
    assert (again["type"], again["repeated"]) == ("ack", False)
    async with room.client("Ada") as ada:
        assert [m["content"] for m in ada.history["messages"]] == ["restart"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no json", "frame"),
        ("[]", "frame"),
        ("[" * 60_000, "frame"),
        ({}, "frame"),
        ({"type": "say"}, "frame"),
        ({"type": "say", "text": 5}, "frame"),
        ({"type": "say", "text": " \n "}, "empty"),
        ({"type": "say", "text": "x" * 16_001}, "too_long"),
        ({"type": "say", "text": "x" * 100_000}, "too_long"),
        ({"type": "say", "text": "a\0b"}, "characters"),
        ('{"type": "say", "text": "a\\ud800b"}', "characters"),
        ({"type": "say", "text": "x", "id": "a b"}, "id"),
        ({"type": "say", "text": "x", "id": True}, "id"),
        ({"type": "say", "text": "x", "id": ["a"]}, "id"),
        ({"msg_type": "TASK_FINISHED", "content": "done"}, "msg_type"),
        ({"msg_type": "CARD", "content": "done"}, "msg_type"),
        ({"type": "press", "message_id": "MSG-1"}, "frame"),
        ({"type": "press", "message_id": "MSG-1", "command_code": "t"}, "no_message"),
        ({"type": "sudo"}, "frame"),
    ],
)
async def test_a_bad_frame_gets_a_clear_error_and_changes_nothing(
    room: WebRoom, frame: object, code: str
) -> None:
    async with room.client("Ada") as ada:
        answer = await ada.ask(frame)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert len(answer["text"]) > 20
        assert (await ada.ask({"type": "say", "text": "still here"}))["type"] == "ack"
    assert len(await room.inbox()) == 1


async def test_binary_frames_are_refused_and_pings_answered(room: WebRoom) -> None:
    async with room.client("Min") as min_:
        await min_.connection.send(b"\x00\xff")
        assert (await min_.next())["code"] == "frame"
        await min_.send({"type": "ping"})
        assert await min_.next() == {"type": "pong"}


async def test_a_flood_is_slowed_down_without_losing_the_line(room: WebRoom) -> None:
    async with room.client("Min") as min_:
        for number in range(60):
            await min_.send({"type": "say", "text": f"line {number}"})
        answers = [
            frame["type"]
            for frame in [await min_.next() for _ in range(60 + 20)]
            if frame["type"] in ("ack", "error")
        ]
    assert answers.count("error") >= 20
    assert len(await room.inbox()) == answers.count("ack")


# Buttons


async def test_a_press_is_a_button_and_with_a_reason_a_form(room: WebRoom) -> None:
    key = await room.platform.post(OPS, draft(1, CARD))
    press = {"type": "press", "message_id": key, "command_code": "tokA"}
    async with room.client("Lin") as lin:
        await lin.ask(press | {"reason": "not asked for"})
        await lin.ask(press | {"command_code": "tokR"})
        await lin.ask(press | {"command_code": "tokR", "reason": " not now "})
        a8 = {"type": "BUTTON", "label": "Approve", "command_code": "gone"}
        ack = await lin.ask(
            {"msg_type": "COMMAND", "message_id": key, "interactive_action": a8, "content": ""}
        )
    assert ack["message_id"] == key
    events = [event for event in await translated(room) if event]
    assert [(e.kind, e.button, e.text) for e in events] == [
        (EventKind.BUTTON, "tokA", "not asked for"),
        (EventKind.BUTTON, "tokR", ""),
        (EventKind.FORM, "tokR", "not now"),
        (EventKind.BUTTON, "gone", ""),
    ]
    assert {e.message for e in events} == {key}
    assert {e.speaker for e in events} == {Speaker("web", "", "Lin")}


async def test_a_button_is_pressed_in_its_own_room_by_who_can_see_it(room: WebRoom) -> None:
    key = await room.platform.post(OPS, draft(1, CARD))
    await room.platform.whisper(OPS, "Lin", draft(2, CARD))
    async with room.client("Lin") as lin:
        mine = next(m for m in lin.history["messages"] if m["private"])["message_id"]
    async with room.client("Ada") as ada, room.client("Ada", "approvals") as elsewhere:
        for client, message in ((elsewhere, key), (ada, mine)):
            answer = await client.ask(
                {"type": "press", "message_id": message, "command_code": "tokA"}
            )
            assert answer["code"] == "no_message"
    assert await room.inbox() == []


# What the bot shows


async def test_each_viewer_reads_a_card_in_their_own_language(room: WebRoom) -> None:
    async with room.client("Min") as min_, room.client("Lin") as lin, room.client("Ada") as ada:
        key = await room.platform.post(OPS, draft(1, CARD))
        seen = [(await c.next("message"))["card"]["text"] for c in (min_, lin, ada)]
        assert seen == [f"Restart two servers? ({name})" for name in ("ko", "zh-TW", "en")]
        done = Card(title="#17 Restart", text="Done", tone=Tone.GOOD)
        assert await room.platform.edit(OPS, key, draft(2, done)) == key
        update = await min_.next("message")
    assert (update["message_id"], update["msg_type"]) == (key, "CARD_UPDATE")
    assert update["card"]["text"] == "Done (ko)"
    async with room.client("Min") as min_:
        [only] = min_.history["messages"]
    assert (only["msg_type"], only["interactive_actions"]) == ("CARD", [])


async def test_a_repeated_post_is_the_same_message(room: WebRoom) -> None:
    async with room.client("Ada") as ada:
        keys = {await room.platform.post(OPS, draft(7, CARD)) for _ in range(3)}
        await room.platform.post(OPS, draft(8, Card(text="after")))
        shown = [(await ada.next("message"))["seq"] for _ in range(2)]
    assert len(keys) == 1
    assert len(set(shown)) == 2


async def test_a_repeated_post_shows_what_is_true_now(room: WebRoom) -> None:
    """The bot was killed before it noted the post; the card moved on before it came back."""
    async with room.client("Ada") as ada:
        key = await room.platform.post(OPS, draft(7, Card(title="#7", text="queued")))
        assert await room.platform.post(OPS, draft(7, Card(title="#7", text="succeeded"))) == key
        await ada.next("message")
        again = await ada.next("message")
    assert (again["message_id"], again["msg_type"]) == (key, "CARD_UPDATE")
    assert again["card"]["text"] == "succeeded (en)"


async def test_a_whisper_is_seen_by_one_person_only(room: WebRoom) -> None:
    async with room.client("Min") as min_, room.client("Ada") as ada:
        await room.platform.whisper(OPS, "Min", draft(1, Card(text="only you"), "ko", said="x"))
        await room.platform.post(OPS, draft(2, Card(text="all")))
        private = await min_.next("message")
        public = await ada.next("message")
    assert (private["private"], private["content"]) == (True, "only you (ko)")
    assert public["content"] == "all (en)"
    async with room.client("Ada") as ada, room.client("Min") as min_:
        assert [m["content"] for m in ada.history["messages"]] == ["all (en)"]
        assert len(min_.history["messages"]) == 2


async def test_after_an_absence_what_was_missed_comes_first(room: WebRoom) -> None:
    first = await room.platform.post(OPS, draft(1, Card(text="1")))
    for number in range(2, 151):
        await room.platform.post(OPS, draft(number, Card(text=str(number))))
    async with room.client("Ada") as ada:
        assert len(ada.history["messages"]) == 100
        assert ada.history["more"] is True
        assert ada.history["messages"][-1]["content"] == "150 (en)"
    async with room.client("Ada", after=first) as ada:
        assert [m["seq"] for m in ada.history["messages"]] == sorted(
            m["seq"] for m in ada.history["messages"]
        )
        assert ada.history["messages"][0]["content"] == "2 (en)"
        assert len(ada.history["messages"]) == 149


async def test_a_client_that_does_not_read_is_dropped_and_nobody_else_waits(room: WebRoom) -> None:
    big = Card(title="big", code="x" * 400_000)
    slow = await connect(
        room.address(),
        additional_headers=await room.bearer("Min"),
        proxy=None,
        compression=None,
        max_queue=1,
        ping_interval=None,
    )
    async with room.client("Ada") as ada:
        posted = 0
        while len(room.platform.hub) == 2:
            posted += 1
            assert posted < 200, "80 MB, and the one who does not read is still there"
            await room.platform.post(OPS, draft(posted, big))
            assert (await ada.next("message"))["card"]["title"] == "big"
    slow.transport.abort()


# Agents


async def test_words_for_an_agent_reach_it_and_its_report_reaches_the_room(room: WebRoom) -> None:
    async with room.client("deployer") as agent, room.client("Min") as min_:
        await min_.ask({"type": "say", "text": "@Deployer: check the disk"})
        order = await agent.next("message")
        assert (order["msg_type"], order["target"]) == ("COMMAND", "deployer")
        assert (order["sender"], order["content"]) == ("Min", "check the disk")
        await agent.ask(
            {
                "msg_type": "TASK_FINISHED",
                "content": "41% used",
                "itsm_metadata": {"asset_code": "BUDGET-WAS-01", "bogus": "x"},
            }
        )
        report = await min_.next("message")
    assert (report["sender_type"], report["msg_type"]) == ("AGENT", "TASK_FINISHED")
    assert report["itsm_metadata"]["asset_code"] == "BUDGET-WAS-01"
    assert await room.inbox() == []  # the bot has no part in this


async def test_an_agent_that_is_away_gets_its_order_later(room: WebRoom) -> None:
    async with room.client("Ada") as ada:
        await ada.send({"type": "say", "text": "@deployer check"})
        assert "deployer" in (await ada.next("notice"))["text"]
        assert (await ada.next("ack"))["repeated"] is False
    async with room.client("deployer") as agent:
        assert [m["target"] for m in agent.history["messages"]] == ["deployer"]


async def test_an_agent_neither_commands_nor_presses(room: WebRoom) -> None:
    key = await room.platform.post(OPS, draft(1, CARD))
    async with room.client("deployer") as agent:
        press = {"type": "press", "message_id": key, "command_code": "tokA"}
        assert (await agent.ask(press))["code"] == "agent_press"
        order = {"msg_type": "COMMAND", "content": "/approve 17"}
        assert (await agent.ask(order))["code"] == "msg_type"
        assert (await agent.ask({"type": "say", "text": "/approve 17"}))["type"] == "ack"
        assert (await agent.ask({"type": "say", "text": "@deployer loop"}))["type"] == "ack"
    assert await room.inbox() == []
