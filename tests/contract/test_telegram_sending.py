"""Cards into chats: posts, edits, answers to presses, and what each error means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.platforms.port import SendGone, SendRefused, SendRetry
from bot.platforms.telegram.budget import Budget
from bot.platforms.telegram.platform import TelegramPlatform
from handlers.card import Button, Card, Tone
from handlers.inbound import EventKind, RoomAddress
from storage.database import Database
from tests.doubles.telegram import (
    Dropped,
    Fail,
    LostReply,
    Refuse,
    TelegramDouble,
    TooMany,
)
from tests.doubles.telegram_rig import Keeper, Naps, Now, draft, events, room, running

OPS = -1001
CARD = Card(
    title="17 server_restart",
    tone=Tone.WAITING,
    code="systemctl restart nginx",
    buttons=(Button("Approve", "tok-a", "good"), Button("Reject", "tok-r", "danger", True)),
)
LONG = Card(title="Output", code="line\n" * 2000, overflow_name="web01.log")


@pytest.fixture
async def tg() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        double.group(OPS, "ops", forum=True)
        yield double
        assert double.violations == []


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def platform(tg: TelegramDouble, db: Database, naps: Naps) -> AsyncIterator[TelegramPlatform]:
    async with running(tg, db, naps=naps) as started:
        yield started


async def test_a_card_is_posted_with_its_buttons(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    message = await platform.post(room(OPS), draft(CARD))
    [shown] = tg.cards(OPS)
    assert message == str(shown.id)
    assert shown.text == "⏳ 17 server_restart\nsystemctl restart nginx"
    assert [(key.label, key.data) for key in shown.rows[0]] == [
        ("Approve", "tok-a"),
        ("Reject", "tok-r"),
    ]
    assert not shown.preview


async def test_an_answer_replies_in_its_topic(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    asked = tg.user(111).says(OPS, "/status", thread=5)
    await platform.post(room(OPS), draft("fine", message=asked, thread=5))
    [shown] = tg.cards(OPS)
    assert (shown.reply_to, shown.thread) == (asked, 5)
    tg.delete(OPS, asked)
    await platform.post(room(OPS), draft("fine", message=asked))
    assert tg.cards(OPS)[-1].reply_to is None


async def test_a_topic_that_is_gone_does_not_stop_the_answer(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    tg.state.chats[OPS].forum = False
    await platform.post(room(OPS), draft("fine", thread=5))
    assert tg.cards(OPS)[0].thread is None


async def test_an_edit_rewrites_text_and_buttons(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    message = await platform.post(room(OPS), draft(CARD))
    done = Card(title="17 server_restart", tone=Tone.GOOD, text="Approved by kim")
    assert await platform.edit(room(OPS), message, draft(done)) == message
    assert await platform.edit(room(OPS), message, draft(done)) == message  # nothing to change
    [shown] = tg.cards(OPS)
    assert (shown.text, shown.buttons, shown.edits) == (
        "✅ 17 server_restart\nApproved by kim",
        [],
        1,
    )


async def test_what_does_not_fit_is_a_file_once(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    message = await platform.post(room(OPS), draft(LONG))
    await platform.edit(room(OPS), message, draft(Card(**{**vars(LONG), "title": "Again"})))
    card, file = tg.cards(OPS)
    assert card.text.startswith("Again\n") and "web01.log" in card.text
    assert file.file == ("web01.log", LONG.code.strip("\n"))
    assert file.reply_to == card.id
    await platform.edit(room(OPS), message, draft(Card(code="other\n" * 2000)))
    assert len(tg.cards(OPS)) == 3


async def test_a_file_that_fails_does_not_repeat_the_message(
    tg: TelegramDouble, platform: TelegramPlatform, naps: Naps
) -> None:
    tg.faults.next("sendDocument", TooMany(3), Fail(502))
    posting = asyncio.create_task(platform.post(room(OPS), draft(LONG)))
    await tg.until(lambda: 3.0 in naps.asked)
    naps.end()
    await tg.until(lambda: naps.asked[-1] == 2.0)
    naps.end()
    await posting
    assert len(tg.called("sendMessage")) == 1
    assert [bool(shown.file) for shown in tg.cards(OPS)] == [False, True]


async def test_a_refused_file_leaves_the_message(
    tg: TelegramDouble, platform: TelegramPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    tg.faults.next("sendDocument", Refuse(400, "Bad Request: not enough rights to send documents"))
    await platform.post(room(OPS), draft(LONG))
    assert len(tg.cards(OPS)) == 1
    assert "not enough rights to send documents" in caplog.text


async def test_markup_that_telegram_refuses_goes_as_plain_text_without_links(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    wrong = Refuse(400, "Bad Request: can't parse entities: Unsupported start tag at byte offset 0")
    tg.faults.next("sendMessage", wrong)
    message = await platform.post(room(OPS), draft("see https://evil.example/x <b> 😀 @admin"))
    tg.faults.next("editMessageText", wrong)
    await platform.edit(room(OPS), message, draft("now https://evil.example/y <b> 😀"))
    [shown] = tg.cards(OPS)
    assert shown.text == "now https://evil.example/y <b> 😀"
    assert shown.links == []
    assert tg.called("sendMessage")[1].get("parse_mode") is None


@pytest.mark.parametrize(
    ("fault", "doubt"),
    [(Fail(502), True), (LostReply(), True), (Dropped(), True), (TooMany(7), False)],
)
async def test_what_may_have_arrived_is_said(
    tg: TelegramDouble, platform: TelegramPlatform, fault: object, doubt: bool
) -> None:
    tg.faults.next("sendMessage", fault)  # type: ignore[arg-type]
    with pytest.raises(SendRetry) as retry:
        await platform.post(room(OPS), draft("hello"))
    assert retry.value.doubt is doubt
    assert retry.value.delay == (7.0 if isinstance(fault, TooMany) else 2.0)
    assert tg.token not in str(retry.value)


async def test_an_edit_is_never_in_doubt(tg: TelegramDouble, platform: TelegramPlatform) -> None:
    message = await platform.post(room(OPS), draft("one"))
    tg.faults.next("editMessageText", LostReply())
    with pytest.raises(SendRetry) as retry:
        await platform.edit(room(OPS), message, draft("two"))
    assert not retry.value.doubt


async def test_no_connection_is_no_doubt(db: Database) -> None:
    async with TelegramDouble() as tg:
        tg.group(OPS)
        platform_at = running(tg, db, naps=Naps())
        platform = await platform_at.__aenter__()
    with pytest.raises(SendRetry) as retry:
        await platform.post(room(OPS), draft("hello"))
    assert not retry.value.doubt
    await platform_at.__aexit__(None, None, None)


async def test_a_chat_told_to_wait_is_left_alone(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    tg.group(-1002)
    tg.faults.next("sendMessage", TooMany(60))
    with pytest.raises(SendRetry):
        await platform.post(room(OPS), draft("one"))
    with pytest.raises(SendRetry) as retry:
        await platform.post(room(OPS), draft("two"))
    assert 50 < retry.value.delay <= 60
    assert len(tg.called("sendMessage")) == 1
    await platform.post(room(-1002), draft("three"))


async def test_a_message_out_of_reach_is_gone(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    message = await platform.post(room(OPS), draft("one"))
    tg.delete(OPS, int(message))
    with pytest.raises(SendGone):
        await platform.edit(room(OPS), message, draft("two"))
    theirs = tg.user(111).says(OPS, "mine")
    with pytest.raises(SendGone):
        await platform.edit(room(OPS), str(theirs), draft("two"))
    with pytest.raises(SendGone):
        await platform.edit(room(OPS), "1.5", draft("two"))


async def test_a_chat_that_is_closed_refuses(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    with pytest.raises(SendRefused, match="chat not found"):
        await platform.post(room(-5), draft("hello"))
    with pytest.raises(SendRefused, match="no chat id"):
        await platform.post(RoomAddress("telegram", "", "@channel"), draft("hello"))
    tg.kick(OPS)
    with pytest.raises(SendRefused, match="kicked"):
        await platform.post(room(OPS), draft("hello"))
    tg.faults.next("sendMessage", Refuse(401, f"Unauthorized {tg.token}"))
    with pytest.raises(SendRefused) as refused:
        await platform.post(room(OPS), draft("hello"))
    assert tg.token not in str(refused.value)


async def test_a_group_that_moved_is_said_to_the_inbox_once(
    tg: TelegramDouble, db: Database
) -> None:
    now = Now()
    tg.migrate(OPS, -100777, announce=False)
    async with running(tg, db, naps=Naps(), monotonic=now) as platform:
        for _ in range(2):
            with pytest.raises(SendRetry):
                await platform.post(room(OPS), draft("hello"))
            now.time += 2
        [event] = await events(platform, Keeper(db))
        await platform.post(room(-100777), draft("hello"))
    assert len(tg.called("sendMessage")) == 3
    assert event is not None
    assert (event.kind, event.room, event.text) == (EventKind.MOVED, room(OPS), "-100777")


# -- limits


def test_a_group_gets_twenty_a_minute() -> None:
    now = Now()
    budget = Budget(30, 20, now)
    for _ in range(20):
        budget.take(OPS)
        now.time += 1
    with pytest.raises(SendRetry) as retry:
        budget.take(OPS)
    assert retry.value.delay == 40.0
    budget.take(-1002)
    for _ in range(25):
        budget.take(111)  # a private chat has no such limit
    now.time = 60.0
    budget.take(OPS)
    with pytest.raises(SendRetry):
        budget.take(OPS, 2)


def test_all_chats_together_get_thirty_a_second() -> None:
    now = Now()
    budget = Budget(30, 20, now)
    for user in range(30):
        budget.take(user)
    with pytest.raises(SendRetry) as retry:
        budget.take(31)
    assert retry.value.delay == 1.0
    now.time = 1.0
    budget.take(31)


def test_more_at_once_than_the_limit_still_goes_some_time() -> None:
    budget = Budget(1, 2, Now())
    budget.take(OPS, 2)


async def test_the_platform_keeps_to_the_group_limit(tg: TelegramDouble, db: Database) -> None:
    async with running(tg, db, per_minute_in_group=3) as platform:
        for number in range(3):
            await platform.post(room(OPS), draft(str(number)))
        with pytest.raises(SendRetry) as retry:
            await platform.post(room(OPS), draft("4"))
    assert 50 < retry.value.delay <= 60
    assert len(tg.called("sendMessage")) == 3
