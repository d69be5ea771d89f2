"""Our platform beside the double: a real inbox, time the test moves, and the web server's part."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.platforms.port import Draft
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.settings import TelegramSettings
from handlers.card import Card
from handlers.inbound import Event, RoomAddress
from storage import inbox
from storage.database import Database
from tests.doubles.telegram import TelegramDouble

COMMANDS = {
    "en": [("approve", "Approve an action"), ("status", "What is going on")],
    "ko": [("approve", "작업 승인"), ("status", "현재 상태")],
    "zh-TW": [("approve", "核准作業"), ("status", "目前狀態")],
}
SECRET = "s3cret-_OK"


class Naps:
    """A sleep that lasts until the test ends it."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._open: list[asyncio.Event] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        over = asyncio.Event()
        self._open.append(over)
        await over.wait()

    def end(self) -> None:
        """Everybody who sleeps wakes up."""
        for over in self._open:
            over.set()
        self._open.clear()


class Now:
    """Monotonic seconds that the test moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


class Keeper:
    """Hands deliveries to the real inbox; ``broken`` makes it fail as a full disk does."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.broken = False

    async def __call__(
        self, source: str, delivery_id: str, body: Mapping[str, Any], lane: str
    ) -> bool:
        if self.broken:
            raise OSError("disk full")
        async with self._db.write() as tx:
            return await inbox.keep(tx, source, delivery_id, dict(body), lane) is not None

    async def kept(self) -> list[inbox.Delivery]:
        async with self._db.read() as tx:
            return await inbox.waiting(tx, 1000)


@asynccontextmanager
async def running(
    tg: TelegramDouble,
    db: Database,
    *,
    naps: Naps | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    **settings: Any,
) -> AsyncIterator[TelegramPlatform]:
    """The platform, started, with the double as its Telegram."""
    values = {"token": tg.token, "api_url": tg.api_url, "poll_seconds": 5} | settings
    platform = TelegramPlatform(
        TelegramSettings(**values), COMMANDS, sleep=naps or asyncio.sleep, monotonic=monotonic
    )
    await platform.start(Keeper(db))
    try:
        yield platform
    finally:
        await platform.stop()


@asynccontextmanager
async def web_server() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What bot/web.py does for the webhook: (its address, a place to put the platform in)."""
    place: dict[str, Any] = {}

    async def take(request: web.Request) -> web.Response:
        status = place["platform"].knock(request.headers)
        if status == 200:
            status = await place["platform"].http(await request.read(), request.headers)
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/telegram/webhook", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/telegram/webhook", place
    finally:
        await runner.cleanup()


async def events(platform: TelegramPlatform, keeper: Keeper) -> list[Event | None]:
    """Everything kept so far, as events."""
    return [platform.translate(delivery.body) for delivery in await keeper.kept()]


def room(chat: int) -> RoomAddress:
    return RoomAddress("telegram", "", str(chat))


def draft(card: Card | str, *, doubt: bool = False, **context: Any) -> Draft:
    shown = Card(text=card) if isinstance(card, str) else card
    return Draft(1, {"en": shown, "ko": shown, "zh-TW": shown}, "en", context, doubt)
