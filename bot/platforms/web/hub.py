"""The open connections of this process, and how a message reaches those who may see it.

Each connection knows which messages it was shown and how they stood, so whatever is pushed again –
because another process told of it, or because news may have been missed – is shown once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
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
REMEMBERED = 1000
"""Messages of which a connection knows how it was shown them: at least the newest so many."""


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


class Shown:
    """What a connection was shown last of each message, of the newest ones."""

    def __init__(self) -> None:
        self._states: dict[int, int] = {}
        self.floor: int | None = None
        """The lowest row id it knows of; None = its history was not read yet."""

    def history(self, page: Sequence[Message], *, whole: bool) -> None:
        """Note what was shown on connecting; ``whole``: there is nothing older."""
        for message in page:
            self.note(message)
        self.floor = 0 if whole or not page else page[0].id

    def note(self, message: Message) -> None:
        self._states[message.id] = message.state
        if len(self._states) >= 2 * REMEMBERED:
            kept = sorted(self._states)[-REMEMBERED:]
            self._states = {number: self._states[number] for number in kept}
            if self.floor is not None:
                self.floor = max(self.floor, kept[0])

    def differs(self, message: Message) -> bool:
        """Whether it was not shown yet as it stands."""
        return self._states.get(message.id) != message.state

    def knows(self, message: Message) -> bool:
        return message.id in self._states


class Connection:
    """One socket's outgoing side. Nothing here waits: a full queue ends the connection."""

    def __init__(
        self,
        person: Person,
        credential: Credential,
        room: Room,
        agent: bool,
        token_id: int = 0,
    ) -> None:
        self.person = person
        self.credential = credential
        self.room = room
        self.agent = agent
        self.token_id = token_id
        self.shown = Shown()
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self._waiting = 0
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._held: list[tuple[Message | None, str]] | None = []

    def send(self, frame: Mapping[str, Any]) -> None:
        self._send(None, json.dumps(frame, ensure_ascii=False))

    def show(self, message: Message, frame: str) -> None:
        """Queue a message's frame, which is JSON already."""
        self._send(message, frame)

    def begin(self, history: Mapping[str, Any], page: Sequence[Message], *, whole: bool) -> None:
        """Send the history first, then what was said while it was read and is not in it."""
        held, self._held = self._held or [], None
        self.shown.history(page, whole=whole)
        self._put(json.dumps(history, ensure_ascii=False))
        for message, frame in held:
            if message is None or self.shown.differs(message):
                self._send(message, frame)

    def end(self, ending: Ending) -> None:
        """Close it soon. The first reason given is the one that is told."""
        if not self.ended.done():
            self.ended.set_result(ending)

    async def next(self) -> str:
        """The next frame to write."""
        frame = await self._queue.get()
        self._waiting -= len(frame)
        return frame

    def _send(self, message: Message | None, frame: str) -> None:
        if self._held is None:
            if message is not None:
                self.shown.note(message)
            self._put(frame)
        elif len(self._held) < QUEUE:
            self._held.append((message, frame))
        else:
            self.end(TOO_SLOW)

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
        self.agents_changed = asyncio.Event()
        self._noted: set[int] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def join(self, connection: Connection) -> bool:
        """Count a connection in. False: this person has too many."""
        theirs = sum(1 for other in self._open if other.person.id == connection.person.id)
        if theirs >= PER_PERSON:
            return False
        self._open.add(connection)
        if connection.agent:
            self.agents_changed.set()
        return True

    def leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._left.set()
        if connection.agent:
            self.agents_changed.set()

    @contextlib.contextmanager
    def noting(self) -> Iterator[set[int]]:
        """The row ids of messages that are pushed inside this block. For one at a time."""
        noted: set[int] = set()
        self._noted = noted
        try:
            yield noted
        finally:
            self._noted = None

    def push(self, message: Message, *, updated: bool = False, missed: bool = False) -> None:
        """Show a message to everyone in its room who may see it, each in their own language.

        ``updated``: it was rewritten, so it is shown also to whoever had it before they connected.
        ``missed``: nobody knows whether it is new; who connected after it is left alone.
        """
        if self._noted is not None:
            self._noted.add(message.id)
        drawn: dict[tuple[str, bool], str] = {}
        for connection in self._open:
            viewer, shown = connection.person, connection.shown
            if connection.room.id != message.room_id or not message.visible_to(viewer.id):
                continue
            if not shown.differs(message):
                continue
            if missed and (shown.floor is None or message.id < shown.floor):
                continue
            look = (viewer.language, updated or shown.knows(message))
            if look not in drawn:
                frame = messages.schema(message, viewer.language, updated=look[1])
                drawn[look] = json.dumps({"type": "message", **frame}, ensure_ascii=False)
            connection.show(message, drawn[look])

    def floors(self) -> dict[int, int]:
        """Room → the lowest row id that a connection in it knows of."""
        found: dict[int, int] = {}
        for connection in self._open:
            room, floor = connection.room.id, connection.shown.floor
            if floor is not None:
                found[room] = min(floor, found.get(room, floor))
        return found

    def agents(self) -> set[tuple[int, str]]:
        """The agents that are connected to this process, as (room id, name)."""
        return {(one.room.id, one.person.name) for one in self._open if one.agent}

    def end_session(self, token_id: int) -> None:
        """Close what was opened with a session that has just been given up."""
        for connection in self._open:
            if connection.token_id == token_id:
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
