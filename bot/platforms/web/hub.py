"""The open connections, and how a message reaches those who may see it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage import messages, tokens
from storage.database import Database
from storage.messages import Message
from storage.people import Person, Role
from storage.rooms import Room
from storage.tokens import Verdict

QUEUE = 256
"""Frames that may wait for one connection; who falls further behind has to reconnect."""
QUEUE_CHARACTERS = 4_000_000
"""And how much they may hold together."""
PER_PERSON = 20
"""Open connections of one person."""


@dataclass(frozen=True)
class Ending:
    """Why a connection is closed: a WebSocket close code and a short English reason."""

    code: int
    reason: str


TOO_SLOW = Ending(4408, "too slow: reconnect to catch up")
STOPPING = Ending(1012, "Watchstander is stopping")


@dataclass(frozen=True)
class Credential:
    """What a connection was let in with."""

    secret: str
    kind: str  #: session or api


class Connection:
    """One socket's outgoing side. Nothing here waits: a full queue ends the connection."""

    def __init__(self, person: Person, credential: Credential, room: Room, agent: bool) -> None:
        self.person = person
        self.credential = credential
        self.room = room
        self.agent = agent
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self._waiting = 0
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._held: list[str] | None = []

    def send(self, frame: Mapping[str, Any]) -> None:
        self.send_text(json.dumps(frame, ensure_ascii=False))

    def send_text(self, frame: str) -> None:
        """Queue a frame that is JSON already."""
        if self._held is None:
            self._put(frame)
        elif len(self._held) < QUEUE:
            self._held.append(frame)
        else:
            self.end(TOO_SLOW)

    def begin(self, history: Mapping[str, Any]) -> None:
        """Send the history first, then what was said while it was read."""
        held, self._held = self._held or [], None
        self._put(json.dumps(history, ensure_ascii=False))
        for frame in held:
            self._put(frame)

    def end(self, ending: Ending) -> None:
        """Close it soon. The first reason given is the one that is told."""
        if not self.ended.done():
            self.ended.set_result(ending)

    async def next(self) -> str:
        """The next frame to write."""
        frame = await self._queue.get()
        self._waiting -= len(frame)
        return frame

    def _put(self, frame: str) -> None:
        # One frame is always taken, however large: a long history is not a slow reader.
        if self._queue.full() or (self._waiting and self._waiting + len(frame) > QUEUE_CHARACTERS):
            self.end(TOO_SLOW)
            return
        self._queue.put_nowait(frame)
        self._waiting += len(frame)


class Hub:
    """All open connections of this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._open: set[Connection] = set()
        self._left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def join(self, connection: Connection) -> bool:
        """Count a connection in. False: this person has too many."""
        theirs = sum(1 for other in self._open if other.person.id == connection.person.id)
        if theirs >= PER_PERSON:
            return False
        self._open.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._left.set()

    def push(self, message: Message, *, updated: bool = False) -> None:
        """Show a message to everyone in its room who may see it, each in their own language."""
        drawn: dict[str, str] = {}
        for connection in self._open:
            viewer = connection.person
            if connection.room.id != message.room_id or not message.visible_to(viewer.id):
                continue
            if viewer.language not in drawn:
                frame = messages.schema(message, viewer.language, updated=updated)
                drawn[viewer.language] = json.dumps(
                    {"type": "message", **frame}, ensure_ascii=False
                )
            connection.send_text(drawn[viewer.language])

    def agent_here(self, room_id: int, name: str) -> bool:
        """Whether an agent listens in a room."""
        return any(
            other.agent and other.room.id == room_id and other.person.name == name
            for other in self._open
        )

    def end_session(self, secret: str) -> None:
        """Close what was opened with a session that has just been given up."""
        for connection in self._open:
            if connection.credential.secret == secret:
                connection.end(Ending(4401, "signed out"))

    def end_all(self, ending: Ending) -> None:
        for connection in self._open:
            connection.end(ending)

    async def empty(self, within_s: float = 10.0) -> None:
        """Wait until every connection has left, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._open:
                    self._left.clear()
                    await self._left.wait()

    async def recheck(self) -> None:
        """Close every connection whose session, token or person lost its rights meanwhile."""
        if not self._open:
            return
        async with self._db.read() as tx:
            for connection in list(self._open):
                credential = connection.credential
                found = await tokens.examine(tx, credential.secret, credential.kind)
                admit(connection, found.verdict, found.person)


def admit(connection: Connection, verdict: Verdict, person: Person | None) -> bool:
    """Take over a person's role as it is now; end the connection of who has no right left."""
    if person is None:
        connection.end(Ending(4401, f"this session or token is {verdict}"))
        return False
    if (person.role is Role.AGENT) is not connection.agent:
        connection.end(Ending(4403, "the role has changed: connect again"))
        return False
    connection.person = person
    return True
