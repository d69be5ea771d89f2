"""The double is as strict as Telegram: a bot that breaks a limit is caught by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.doubles.telegram import Fail, LostReply, TelegramDouble, TooMany
from tests.doubles.telegram_faults import Pace
from tests.doubles.telegram_markup import BadMarkup, live, parse_html

OPS = -1001


class Client:
    """Calls the API as any program would."""

    def __init__(self, tg: TelegramDouble, session: aiohttp.ClientSession) -> None:
        self._tg = tg
        self._session = session

    async def __call__(self, method: str, **fields: Any) -> dict[str, Any]:
        url = f"{self._tg.api_url}{self._tg.token}/{method}"
        async with self._session.post(url, json=fields) as reply:
            body: dict[str, Any] = await reply.json()
            return body | {"status": reply.status}


@pytest.fixture
async def tg() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        double.group(OPS)
        yield double


@pytest.fixture
async def call(tg: TelegramDouble) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(tg, session)


def _keys(*data: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "x", "callback_data": d} for d in data]]}


@pytest.mark.parametrize(
    ("fields", "said", "violation"),
    [
        ({"text": ""}, "message text is empty", False),
        ({"text": " \n "}, "message text is empty", False),
        ({"text": "x" * 4097}, "message is too long", True),
        ({"text": "😀" * 2049}, "message is too long", True),
        ({"text": "<b>x", "parse_mode": "HTML"}, "can't parse entities", False),
        ({"text": "x", "parse_mode": "Markdown"}, "unsupported parse_mode", False),
        ({"text": "x", "reply_markup": _keys("d" * 65)}, "BUTTON_DATA_INVALID", True),
        ({"text": "x", "reply_markup": _keys("가" * 22)}, "BUTTON_DATA_INVALID", True),
        ({"text": "x", "reply_markup": _keys("")}, "BUTTON_DATA_INVALID", True),
        ({"text": "x", "reply_markup": _keys(*["d"] * 9)}, "REPLY_MARKUP_TOO_LONG", True),
        ({"text": "x", "reply_parameters": {"message_id": 5}}, "message to be replied", False),
        ({"text": "x", "message_thread_id": 5}, "message thread not found", False),
        ({"text": "x", "chat_id": -9}, "chat not found", False),
    ],
)
async def test_messages_over_a_limit_are_refused(
    tg: TelegramDouble, call: Client, fields: dict[str, Any], said: str, violation: bool
) -> None:
    reply = await call("sendMessage", **({"chat_id": OPS} | fields))
    assert (reply["ok"], reply["status"]) == (False, 400)
    assert said in reply["description"]
    assert bool(tg.violations) is violation


async def test_entities_do_not_count_against_the_text(call: Client) -> None:
    text = f"<b>{'&lt;' * 4096}</b>"
    assert (await call("sendMessage", chat_id=OPS, text=text, parse_mode="HTML"))["ok"]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("<x>y</x>", 'Unsupported start tag "x"'),
        ("가<x>", "at byte offset 3"),
        ("a < b", "Unclosed start tag"),
        ("</b>", "Unexpected end tag"),
        ("<b><i>x</b></i>", "Unmatched end tag"),
        ("<b>x", "Can't find end tag"),
        ('<a onclick="x">y</a>', "Unsupported start tag"),
    ],
)
def test_bad_html_is_refused_in_telegrams_words(source: str, error: str) -> None:
    with pytest.raises(BadMarkup, match=error):
        parse_html(source)


def test_html_is_read_as_telegram_reads_it() -> None:
    assert parse_html("&lt;b&gt; &amp;amp; &copy; &#65;")[0] == "<b> &amp; &copy; A"
    visible, entities = parse_html("see <b>a.example</b> <code>b.example @xy /y</code> @zed /w")
    assert sorted(live(visible, entities)) == [
        ("bot_command", "/w"),
        ("mention", "@zed"),
        ("url", "a.example"),
    ]


async def test_edits(tg: TelegramDouble, call: Client) -> None:
    message = (await call("sendMessage", chat_id=OPS, text="a"))["result"]["message_id"]
    place = {"chat_id": OPS, "message_id": message}
    assert "not modified" in (await call("editMessageText", **place, text="a"))["description"]
    assert (await call("editMessageText", **place, text="b"))["ok"]
    assert (await call("editMessageReplyMarkup", **place, reply_markup=_keys("t")))["ok"]
    assert tg.cards(OPS)[0].text == "b" and tg.cards(OPS)[0].buttons == ["x"]
    assert (await call("deleteMessage", **place))["ok"]
    gone = await call("editMessageText", **place, text="c")
    assert gone["description"] == "Bad Request: message to edit not found"


async def test_a_press_is_answered_once_and_in_time(tg: TelegramDouble, call: Client) -> None:
    await call("sendMessage", chat_id=OPS, text="a", reply_markup=_keys("t"))
    card = tg.cards(OPS)[0]
    callback = tg.user(1).press(OPS, card.id, "x")
    long = await call("answerCallbackQuery", callback_query_id=callback, text="x" * 201)
    assert not long["ok"] and tg.violations
    assert (await call("answerCallbackQuery", callback_query_id=callback, text="hi"))["ok"]
    again = await call("answerCallbackQuery", callback_query_id=callback)
    assert "query is too old" in again["description"]
    with pytest.raises(AssertionError, match="no button 'y'"):
        tg.user(1).press(OPS, card.id, "y")


async def test_updates_are_confirmed_by_the_next_offset_only(
    tg: TelegramDouble, call: Client
) -> None:
    tg.user(1).says(OPS, "a")
    tg.user(1).says(OPS, "b")
    first = (await call("getUpdates"))["result"]
    assert first == (await call("getUpdates", offset=first[0]["update_id"]))["result"]
    rest = (await call("getUpdates", offset=first[0]["update_id"] + 1))["result"]
    assert [u["message"]["text"] for u in rest] == ["b"]
    assert (await call("getUpdates", offset=-1))["result"] == rest


async def test_two_pollers_conflict_and_a_webhook_forbids_polling(
    tg: TelegramDouble, call: Client
) -> None:
    older = asyncio.create_task(call("getUpdates", timeout=10))
    await tg.until(lambda: tg.updates.polls)
    assert (await call("getUpdates", timeout=0))["ok"]
    assert "terminated by other getUpdates" in (await older)["description"]
    assert not (await call("setWebhook", url="http://example.com/x"))["ok"]
    await call("setWebhook", url="http://127.0.0.1:9/x")
    refused = await call("getUpdates")
    assert refused["status"] == 409 and "webhook is active" in refused["description"]
    assert (await call("getWebhookInfo"))["result"]["url"] == "http://127.0.0.1:9/x"
    await call("deleteWebhook")
    assert (await call("getUpdates"))["ok"]


async def test_faults_happen_once(tg: TelegramDouble, call: Client) -> None:
    tg.faults.next("sendMessage", TooMany(3), LostReply())
    tg.faults.next("getMe", Fail(500))
    limited = await call("sendMessage", chat_id=OPS, text="a")
    assert limited["parameters"] == {"retry_after": 3}
    with pytest.raises(aiohttp.ClientError):
        await call("sendMessage", chat_id=OPS, text="b")
    with pytest.raises(aiohttp.ClientError):
        await call("getMe")
    assert (await call("getMe"))["result"]["username"] == "watchstander_bot"
    assert [shown.text for shown in tg.cards(OPS)] == ["b"]
    assert (await call("noSuchMethod"))["status"] == 404


async def test_a_moved_group_names_its_new_id(tg: TelegramDouble, call: Client) -> None:
    tg.migrate(OPS, -100777)
    reply = await call("sendMessage", chat_id=OPS, text="a")
    assert reply["parameters"] == {"migrate_to_chat_id": -100777}
    kinds = [
        set(u["message"]) & {"migrate_to_chat_id", "migrate_from_chat_id"}
        for u in tg.updates.pending
    ]
    assert kinds == [{"migrate_to_chat_id"}, {"migrate_from_chat_id"}]


async def test_privacy_mode_hides_talk() -> None:
    async with TelegramDouble(privacy=True) as tg:
        tg.group(OPS)
        for text in ("talk", "/status", "@watchstander_bot hello"):
            tg.user(1).says(OPS, text)
        assert [u["message"]["text"] for u in tg.updates.pending] == [
            "/status",
            "@watchstander_bot hello",
        ]


def test_pace_sees_each_limit() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert [pace.note(5) for _ in range(13)] == [None] * 13  # a burst
    assert "sustained" in (pace.note(5) or "")
    now[0] = 100.0
    said = [pace.note(chat) for chat in range(31)]
    assert said[-1] == "more than 30 messages in a second" and not any(said[:-1])
    now[0] = 200.0
    for _ in range(21):
        now[0] += 1.5
        assert pace.note(OPS) is None
    assert "a minute" in (pace.note(OPS) or "")


async def test_commands_have_rules(call: Client) -> None:
    menu = [{"command": "Bad", "description": "x"}]
    assert "BOT_COMMAND_INVALID" in (await call("setMyCommands", commands=menu))["description"]
    menu = [{"command": "good", "description": ""}]
    assert "DESCRIPTION" in (await call("setMyCommands", commands=menu))["description"]
    menu = [{"command": "good", "description": "x"}]
    assert (await call("setMyCommands", commands=menu, language_code="ko"))["ok"]
    assert (await call("getMyCommands", language_code="ko"))["result"] == menu
    assert not (await call("setMyCommands", commands=menu, language_code="zh-TW"))["ok"]
