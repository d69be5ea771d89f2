"""The real Slack platform and the real inbox, joined to the Slack double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.platforms.port import Draft
from bot.platforms.slack.platform import SlackPlatform
from bot.platforms.slack.settings import SlackSettings
from handlers.card import Card
from handlers.inbound import Event, RoomAddress
from storage import inbox
from storage.database import Database
from tests.doubles.slack import SlackDouble

ROOM = RoomAddress("slack", "T1", "C1")


@dataclass
class Kept:
    """``keep`` on the real inbox; ``broken`` makes it fail as a full disk would."""

    db: Database
    broken: bool = False
    before: Callable[[], Awaitable[Any]] | None = None  #: awaited before each row is written
    answers: list[bool] = field(default_factory=list)  #: True: new, False: kept before

    async def __call__(
        self, source: str, delivery_id: str, raw: Mapping[str, Any], lane: str
    ) -> bool:
        if self.before is not None:
            await self.before()
        if self.broken:
            raise OSError("no space left on device")
        async with self.db.write() as tx:
            new = await inbox.keep(tx, source, delivery_id, dict(raw), lane) is not None
        self.answers.append(new)
        return new

    async def rows(self) -> list[inbox.Delivery]:
        async with self.db.read() as tx:
            return await inbox.waiting(tx, 1000)


@dataclass
class Rig:
    """One platform at one double."""

    slack: SlackDouble
    platform: SlackPlatform
    keep: Kept

    async def events(self) -> list[Event]:
        """Everything kept so far that is something to act on, in order."""
        read = [self.platform.translate(row.body) for row in await self.keep.rows()]
        return [event for event in read if event is not None]

    async def event(self) -> Event:
        """The newest of them."""
        return (await self.events())[-1]


def settings(slack: SlackDouble, mode: str = "socket", **other: Any) -> SlackSettings:
    """Settings for the double; quick where waiting would only cost time."""
    known = SlackSettings(
        bot_token=slack.bot_token,
        app_token=slack.app_token,
        signing_secret=slack.signing_secret,
        mode=mode,
        api_url=slack.api_url,
        per_room_interval=0,
        watchdog_interval=3600,  # a test asks for a look itself
    )
    return replace(known, **other)


@asynccontextmanager
async def rig(
    db: Database,
    mode: str,
    *,
    clocks: Mapping[str, Callable[[], float]] | None = None,
    **other: Any,
) -> AsyncIterator[Rig]:
    """A started platform in one workspace: C1 with U1 and U2 and the bot."""
    async with SlackDouble() as slack:
        slack.channel("C1", "ops", members=["U1", "U2"])
        slack.user("U1", "kim")
        slack.user("U2", "lin")
        platform = SlackPlatform(settings(slack, mode, **other), **(clocks or {}))
        if mode == "http":
            slack.deliver_to(platform.http)
        keep = Kept(db)
        await platform.start(keep)
        try:
            yield Rig(slack, platform, keep)
        finally:
            await platform.stop()


def draft(card: Card, number: int = 1, **more: Any) -> Draft:
    """A draft of one card in English."""
    language = more.pop("language", "en")
    return Draft(number, {language: card}, language, **more)
