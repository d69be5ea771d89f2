"""One WebSocket from its first header to its last frame."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from bot.platforms.web.conversation import Conversation, NotKept, refusal
from bot.platforms.web.door import credential_of
from bot.platforms.web.frames import Frame, Malformed, Ping, read_frame
from bot.platforms.web.hub import PER_PERSON, Connection, Ending, Hub, admit
from bot.platforms.web.limits import Bucket
from bot.platforms.web.settings import WebSettings
from prompts.texts import text
from storage import failpoints, messages, rooms, tokens
from storage.database import Away, Database
from storage.people import Role

HISTORY = 100
"""Messages that are shown on connecting."""
_PER_SECOND, _BURST = 5.0, 20
_CLOSE_WITHIN_S = 1.0
_FINISH_WITHIN_S = 5.0

_log = logging.getLogger(__name__)


class Refused(Exception):
    """This connection is not let in."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.ending = Ending(code, reason)


class Gate:
    """Decides who may connect, to which room, as what."""

    def __init__(self, settings: WebSettings, db: Database) -> None:
        self._settings = settings
        self._db = db

    def origin_allowed(self, socket: WebSocket) -> bool:
        """A browser has to come from our own page; no foreign page can send a bearer token."""
        if "authorization" in socket.headers:
            return True
        headers = socket.headers
        return self._settings.origin_allowed(headers.get("origin"), headers.get("host"))

    async def admit(self, socket: WebSocket, room: str, client: str, kind: str) -> Connection:
        """The connection of a known person to a listed room. Raises Refused."""
        credential = credential_of(socket)
        if credential is None:
            raise Refused(4401, "sign in first, or send an API token as Authorization: Bearer")
        async with self._db.read() as tx:
            found = await tokens.examine(tx, credential.secret, credential.kind)
            place = await rooms.find(tx, "web", "", room)
        if found.person is None:
            raise Refused(4401, f"this session or token is {found.verdict}")
        if kind not in ("HUMAN", "AGENT"):
            raise Refused(4400, "the address ends in HUMAN or AGENT")
        agent = kind == "AGENT"
        if agent is not (found.person.role is Role.AGENT):
            raise Refused(4403, "AGENT is for people with the role AGENT, HUMAN for all others")
        if agent and client != found.person.name:
            raise Refused(4403, "an agent connects under its own name")
        if place is None or not place.listed:
            raise Refused(4404, "this room is not in the configuration")
        return Connection(found.person, credential, place, agent, found.token_id)


class Line:
    """Reads, writes and ends one open socket."""

    def __init__(
        self,
        socket: WebSocket,
        connection: Connection,
        db: Database,
        conversation: Conversation,
    ) -> None:
        self._socket = socket
        self._connection = connection
        self._db = db
        self._conversation = conversation
        self._bucket = Bucket(_PER_SECOND, _BURST)
        self._busy = asyncio.Lock()

    async def run(self) -> Ending | None:
        """Until either side ends it. Gives why, or None when the other side left."""
        await self._begin()
        reader = asyncio.create_task(self._read(), name="web-read")
        writer = asyncio.create_task(self._write(), name="web-write")
        ended = self._connection.ended
        first: set[asyncio.Future[Any]] = {reader, writer, ended}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            # A frame that is being kept is finished first, so that nothing hangs half done.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FINISH_WITHIN_S):
                    await self._busy.acquire()
        finally:
            reader.cancel()
            writer.cancel()
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                raise result
        return ended.result() if ended.done() else None

    async def _begin(self) -> None:
        connection = self._connection
        before = self._socket.query_params.get("after", "")
        async with self._db.read() as tx:
            seen = await messages.by_key(tx, before) if before else None
            page = await messages.latest(tx, connection.room.id, HISTORY + 1, connection.person.id)
            if seen is not None and seen.room_id == connection.room.id and page:
                missed = await messages.since(
                    tx, connection.room.id, seen.id, HISTORY * 5, connection.person.id
                )
                page = missed if len(missed) > len(page) else page
        connection.begin(
            history_frame(page, connection.person.language),
            page[-HISTORY:] if len(page) == HISTORY + 1 else page,
            whole=len(page) <= HISTORY,
        )

    async def _read(self) -> None:
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            async with self._busy:
                await self._take(event.get("text"))

    async def _take(self, raw: str | None) -> None:
        connection = self._connection
        language = connection.person.language
        delivery = ""
        try:
            frame = self._checked(raw)
            if isinstance(frame, Ping):
                connection.send({"type": "pong"})
                return
            delivery = frame.id
            if not self._bucket.take():
                raise Malformed(text("web_error_slow_down"), delivery)
            if await self._still_allowed():
                told = await self._conversation.take(connection, frame)
                failpoints.before("web.ack")
                connection.send(told)
                failpoints.after("web.ack")
        except Malformed as problem:
            connection.send(refusal(problem.text, language, problem.delivery))
        except (NotKept, Away) as error:
            _log.warning("web room %s: not kept: %s", connection.room.address, error)
            connection.send(refusal(text("web_error_not_kept"), language, delivery))

    def _checked(self, raw: str | None) -> Frame:
        if raw is None:
            raise Malformed(text("web_error_frame"))
        return read_frame(raw)

    async def _still_allowed(self) -> bool:
        credential = self._connection.credential
        async with self._db.read() as tx:
            found = await tokens.examine(tx, credential.secret, credential.kind)
        return admit(self._connection, found.verdict, found.person)

    async def _write(self) -> None:
        while True:
            frame = await self._connection.next()
            failpoints.before("web.push")
            await self._socket.send_text(frame)
            failpoints.after("web.push")


def history_frame(page: list[messages.Message], language: str) -> dict[str, object]:
    """Messages, oldest first; ``more`` when there are older ones than these."""
    shown = page[-HISTORY:] if len(page) == HISTORY + 1 else page
    return {
        "type": "history",
        "messages": [messages.schema(message, language) for message in shown],
        "more": len(page) > HISTORY,
    }


async def serve(
    socket: WebSocket, admitted: Connection, hub: Hub, db: Database, conversation: Conversation
) -> None:
    """Serve one admitted socket until it ends, and tell the other side why it ended."""
    if not hub.join(admitted):
        await close(socket, Ending(4429, f"at most {PER_PERSON} open connections a person"))
        return
    try:
        ending = await Line(socket, admitted, db, conversation).run()
    finally:
        hub.leave(admitted)
    if ending is not None:
        await close(socket, ending)


async def close(socket: WebSocket, ending: Ending) -> None:
    """Say good-bye without waiting for a peer that does not read."""
    with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(_CLOSE_WITHIN_S):
            await socket.close(ending.code, ending.reason)
