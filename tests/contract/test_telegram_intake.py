"""Deliveries reach the inbox before Telegram hears that they arrived: polling and webhook."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.platforms.port import SendRefused, Turn
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.settings import TelegramSettings
from bot.roles import NotOurTurn
from prompts.texts import say
from storage.database import Database
from tests.doubles.telegram import Dropped, Fail, LostReply, Refuse, TelegramDouble, TooMany
from tests.doubles.telegram_rig import (
    COMMANDS,
    Keeper,
    Naps,
    Now,
    draft,
    events,
    room,
    running,
    web_server,
)

OPS = -1001

_LIBRARY = """
import asyncio, sys
from telegram import Bot
from telegram.ext import ApplicationBuilder, MessageHandler

async def handle(update, context):
    print("handler begins", flush=True)
    await asyncio.Event().wait()  # killed here, before anything is stored

app = ApplicationBuilder().token(sys.argv[1]).base_url(sys.argv[2]).build()
app.add_handler(MessageHandler(None, handle))
app.run_polling(timeout=5, stop_signals=None)
"""

_OURS = """
import asyncio, sys
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.settings import TelegramSettings

async def keep(*delivery):
    print("handler begins", flush=True)
    await asyncio.Event().wait()  # killed here, before anything is stored

async def main():
    settings = TelegramSettings(token=sys.argv[1], api_url=sys.argv[2], poll_seconds=5)
    await TelegramPlatform(settings, {}).start(keep)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def tg() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        double.group(OPS, "ops")
        yield double


@pytest.fixture
def keeper(db: Database) -> Keeper:
    return Keeper(db)


