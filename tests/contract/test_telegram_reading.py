"""What people do on Telegram, as events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bot.platforms.telegram import reading
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from storage.database import Database
from tests.doubles.telegram import TelegramDouble
from tests.doubles.telegram_people import TelegramUser
from tests.doubles.telegram_rig import Keeper, events, running

OPS = -1001
BOT = {"id": 110201543, "username": "watchstander_bot"}


class Room:
    """A group with the bot and a person; ``now()`` reads what has been said so far."""

    def __init__(self, tg: TelegramDouble, now: Callable[[], Any]) -> None:
        self.tg = tg
        self.min: TelegramUser = tg.user(111, "min")
        self.now = now

    async def last(self) -> Event | None:
        found: list[Event | None] = await self.now()
        return found[-1]


@pytest.fixture
async def ops(db: Database) -> AsyncIterator[Room]:
    async with TelegramDouble() as tg:
        tg.group(OPS, "ops", forum=True)
        async with running(tg, db) as platform:
            await tg.until(lambda: tg.updates.polls)

            async def now() -> list[Event | None]:
                await tg.until(lambda: not tg.updates.pending)
                return await events(platform, Keeper(db))

            yield Room(tg, now)


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ("/approve 17 ok", EventKind.COMMAND, "/approve 17 ok"),
        ("/approve@watchstander_bot 17 ok", EventKind.COMMAND, "/approve 17 ok"),
        ("/approve@WATCHSTANDER_BOT\n17", EventKind.COMMAND, "/approve\n17"),
        ("/help", EventKind.COMMAND, "/help"),
        ("@watchstander_bot /approve 17", EventKind.COMMAND, "/approve 17"),
        ("@watchstander_bot restart web01", EventKind.WORDS, "restart web01"),
        ("🙂🙂 @Watchstander_Bot restart web01", EventKind.WORDS, "🙂🙂 restart web01"),
        ("웹서버 @watchstander_bot 재시작해 주세요", EventKind.WORDS, "웹서버 재시작해 주세요"),
        ("@watchstander_bot", EventKind.WORDS, ""),
        (
            "@watchstander_bot2 restart web01",
            EventKind.OVERHEARD,
            "@watchstander_bot2 restart web01",
        ),
        ("restart web01", EventKind.OVERHEARD, "restart web01"),
        ("and then /approve 17", EventKind.OVERHEARD, "and then /approve 17"),
    ],
)
async def test_text_in_a_group(ops: Room, said: str, kind: EventKind, text: str) -> None:
    number = ops.min.says(OPS, said)
    assert await ops.last() == Event(
        kind=kind,
        room=RoomAddress("telegram", "", str(OPS)),
        speaker=Speaker("telegram", "", "111"),
        text=text,
        room_name="ops",
        context={"message": number},
    )


@pytest.mark.parametrize("line", ["/approve@other_bot 17", "/approve@ 17"])
async def test_a_command_for_another_bot_is_not_ours(ops: Room, line: str) -> None:
    ops.min.command(OPS, line)
    assert await ops.last() is None


async def test_private_words_need_no_mention(ops: Room) -> None:
    ops.min.says(111, "restart web01")
    event = await ops.last()
    assert event is not None
    assert (event.kind, event.direct, event.room.address) == (EventKind.WORDS, True, "111")


def _message(**changes: Any) -> dict[str, Any]:
    message = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": OPS, "type": "supergroup", "title": "ops"},
        "from": {"id": 111, "is_bot": False, "first_name": "min"},
        "text": "hello",
    }
    return {"bot": BOT, "update": {"update_id": 1, "message": message | changes}}


def _kind(raw: dict[str, Any]) -> EventKind | None:
    event = reading.translate(raw)
    return event.kind if event else None


def test_code_that_talk_quotes_is_blank() -> None:
    """Offsets count UTF-16 units: the face counts two."""
    entities = [
        {"type": "code", "offset": 3, "length": 3},
        {"type": "pre", "offset": 12, "length": 2},
        {"type": "bold", "offset": 7, "length": 4},
    ]
    event = reading.translate(_message(text="😀 log disk df", entities=entities))
    assert event is not None
    assert (event.kind, event.text) == (EventKind.OVERHEARD, "😀     disk")


def test_a_reply_to_the_bot_is_said_to_the_bot() -> None:
    ours = {"message_id": 8, "from": BOT | {"is_bot": True}}
    assert _kind(_message(reply_to_message=ours)) is EventKind.WORDS
    theirs = {"message_id": 8, "from": {"id": 222, "is_bot": False}}
    assert _kind(_message(reply_to_message=theirs)) is EventKind.OVERHEARD
    # In a topic that the bot opened every message "replies" to the line that opened it.
    topic = ours | {"forum_topic_created": {"name": "alerts"}}
    assert _kind(_message(reply_to_message=topic)) is EventKind.OVERHEARD


def test_a_mention_by_id_is_a_mention() -> None:
    entity = {"type": "text_mention", "offset": 0, "length": 5, "user": {"id": BOT["id"]}}
    event = reading.translate(_message(text="Watch restart web01", entities=[entity]))
    assert event is not None and (event.kind, event.text) == (EventKind.WORDS, "restart web01")


async def test_a_topic_is_remembered(ops: Room) -> None:
    number = ops.min.says(OPS, "/status", thread=5)
    event = await ops.last()
    assert event is not None and event.context == {"message": number, "thread": 5}


async def test_an_edit_makes_nothing(ops: Room) -> None:
    number = ops.min.says(OPS, "harmless")
    ops.min.edits(OPS, number, "/approve 17")  # Telegram is not even asked for these
    assert [event and event.text for event in await ops.now()] == ["harmless"]
    edited = _message(text="/approve 17")
    edited["update"]["edited_message"] = edited["update"].pop("message")
    assert reading.translate(edited) is None


@pytest.mark.parametrize(
    "kind",
    ["edited_message", "channel_post", "edited_channel_post", "my_chat_member", "message_reaction"],
)
def test_only_messages_and_presses_act(kind: str) -> None:
    raw = _message(text="/approve 17")
    raw["update"][kind] = raw["update"].pop("message")
    assert reading.translate(raw) is None


async def test_an_anonymous_admin_is_nobody(ops: Room) -> None:
    ops.min.command(OPS, "/approve 17", anonymous=True)
    event = await ops.last()
    assert event is not None and event.kind is EventKind.COMMAND
    assert event.speaker == Speaker("telegram", "", f"anonymous:{OPS}")


def test_a_channel_that_speaks_is_nobody() -> None:
    event = reading.translate(
        _message(sender_chat={"id": -1009, "type": "channel"}, text="/approve 17")
    )
    assert event is not None and event.speaker.user == "anonymous:-1009"
    raw = _message(text="/approve 17")
    del raw["update"]["message"]["from"]
    event = reading.translate(raw)
    assert event is not None and event.speaker.user.startswith("anonymous:")


def test_the_name_plays_no_part() -> None:
    fake = {"id": 666, "is_bot": False, "first_name": "111", "username": "min", "last_name": "111"}
    event = reading.translate(_message(text="/approve 17", **{"from": fake}))
    assert event is not None and event.speaker.user == "666"


def test_a_program_is_not_heard() -> None:
    program = {"id": 222, "is_bot": True, "first_name": "min"}
    assert reading.translate(_message(text="/approve 17", **{"from": program})) is None


async def test_forwarded_words_are_no_order(ops: Room) -> None:
    ops.min.forwards(OPS, "/approve 17")
    ops.min.forwards(111, "@watchstander_bot restart web01")
    assert [event and event.kind for event in await ops.now()] == [EventKind.OVERHEARD] * 2


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_said_is_nothing(text: str) -> None:
    assert reading.translate(_message(text=text)) is None


def test_a_caption_may_speak_but_not_command() -> None:
    raw = _message(caption="/approve 17", photo=[])
    del raw["update"]["message"]["text"]
    assert _kind(raw) is EventKind.OVERHEARD
    mention = {"type": "mention", "offset": 0, "length": 17}
    raw["update"]["message"] |= {
        "caption": "@watchstander_bot what is this?",
        "caption_entities": [mention],
    }
    event = reading.translate(raw)
    assert event is not None and (event.kind, event.text) == (EventKind.WORDS, "what is this?")


async def test_a_press_carries_the_token_and_the_callback(ops: Room) -> None:
    number = ops.min.says(OPS, "a card stands here")
    callback = ops.min.press_raw(OPS, number, "T0k3n-from-anywhere")
    event = await ops.last()
    assert event == Event(
        kind=EventKind.BUTTON,
        room=RoomAddress("telegram", "", str(OPS)),
        speaker=Speaker("telegram", "", "111"),
        button="T0k3n-from-anywhere",
        message=str(number),
        room_name="ops",
        context={"message": number, "callback": callback},
    )


def test_presses_that_are_not_ours_are_nothing() -> None:
    query = {"id": "1", "from": {"id": 111}, "inline_message_id": "x", "data": "t"}
    assert (
        reading.translate({"bot": BOT, "update": {"update_id": 1, "callback_query": query}}) is None
    )
    game = {
        "id": "1",
        "from": {"id": 111},
        "message": {"message_id": 1, "chat": {"id": 1, "type": "private"}},
        "game_short_name": "x",
    }
    assert (
        reading.translate({"bot": BOT, "update": {"update_id": 1, "callback_query": game}}) is None
    )


async def test_a_group_that_becomes_a_supergroup_has_moved(ops: Room) -> None:
    ops.tg.migrate(OPS, -100777)
    moved, rest = await ops.now()
    assert moved is not None and moved.kind is EventKind.MOVED
    assert (moved.room.address, moved.text) == (str(OPS), "-100777")
    assert rest is None


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 1, "message": None},
        {"update_id": 1, "message": {"text": "x"}},
        {"update_id": 1, "message": {"message_id": "?", "chat": {"id": "x"}, "text": "x"}},
        {"update_id": 1, "callback_query": {"data": "x", "message": {}}},
        {"message_reaction": {}},
        ["update"],
        "update",
        None,
    ],
)
def test_poison_raises_and_has_a_stable_id(update: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        reading.translate({"bot": BOT, "update": update})
    assert reading.delivery_id(1, update) == reading.delivery_id(1, update)
    assert reading.lane(update) in ("", "x")


def test_ids_that_are_no_numbers_are_told_apart_by_content() -> None:
    first = reading.delivery_id(1, {"update_id": True, "x": 1})
    assert first != reading.delivery_id(1, {"update_id": True, "x": 2})
    assert first.startswith("1:sha256:")
    assert reading.delivery_id(1, {"update_id": 5}) != reading.delivery_id(2, {"update_id": 5})
