"""The doors through which people speak, press and send: one way of use for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM, WEB_ROOM
from tests.attacks.stage import MESSENGER_SECRET, Stage

NAMES = ("slack", "telegram", "web", "messenger")
#: These have one door, whatever the mode: once is enough.
MODELESS = ("web", "messenger")
SPENT = 4  # connections that may still wait for an answer; a person has at most twenty
BURST = 20  # frames that one connection of the web room may send at once


class Door(Protocol):
    """A room, as somebody with their own program uses it."""

    async def types(self, person: str, line: str) -> None: ...
    async def says(self, person: str, words: str) -> None: ...
    async def press(self, person: str, number: int, token: str) -> None: ...


@dataclass
class SlackDoor:
    """A Slack channel, by slash command, mention and button."""

    stage: Stage

    def user(self, person: str) -> Any:
        return self.stage.slack.user(f"U{person.upper()}", person)

    async def types(self, person: str, line: str) -> None:
        name, _, rest = line.partition(" ")
        await (await self.user(person).command(SLACK_ROOM, name, self._typed(rest))).acknowledged()

    async def says(self, person: str, words: str) -> None:
        await (await self.user(person).mentions(SLACK_ROOM, self._typed(words))).acknowledged()

    async def press(self, person: str, number: int, token: str) -> None:
        card = await self.stage.slack_card(number)
        pressed = await self.user(person).press_token(SLACK_ROOM, card.ts, token)
        await pressed.acknowledged()

    def _typed(self, words: str) -> str:
        """What Slack makes of the three characters that are its own."""
        if self.stage.mode == "called":
            words = words.encode("utf-8", "replace").decode()  # a form holds no half surrogate
        return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass
class TelegramDoor:
    """A Telegram group."""

    stage: Stage

    def user(self, person: str) -> Any:
        numbers = {p[0]: p[4] for p in self.stage.people}
        return self.stage.telegram.user(numbers[person], person)

    async def types(self, person: str, line: str) -> None:
        self.user(person).command(TELEGRAM_ROOM, line)

    async def says(self, person: str, words: str) -> None:
        name = self.stage.telegram.state.username
        self.user(person).says(TELEGRAM_ROOM, f"@{name} {words}")

    async def press(self, person: str, number: int, token: str) -> None:
        card = await self.stage.telegram_card(number)
        self.user(person).press_raw(TELEGRAM_ROOM, card.id, token)


@dataclass
class Socket:
    """One connection to the web room that remembers what it was shown."""

    connection: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0

    async def read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for raw in self.connection:
                frame = json.loads(raw)
                self.frames += frame["messages"] if frame["type"] == "history" else [frame]

    async def ask(self, frame: Any, patience: float = 10) -> dict[str, Any]:
        """Send a frame; gives its ack or error."""
        before = len(self.frames)
        name = None  # of raw text the server's own name for it comes back
        if isinstance(frame, dict):
            name = secrets.token_hex(8)
            frame = json.dumps({"id": name} | frame)
        await self.connection.send(frame)
        async with asyncio.timeout(patience):
            while True:
                for answer in self.frames[before:]:
                    mine = name is None or answer.get("id") in ("", name)
                    if mine and answer.get("type") in ("ack", "error"):
                        return answer
                await asyncio.sleep(0.005)


@dataclass
class WebDoor:
    """The web room, by its WebSocket."""

    stage: Stage
    sockets: dict[str, list[Socket]] = field(default_factory=dict)
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    spent: list[Socket] = field(default_factory=list)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self, person: str, room: str = WEB_ROOM) -> Socket:
        address = self.stage.address.replace("http", "ws", 1)
        roles = {p[0]: p[1] for p in self.stage.people}
        kind = "AGENT" if roles[person] == "AGENT" else "HUMAN"
        url = f"{address}/ws/chat/{room}/{person}/{kind}"
        socket = Socket(await connect(url, additional_headers=await self.stage.bearer(person)))
        self.readers.append(asyncio.create_task(socket.read()))
        self.sockets.setdefault(person, []).append(socket)
        return socket

    async def line(self, person: str) -> Socket:
        """A connection that may still send: each takes a burst and is then left alone."""
        async with self.opening:
            held = self.sockets.setdefault(person, [])
            while held and held[0].sent >= BURST:
                self.spent.append(held.pop(0))
            if len(self.spent) > SPENT:
                await self.spent.pop(0).connection.close()
            if not held:
                await self.open(person)
            held[0].sent += 1
            return held[0]

    async def types(self, person: str, line: str) -> None:
        await (await self.line(person)).ask({"type": "say", "text": line})

    async def says(self, person: str, words: str) -> None:
        await self.types(person, words)

    async def press(self, person: str, number: int, token: str) -> None:
        socket = await self.line(person)

        def find() -> str:
            for frame in socket.frames:
                card = frame.get("card")
                if isinstance(card, dict) and card["title"].startswith(f"#{number} "):
                    return str(frame["message_id"])
            return ""

        message = await self.stage.until(find, f"no card #{number} on the web")
        await socket.ask({"type": "press", "message_id": message, "command_code": token})

    async def close(self) -> None:
        for held in (*self.sockets.values(), self.spent):
            for socket in held:
                await socket.connection.close()
        for reader in self.readers:
            reader.cancel()
        await asyncio.gather(*self.readers, return_exceptions=True)


@dataclass
class MessengerDoor:
    """Another messenger's webhook."""

    stage: Stage

    async def send(self, person: str, /, **fields: Any) -> int:
        """Post a message as a person; gives the status."""
        body = {"room": "ops", "user": person} | fields
        answer = await self.stage.http.post(
            "/messenger/webhook",
            content=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {MESSENGER_SECRET}"},
        )
        return answer.status_code

    async def types(self, person: str, line: str) -> None:
        await self.send(person, text=line)

    async def says(self, person: str, words: str) -> None:
        await self.send(person, text=words)

    async def press(self, person: str, number: int, token: str) -> None:
        await self.send(person, command_code=token)


class Doors:
    """All rooms' doors by name."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.slack = SlackDoor(stage)
        self.telegram = TelegramDoor(stage)
        self.web = WebDoor(stage)
        self.messenger = MessengerDoor(stage)

    def __getitem__(self, name: str) -> Door:
        found: Door = getattr(self, name)
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.web.close()

    async def rest(self, person: str, path: str, body: Any = None) -> Any:
        """A POST with the person's API token."""
        return await self.stage.http.post(path, json=body, headers=await self.stage.bearer(person))


async def in_batches(work: Iterator[Awaitable[None]], size: int = 16) -> None:
    """Do many things, some at a time."""
    while batch := list(islice(work, size)):
        await asyncio.gather(*batch)