async def _killed_before_storing(program: str, tg: TelegramDouble) -> None:
    """Run a receiver, give it one message, SIGKILL it when it was about to store it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, tg.token, tg.api_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await tg.until(lambda: tg.updates.polls, 20)
        tg.user(111, "min").says(OPS, "restart web01")
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"handler begins\n"
        if program is _LIBRARY:
            # It asks for more while its handler still works: that confirms the message.
            await tg.until(lambda: len(tg.updates.polls) > 1 and not tg.updates.pending)
    finally:
        process.kill()
        await process.wait()


async def test_the_librarys_updater_loses_a_message_across_a_kill(tg: TelegramDouble) -> None:
    await _killed_before_storing(_LIBRARY, tg)

    assert tg.updates.pending == []  # nobody stored it, and Telegram will not send it again


async def test_ours_does_not(tg: TelegramDouble, db: Database, keeper: Keeper) -> None:
    await _killed_before_storing(_OURS, tg)
    assert len(tg.updates.pending) == 1

    async with running(tg, db) as platform:
        await tg.until(lambda: not tg.updates.pending)
        [event] = await events(platform, keeper)

    assert event is not None and event.text == "restart web01"


async def test_a_row_is_committed_before_the_next_getupdates(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    async with running(tg, db):
        number = tg.updates.push({"message": {"chat": {"id": 5}}})
        await tg.until(lambda: number + 1 in tg.updates.offsets)
        kept = await keeper.kept()

    assert [(d.source, d.delivery_id, d.lane) for d in kept] == [
        ("telegram", f"110201543:{number}", "5")
    ]
    assert kept[0].body["update"]["update_id"] == number


async def test_nothing_is_confirmed_while_the_store_is_away(
    tg: TelegramDouble, db: Database
) -> None:
    naps, keeper = Naps(), Keeper(db)
    keeper.broken = True
    settings = TelegramSettings(token=tg.token, api_url=tg.api_url)
    platform = TelegramPlatform(settings, COMMANDS, sleep=naps)
    await platform.start(keeper)
    try:
        tg.user(111).says(OPS, "hello")
        await tg.until(lambda: naps.asked == [1.0])
        assert "could not be kept (OSError: disk full)" in say(platform.health().detail, "en")
        naps.end()
        await tg.until(lambda: naps.asked == [1.0, 2.0])
        assert len(tg.updates.pending) == 1
        keeper.broken = False
        naps.end()
        await tg.until(lambda: not tg.updates.pending)
        assert platform.health().ok
    finally:
        await platform.stop()
    assert len(await keeper.kept()) == 1


async def test_repeats_are_one_row_and_order_is_kept(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    min_ = tg.user(111)
    tg.updates.hold()
    tg.updates.repeat_next(4)
    for word in ("one", "two", "three"):
        min_.says(OPS, word)
    tg.updates.release(backwards=True)

    async with running(tg, db) as platform:
        await tg.until(lambda: not tg.updates.pending)
        texts = [event.text for event in await events(platform, keeper) if event]

    assert texts == ["three", "two", "one"]


async def test_the_batch_of_a_lost_reply_comes_again_once(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    tg.user(111).says(OPS, "hello")
    tg.faults.next("getUpdates", LostReply(), Fail(502), Dropped())
    naps = Naps()
    async with running(tg, db, naps=naps) as platform:
        for failures in (1, 2, 3):
            await tg.until(lambda f=failures: len(naps.asked) == f)
            assert "cannot reach Telegram" in say(platform.health().detail, "en")
            assert not platform.health().ok
            naps.end()
        await tg.until(lambda: not tg.updates.pending)

    assert naps.asked[:3] == [1.0, 2.0, 4.0]
    assert len(await keeper.kept()) == 1


async def test_ids_that_begin_anew_lower_are_not_lost(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    async with running(tg, db, poll_seconds=1) as platform:
        tg.user(111).says(OPS, "before")
        # The offset is sent once; the poll after that is open to any id.
        await tg.until(lambda: tg.updates.offsets[-2:] == [1001, None])
        tg.updates.restart_ids(at=7)
        tg.user(111).says(OPS, "after a quiet week")
        await tg.until(lambda: 8 in tg.updates.offsets)
        texts = [event.text for event in await events(platform, keeper) if event]

    assert texts == ["before", "after a quiet week"]


async def test_poison_is_kept_and_holds_up_nobody(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    tg.poison()
    tg.updates.push({"message": {"text": "\ud800 broken", "chat": {"id": 1}}})
    tg.user(111).says(OPS, "still here")
    async with running(tg, db) as platform:
        await tg.until(lambda: not tg.updates.pending)
        kept = await keeper.kept()
        with pytest.raises((KeyError, TypeError, ValueError)):
            platform.translate(kept[0].body)
        event = platform.translate(kept[2].body)

    assert event is not None and event.text == "still here"


async def test_an_update_without_an_id_makes_no_hot_loop(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    tg.updates.push_raw({"message": "?"})
    tg.updates.push_raw(["not even an object"])
    naps = Naps()
    async with running(tg, db, naps=naps):
        await tg.until(lambda: naps.asked)
        assert len(tg.updates.polls) <= 3
        naps.end()
        await tg.until(lambda: len(naps.asked) == 2)

    assert naps.asked == [4.0, 8.0]
    assert len(await keeper.kept()) == 2


async def test_a_server_that_does_not_wait_makes_no_hot_loop(
    tg: TelegramDouble, db: Database
) -> None:
    naps = Naps()
    # By this clock every answer comes at once, and it is empty.
    async with running(tg, db, naps=naps, monotonic=Now(), poll_seconds=1):
        await tg.until(lambda: naps.asked)
        polls = len(tg.updates.polls)
        naps.end()
        await tg.until(lambda: len(tg.updates.polls) == polls + 1)
    assert naps.asked[0] == 1.0


async def test_a_second_poller_is_told_and_we_slow_down(tg: TelegramDouble, db: Database) -> None:
    naps = Naps()
    async with running(tg, db, naps=naps) as platform:
        await tg.until(lambda: tg.updates.polls)
        async with aiohttp.ClientSession() as other:
            await other.post(f"{tg.api_url}{tg.token}/getUpdates", data={"timeout": 0})
        await tg.until(lambda: naps.asked)
        assert "another program receives with this bot's token" in say(
            platform.health().detail, "en"
        )
        naps.end()
        await tg.until(lambda: platform.health().ok or tg.updates.polls[2:])

    assert naps.asked[0] == 10.0


async def test_retry_after_is_obeyed_while_polling(tg: TelegramDouble, db: Database) -> None:
    tg.faults.next("getUpdates", TooMany(17))
    naps = Naps()
    async with running(tg, db, naps=naps):
        await tg.until(lambda: naps.asked)
    assert naps.asked == [17.0]


async def test_the_start_survives_that_telegram_is_away(
    tg: TelegramDouble, db: Database, keeper: Keeper
) -> None:
    tg.faults.next("getMe", Dropped(), Fail(500))
    tg.user(111).says(OPS, "hello")
    naps = Naps()
    async with running(tg, db, naps=naps) as platform:
        assert not platform.health().ok
        await tg.until(lambda: naps.asked or tg.updates.polls)
        naps.end()
        await tg.until(lambda: not tg.updates.pending)
        assert platform.health().ok
    assert not platform.health().ok
    assert len(await keeper.kept()) == 1


async def test_a_refused_token_is_said_at_the_start_without_the_token(
    tg: TelegramDouble, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "110201543:CANARY-CANARY-CANARY"
    platform = TelegramPlatform(TelegramSettings(token=canary, api_url=tg.api_url), COMMANDS)
    with pytest.raises(SendRefused, match="@BotFather") as refused:
        await platform.start(Keeper(db))
    assert "CANARY" not in str(refused.value)
    assert "CANARY" not in caplog.text


async def test_the_token_reaches_no_log(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    canary = "110201543:CANARY-CANARY-CANARY"
    caplog.set_level(logging.DEBUG)
    async with TelegramDouble(canary) as tg, web_server() as (url, place):
        tg.faults.next("getMe", Dropped())
        tg.faults.next("setWebhook", Refuse(401, f"Unauthorized {canary}"))
        naps = Naps()
        async with running(
            tg, db, naps=naps, mode="webhook", webhook_url=url, webhook_secret="CANARY"
        ) as platform:
            place["platform"] = platform
            for _ in range(2):
                await tg.until(lambda: naps.asked)
                assert "CANARY" not in say(platform.health().detail, "en")
                naps.asked.clear()
                naps.end()
            await tg.until(lambda: tg.updates.webhook["url"])
            caplog.set_level(logging.DEBUG, "")  # somebody turns everything on while it runs
            tg.group(OPS)
            await platform.post(room(OPS), draft("hello"))
            assert "CANARY" not in repr(platform._settings)
    assert "next try" in caplog.text
    assert "CANARY" not in caplog.text


async def test_the_menu_is_registered_in_three_languages(tg: TelegramDouble, db: Database) -> None:
    async with running(tg, db):
        await tg.until(lambda: tg.updates.polls)
    for scope in ("default", "all_private_chats", "all_group_chats"):
        assert tg.commands("", scope) == COMMANDS["en"]
        assert tg.commands("ko", scope) == COMMANDS["ko"]
        assert tg.commands("zh", scope) == COMMANDS["zh-TW"]


async def test_a_menu_that_is_not_taken_stops_nothing(tg: TelegramDouble, db: Database) -> None:
    tg.faults.next("setMyCommands", Fail(500))
    async with running(tg, db) as platform:
        await tg.until(lambda: tg.updates.polls)
        assert platform.health().ok
        assert "commands not registered" in say(platform.health().detail, "en")


@pytest.mark.parametrize("name", ["Approve", "a-b", "", "x" * 33, "승인"])
def test_a_menu_telegram_would_refuse_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="telegram command"):
        TelegramPlatform(TelegramSettings(token="1:abc"), {"en": [(name, "x")]})


async def test_who_lost_its_turn_in_the_middle_of_a_poll_is_well(
    tg: TelegramDouble, keeper: Keeper
) -> None:
    """The poll of whoever takes over ends ours with a conflict, which is no trouble of ours."""
    ours = True

    async def taken_over(source: str, delivery_id: str, body: object, lane: str) -> bool:
        nonlocal ours
        ours = False
        raise NotOurTurn("telegram: another process has taken over")

    settings = TelegramSettings(token=tg.token, api_url=tg.api_url, poll_seconds=1)
    turn = Turn(lambda: ours, taken_over)
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(0.01)

    platform = TelegramPlatform(settings, COMMANDS, turn, sleep=nap)
    await platform.start(keeper)
    try:
        tg.user(111).says(OPS, "hello")
        await tg.until(lambda: len(naps) > 2)
        assert "another process" in say(platform.health().detail, "en")
        assert platform.health().ok
        assert len(tg.updates.pending) == 1
    finally:
        await platform.stop()


async def test_privacy_mode_is_told_in_health(db: Database) -> None:
    async with TelegramDouble(privacy=True) as tg, running(tg, db) as platform:
        assert "privacy mode" in say(platform.health().detail, "en")
        assert platform.health().ok


async def test_stop_finishes_what_is_being_stored(tg: TelegramDouble, db: Database) -> None:
    begun, go, kept = asyncio.Event(), asyncio.Event(), []

    async def slow(source: str, delivery_id: str, body: object, lane: str) -> bool:
        begun.set()
        await go.wait()
        kept.append(delivery_id)
        return True

    platform = TelegramPlatform(TelegramSettings(token=tg.token, api_url=tg.api_url), COMMANDS)
    await platform.start(slow)
    tg.user(111).says(OPS, "hello")
    await begun.wait()
    stopping = asyncio.create_task(platform.stop())
    go.set()
    await stopping
    assert len(kept) == 1
