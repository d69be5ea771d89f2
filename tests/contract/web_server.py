"""The web room on a real uvicorn, for the contract tests: no part of ours is replaced."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from websockets.asyncio.client import ClientConnection, connect

from bot.platforms.port import Draft
from bot.platforms.web.platform import WebPlatform
from bot.platforms.web.routes import routes
from bot.platforms.web.settings import WebSettings
from handlers.card import Card
from handlers.inbound import Event, RoomAddress
from storage import inbox, people, rooms, tokens
from storage.database import Database
from storage.people import Listing, Person, Role
from storage.rooms import RoomListing

OPS = RoomAddress("web", "", "ops")
LISTINGS = [
    RoomListing("web", "", "ops", "ops", "en", cards=True),
    RoomListing("web", "", "approvals", "approvals", "ko", cards=True, approvals=True),
    RoomListing("slack", "T1", "C1", "elsewhere"),
]
PEOPLE = [
    Listing("Min", Role.REQUESTER, "ko"),
    Listing("Lin", Role.ENGINEER, "zh-TW"),
    Listing("Ada", Role.ADMIN, "en"),
    Listing("deployer", Role.AGENT, "en"),
]
COMMANDS = {
    "en": [("status", "What is running now"), ("approve", "Approve an action"), ("sr", "Requests")],
    "ko": [("status", "현재 상태"), ("approve", "작업 승인"), ("sr", "서비스 요청")],
    "zh-TW": [("status", "目前狀態"), ("approve", "核准動作"), ("sr", "服務請求")],
}


@asynccontextmanager
async def serving(router: APIRouter, listener: socket.socket | None = None) -> AsyncIterator[str]:
    """The routes on a real server on a free loopback port; gives ``http://127.0.0.1:PORT``."""
    app = FastAPI()
    app.include_router(router)
    if listener is None:
        listener = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=5)
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task
    listener.close()


@dataclass
class WebRoom:
    """A running web room, its people, and what was handed in."""

    platform: WebPlatform
    db: Database
    url: str
    broken: bool = False
    """True: keeping fails, as with a full disk."""

    async def keep(self, source: str, delivery_id: str, body: Any, lane: str) -> bool:
        if self.broken:
            raise OSError("no space left on device")
        async with self.db.write() as tx:
            return await inbox.keep(tx, source, delivery_id, dict(body), lane) is not None

    async def inbox(self) -> list[inbox.Delivery]:
        async with self.db.read() as tx:
            return await inbox.waiting(tx, 100)

    async def events(self, count: int) -> list[Event]:
        """What was handed in, as events, as soon as there are so many."""
        async with asyncio.timeout(5), self.db.listen("inbox") as told:
            while len(found := await self.inbox()) < count:
                await told.wait()
                told.clear()
        events = [self.platform.translate(delivery.body) for delivery in found]
        return [event for event in events if event]

    async def person(self, name: str) -> Person:
        async with self.db.read() as tx:
            found = await people.by_name(tx, name)
        assert found is not None
        return found

    async def token(self, name: str, kind: str = "api", ttl_ms: int | None = None) -> str:
        person = await self.person(name)
        async with self.db.write() as tx:
            return await tokens.create(tx, person.id, kind, ttl_ms)

    async def bearer(self, name: str) -> dict[str, str]:
        """The header of a program with a person's API token."""
        return {"Authorization": f"Bearer {await self.token(name)}"}

    async def link(self, name: str) -> str:
        """A sign-in link."""
        return f"{self.url}/sign-in/{await self.token(name, 'signin', 3_600_000)}"

    def address(self, room: str = "ops", client: str = "test", kind: str = "HUMAN") -> str:
        return f"{self.url.replace('http', 'ws')}/ws/chat/{room}/{client}/{kind}"

    @asynccontextmanager
    async def client(self, name: str, room: str = "ops", **query: str) -> AsyncIterator[Client]:
        """A program with a person's API token, past its history frame."""
        agent = (await self.person(name)).role is Role.AGENT
        address = self.address(room, name if agent else "test", "AGENT" if agent else "HUMAN")
        if query:
            address += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        headers = await self.bearer(name)
        async with connect(address, additional_headers=headers, proxy=None) as connection:
            client = Client(connection)
            client.history = await client.next("history")
            yield client


@dataclass
class Client:
    """One WebSocket as a program uses it."""

    connection: ClientConnection
    history: dict[str, Any] = field(default_factory=dict)

    async def send(self, frame: Any) -> None:
        await self.connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def next(self, kind: str = "") -> dict[str, Any]:
        """The next frame (of a type; others before it are passed over)."""
        async with asyncio.timeout(5):
            while True:
                frame = json.loads(await self.connection.recv())
                if not kind or frame["type"] == kind:
                    return dict(frame)

    async def ask(self, frame: Any) -> dict[str, Any]:
        """Send a frame and give its ack or error."""
        await self.send(frame)
        async with asyncio.timeout(5):
            while True:
                answer = await self.next()
                if answer["type"] in ("ack", "error"):
                    return answer

    async def closed(self) -> tuple[int, str]:
        """Wait until the server closes; its code and reason."""
        async with asyncio.timeout(5):
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def web_room(db: Database, settings: WebSettings | None = None) -> AsyncIterator[WebRoom]:
    """A started web room with the people and rooms above."""
    async with db.write() as tx:
        await people.sync(tx, PEOPLE)
        await rooms.sync(tx, LISTINGS)
    platform = WebPlatform(settings or WebSettings(), db, LISTINGS, COMMANDS)
    room = WebRoom(platform, db, "")
    await platform.start(room.keep)
    async with serving(routes(platform)) as url:
        room.url = url
        try:
            yield room
        finally:
            await platform.stop()


def draft(outbox_id: int, card: Card, language: str = "en", **context: Any) -> Draft:
    """The same card in every language, its text marked with the language it is in."""
    cards = {
        name: Card(**{**vars(card), "text": f"{card.text} ({name})" if card.text else ""})
        for name in ("en", "ko", "zh-TW")
    }
    return Draft(outbox_id, cards, language, context)
