"""The product's spine from the inbox to the room, with one scripted room platform at the edge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.delivery import Delivery, DeliverySettings
from bot.links import Links
from bot.worker import InboxWorker, WorkerSettings
from engine.language.model import ModelSettings
from handlers.card import Button, Card
from handlers.router import Router
from prompts.texts import say, text
from storage import actions, inbox, outbox, people, rooms
from storage.actions import Action
from storage.database import Database
from storage.people import Listing, Role
from storage.rooms import RoomListing
from storage.tables import audit
from storage.tables import inbox as inbox_table
from tests.conftest import FakeClock
from tests.doubles.room_double import RoomDouble
from tests.unit.requests.parts import build_services

LISTINGS = [
    Listing("min", Role.REQUESTER, "ko"),
    Listing("jun", Role.ENGINEER, "zh-TW", on_call=True),
    Listing("ana", Role.ADMIN, "en"),
    Listing("robot", Role.AGENT, "en"),
]
LANGUAGE = {listing.name: listing.language for listing in LISTINGS}


class Stage:
    """People speak in the room "ops"; what they and the room see is in ``platform``."""

    def __init__(
        self, db: Database, clock: FakeClock, folder: Path, model: ModelSettings | None = None
    ) -> None:
        self.db = db
        self.clock = clock
        self.platform = RoomDouble()
        self.links = Links([self.platform])
        self.services = build_services(db, folder, model)
        self.router = Router(self.services)
        self.worker = InboxWorker(db, self.router, self.links, WorkerSettings())
        self.delivery = Delivery(db, self.links, DeliverySettings())
        self._tasks: list[asyncio.Task[None]] = []
        self._count = 0

    async def start(self) -> None:
        async with self.db.write() as tx:
            await people.sync(tx, LISTINGS)
            await rooms.sync(tx, [RoomListing("web", "", "ops", "ops", "en")])

        async def keep(*_: object) -> bool:
            return True

        await self.links.start(keep)
        self._tasks = [
            asyncio.create_task(self.worker.serve()),
            asyncio.create_task(self.delivery.serve()),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.worker.drain()
        await self.delivery.drain()

    async def keep(self, raw: Mapping[str, Any], delivery: str = "") -> int:
        self._count += 1
        delivery = delivery or str(self._count)
        async with self.db.write() as tx:
            row = await inbox.keep(tx, "web", delivery, dict(raw))
        assert row is not None
        return row

    async def does(self, user: str, kind: str, text: str = "", **more: Any) -> list[Card]:
        """Somebody does something; what they alone were shown in answer, and the room's words."""
        before = len(self.platform.sent)
        await self.keep({"kind": kind, "user": user, "text": text, **more})
        await self.settled()
        sent = self.platform.sent[before:]
        return [
            s.card
            for s in sent
            if s.kind == "whisper" or (s.kind == "post" and not s.card.title.startswith("#"))
        ]

    async def settled(self) -> None:
        """Wait until nothing is in work: neither a delivery nor a send that is due."""
        async with asyncio.timeout(10):
            while await self._busy():
                await asyncio.sleep(0.002)

    async def _busy(self) -> bool:
        if self.worker._tails or self.delivery._busy:
            return True
        async with self.db.read() as tx:
            if await inbox.waiting(tx, 1):
                return True
            for personal in (True, False):
                if await outbox.waiting(tx, 1, personal=personal):
                    return True
        return False

    async def whispered(self, user: str, kind: str, text: str, **more: Any) -> Card:
        """The one answer that somebody got alone."""
        before = len(self.platform.sent)
        await self.does(user, kind, text, **more)
        heard = [s for s in self.platform.sent[before:] if s.kind == "whisper"]
        assert [s.user for s in heard] == [user], [s.card for s in self.platform.sent[before:]]
        assert heard[0].draft.language == LANGUAGE.get(user, "en")
        return heard[0].card

    async def hears(self, user: str, kind: str, line: str, key: str, /, **values: Any) -> None:
        """Somebody does something and is answered with this message, in their language."""
        card = await self.whispered(user, kind, line)
        assert card.text == say(text(key, **values), LANGUAGE.get(user, "en"))

    def card(self, action: int) -> Card:
        """The card of an action as the room sees it now."""
        (found,) = [c for c in self.platform.shown.values() if c.title.startswith(f"#{action} ")]
        return found

    def button(self, card: Card, verb: str, language: str = "en") -> Button:
        label = say(text(f"button_{verb}"), language)
        (found,) = [b for b in card.buttons if b.label == label]
        return found

    async def presses(self, user: str, token: str, **more: Any) -> Card:
        return await self.whispered(user, "button", "", button=token, **more)

    async def action(self, number: int = 1) -> Action:
        async with self.db.read() as tx:
            found = await actions.by_id(tx, number)
        assert found is not None, f"no action #{number}"
        return found

    async def action_count(self) -> int:
        async with self.db.read() as tx:
            return len(await actions.listing(tx, limit=1000))

    async def audited(self) -> list[str]:
        async with self.db.read() as tx:
            return [r.kind for r in await tx.all(sa.select(audit.c.kind).order_by(audit.c.seq))]

    async def inbox_row(self, row: int) -> sa.Row[Any]:
        async with self.db.read() as tx:
            found = await tx.one(sa.select(inbox_table).where(inbox_table.c.id == row))
        assert found is not None
        return found
