"""F9 towards the rooms: lines that swallow everything without closing, and rooms that never end."""

from __future__ import annotations

import asyncio
import contextlib
import time

from bot.platforms.slack.platform import SlackPlatform
from prompts.texts import say
from storage.database import Database
from tests.doubles.line import Line
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_rig import Kept, Rig, settings
from tests.doubles.telegram import TelegramDouble
from tests.doubles.telegram_rig import Keeper, running

OPS = -1001
QUICK = {
    "ping_interval": 0.1,
    "silence_limit": 0.6,
    "watchdog_interval": 0.1,
    "connect_timeout": 1.0,
    "call_timeout": 1.0,
    "drain_timeout": 0.3,
}
"""A fiftieth of the shipped patience; what it adds up to must stay below a fiftieth of a minute."""


async def test_slack_half_open_comes_back_and_takes_messages(db: Database) -> None:
    async with SlackDouble() as slack, Line(slack._port) as line:
        slack.channel("C1", members=["U1"])
        slack.url = f"http://127.0.0.1:{line.port}"
        platform = SlackPlatform(settings(slack, **QUICK))
        one = Rig(slack, platform, Kept(db))
        await platform.start(one.keep)
        try:
            await (await slack.user("U1").command("C1", "/status")).acknowledged()
            line.cut()
            await slack.until(lambda: not platform.health().ok, 3)
            # Still nobody there: it goes on trying, and does not pile up sockets.
            for _ in range(3):
                await asyncio.sleep(0.5)
                assert not platform.health().ok
            assert line.connections < 15
            line.mend()
            begun = time.monotonic()
            await slack.until(lambda: platform.health().ok, 5)
            assert time.monotonic() - begun < 3
            # The double still holds the dead sockets, as Slack does: only a new one is listened to.
            for dead in slack.sockets[:-1]:
                await dead.close()
            await slack.until(lambda: len(slack.sockets) == 1)
            await (await slack.user("U1").command("C1", "/status")).acknowledged()
        finally:
            await platform.stop()
    assert len(await one.keep.rows()) == 2


async def test_telegram_half_open_comes_back_and_takes_messages(db: Database) -> None:
    async with TelegramDouble() as tg:
        tg.group(OPS, "ops")
        port = int(tg.api_url.split(":")[2].partition("/")[0])
        async with Line(port) as line:
            direct, tg.api_url = tg.api_url, f"http://127.0.0.1:{line.port}/bot"
            async with running(tg, db, poll_seconds=1, patience_seconds=0.2) as platform:
                tg.user(111).says(OPS, "before")
                await tg.until(lambda: not tg.updates.pending)
                line.cut()
                await tg.until(lambda: not platform.health().ok)
                assert "cannot reach Telegram" in say(platform.health().detail, "en")
                tg.user(111).says(OPS, "during")
                line.mend()
                await tg.until(lambda: platform.health().ok and not tg.updates.pending)
            tg.api_url = direct
        kept = [row.body["update"]["message"]["text"] for row in await Keeper(db).kept()]
    assert kept == ["before", "during"]


async def test_an_answer_in_drops_is_no_answer(db: Database) -> None:
    """Each byte comes in time, the whole never: no limit on silence notices that."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        TelegramDouble() as tg,
        running(tg, db, poll_seconds=1, patience_seconds=0.2) as platform,
    ):
        platform._calls.bot._base_url = f"http://127.0.0.1:{port}/bot{tg.token}"
        await tg.until(lambda: not platform.health().ok)
        assert "no whole answer" in say(platform.health().detail, "en")
    server.close()
    await asyncio.sleep(0.1)  # its last drop finds the line closed
