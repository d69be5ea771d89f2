"""Ours: the same echo among 50 commands, from the inbox row to the reply at the platform's edge.

Every event is committed to SQLite before it is acknowledged, handled in one transaction, and its
reply is written to the outbox before it is sent: what a restart must not lose is on disk.  The
platform is the one thing that is not real: it takes replies in memory, as the peer's does.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncssh

from bot.app import App
from bot.delivery import Delivery, DeliverySettings
from bot.links import Links
from bot.platforms.port import Draft, Health, Keep
from bot.settings import load_settings
from bot.worker import InboxWorker, WorkerSettings
from handlers.commands import registry
from handlers.commands.call import Call, Command
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from handlers.replies import Reply
from handlers.router import Router
from storage import inbox, migrate, people, rooms
from storage.people import Account, Listing, Role
from storage.rooms import RoomListing

INVENTORY = """
[[institution]]
code = "A"
names = ["A"]
[[system]]
code = "B"
institution = "A"
names = ["B"]
[[asset]]
code = "C"
system = "B"
layer = "WAS"
environment = "DEV"
host = "c"
service = "c"
"""


class Edge:
    """A platform in memory: gives every reply the time at which it came."""

    name = "bench"
    per_room_interval = 0.0

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.news = asyncio.Event()

    async def start(self, keep: Keep) -> None:
        pass

    async def stop(self) -> None:
        pass

    def translate(self, raw: Mapping[str, Any]) -> Event:
        speaker = Speaker("bench", "", str(raw["user"]))
        room = RoomAddress("bench", "", f"room{raw['user']}")
        return Event(EventKind.COMMAND, room, speaker, text=raw["text"])

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        self.heard[draft.card.text] = time.perf_counter()
        self.news.set()
        return "1"

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:
        await self.post(room, draft)

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        return await self.post(room, draft)

    async def ask_reason(self, room: RoomAddress, user: str, token: str, draft: Draft) -> bool:
        return False

    def health(self) -> Health:
        return Health(True, "in memory")


async def _echo(call: Call) -> None:
    await call.whisper(Reply(text=call.arguments))


def _fifty_commands() -> None:
    known = registry.commands()
    known["say"] = Command("say", "help_help", "/say WORDS", _echo)
    for number in range(50 - len(known)):
        known[f"filler{number}"] = Command(f"filler{number}", "help_help", "/filler", _echo)
    assert len(known) == 50


def _config(folder: Path) -> Path:
    (folder / "known_hosts").touch()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(folder / "key"))
    (folder / "inventory.toml").write_text(INVENTORY)
    path = folder / "config.toml"
    path.write_text(
        '[ssh]\nknown_hosts = "known_hosts"\nkey_file = "key"\n'
        '[[person]]\nname = "a"\nrole = "ADMIN"\n'
    )
    return path


async def measure(events: int, speakers: int) -> dict[str, float]:
    _fifty_commands()
    with tempfile.TemporaryDirectory() as folder:
        app = App(load_settings(_config(Path(folder))))
        await migrate.upgrade(app.db)
        async with app.db.write() as tx:
            accounts = tuple(Account("bench", "", str(n)) for n in range(speakers))
            await people.sync(tx, [Listing("a", Role.ADMIN, "en", accounts=accounts)])
            await rooms.sync(tx, [RoomListing("bench", "", f"room{n}") for n in range(speakers)])
        edge = Edge()
        links = Links([edge])
        await links.start(app.keep)
        worker = InboxWorker(app.db, Router(app.services), links, WorkerSettings())
        delivery = Delivery(app.db, links, DeliverySettings())
        loops = [asyncio.create_task(worker.serve()), asyncio.create_task(delivery.serve())]
        try:
            return await _run(app, edge, events, speakers)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await app.db.close()


async def _run(app: App, edge: Edge, events: int, speakers: int) -> dict[str, float]:
    async def one(number: int) -> None:
        body = {"user": number % speakers, "text": f"/say {number}"}
        async with app.db.write() as tx:
            await inbox.keep(tx, "bench", str(number), body, str(number % speakers))

    async def heard(count: int) -> None:
        while len(edge.heard) < count:
            edge.news.clear()
            if len(edge.heard) < count:
                await edge.news.wait()

    singles = []
    for number in range(200):
        begun = time.perf_counter()
        await one(number)
        await heard(number + 1)
        singles.append((time.perf_counter() - begun) * 1000)
    begun = time.perf_counter()
    await asyncio.gather(*(one(200 + number) for number in range(events)))
    await heard(200 + events)
    took = time.perf_counter() - begun
    cuts = statistics.quantiles(singles, n=100)
    return {"per_second": events / took, "p50_ms": cuts[49], "p99_ms": cuts[98]}


def main(events: int = 1000) -> None:
    print(json.dumps(asyncio.run(measure(events, speakers=16))))


if __name__ == "__main__":
    main()
