"""A real database and a real Delivery; the room at the end is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from bot.delivery import Delivery, DeliverySettings
from bot.links import Links
from prompts.texts import text
from storage import inbox, outbox, rooms
from storage.database import Database
from tests.conftest import FakeClock
from tests.doubles.room_double import RoomDouble, Sent


async def keep(*_: object) -> bool:
    return True


async def until(check: Callable[[], object], seconds: float = 5.0) -> None:
    """Let the others run until it is so."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.002)


@dataclass
class Post:
    """The outgoing side, with one scripted room platform."""

    db: Database
    clock: FakeClock
    platform: RoomDouble
    links: Links
    delivery: Delivery = field(init=False)
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """A fresh Delivery, as after a start of the process."""
        self.delivery = Delivery(self.db, self.links, DeliverySettings())
        self._task = asyncio.create_task(self.delivery.serve())

    async def kill(self) -> None:
        """End it where it stands, sends under way included."""
        tasks = [self._task, *self.delivery._busy.values()]
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(t for t in tasks if t is not None), return_exceptions=True)

    async def room(self, address: str = "ops") -> int:
        async with self.db.write() as tx:
            return (await rooms.seen(tx, self.platform.name, "", address, "", "ko")).id

    async def say(self, *words: str, room: str = "ops") -> list[int]:
        where = await self.room(room)
        async with self.db.write() as tx:
            return [await outbox.say(tx, where, {"text": one}) for one in words]

    async def whisper(self, words: str, user: str = "U1", room: str = "ops") -> None:
        where = await self.room(room)
        async with self.db.write() as tx:
            await outbox.whisper(tx, where, {"text": words, "user": user, "language": "zh-TW"})

    async def form(self) -> None:
        where = await self.room()
        body = {
            "text": text("ask_reject_reason", id=1).to_json(),
            "fallback": text("reject_by_command", id=1).to_json(),
            "user": "U1",
            "token": "t" * 24,
            "language": "en",
        }
        async with self.db.write() as tx:
            await outbox.ask_reason(tx, where, body)

    async def later(self, seconds: float) -> None:
        """Time passes, and the loop looks again."""
        self.clock.forward(seconds=seconds)
        self.db.announce({"outbox"})

    async def quiet(self) -> None:
        """Wait until nothing is waiting."""

        async def waiting() -> int:
            async with self.db.read() as tx:
                return await outbox.count_waiting(tx)

        async with asyncio.timeout(5):
            while await waiting() or self.delivery._busy:
                await asyncio.sleep(0.002)

    async def calls(self, count: int) -> list[Sent]:
        """Wait for that many calls and for their ends to be written down."""
        await until(lambda: len(self.platform.sent) >= count and not self.delivery._busy)
        assert len(self.platform.sent) == count, [s.card.text for s in self.platform.sent]
        return self.platform.sent

    async def given_up(self) -> int:
        async with self.db.read() as tx:
            return await outbox.undelivered(tx)

    async def inbox_waiting(self) -> int:
        async with self.db.read() as tx:
            return await inbox.count_waiting(tx)


@pytest.fixture
async def post(db: Database, clock: FakeClock) -> AsyncIterator[Post]:
    platform = RoomDouble()
    links = Links([platform])
    await links.start(keep)
    out = Post(db, clock, platform, links)
    await out.start()
    yield out
    await out.kill()
