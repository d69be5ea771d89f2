"""The web room as a platform: rows in ``messages`` are the room, sockets only show them.

A message holds the card in every language, so each viewer reads it in their own.  The web room's
speakers are ``Speaker("web", "", NAME)`` with the verified person's name from the configuration:
names are unique there, and a person needs no account of their own to be known here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import WebSocket
from starlette.responses import PlainTextResponse

from bot.platforms.port import Draft, Health, Keep, SendGone, SendRefused
from bot.platforms.web import socket as sockets
from bot.platforms.web.across import Across
from bot.platforms.web.conversation import Conversation
from bot.platforms.web.hub import STOPPING, Ending, Hub
from bot.platforms.web.settings import WebSettings
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from prompts.texts import text
from storage import messages, people, rooms
from storage.database import Database
from storage.messages import METADATA, SenderType
from storage.rooms import Room, RoomListing

Commands = Mapping[str, Sequence[tuple[str, str]]]
"""Language → (command name without the slash, what it does)."""

_NOT_STARTED = Ending(1013, "Watchstander is starting: try again in a moment")


class WebPlatform:
    """The built-in messenger. ``routes.routes(platform)`` gives its page and sockets."""

    name = "web"
    per_room_interval = 0.0

    def __init__(
        self,
        settings: WebSettings,
        db: Database,
        listings: Sequence[RoomListing],
        commands: Commands | None = None,
    ) -> None:
        self.settings = settings
        self.db = db
        self.hub = Hub(db)
        self.listings = [listing for listing in listings if listing.platform == self.name]
        self.commands: Commands = commands or {}
        self._gate = sockets.Gate(settings, db)
        self._conversation: Conversation | None = None
        self._across = Across(db, self.hub)
        self._tasks: list[asyncio.Task[None]] = []
        self._log_filter = _HideSignIn()

    async def start(self, keep: Keep) -> None:
        """Begin to take sockets."""
        self._conversation = Conversation(
            self.db, self.hub, self._across, keep, self.settings.bot_name
        )
        loops = (self._recheck, self._across.serve_news, self._across.serve_presence)
        self._tasks = self._tasks or [
            asyncio.create_task(loop(), name=f"web-{loop.__name__.strip('_')}") for loop in loops
        ]
        logging.getLogger("uvicorn.access").addFilter(self._log_filter)

    async def stop(self) -> None:
        """Let open frames finish, then close every socket."""
        self._conversation = None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.hub.end_all(STOPPING)
        await self.hub.empty()
        await self._across.leave()
        logging.getLogger("uvicorn.access").removeFilter(self._log_filter)

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(self.settings.recheck_seconds)
            # A database that is away for a moment must not end the watch for good.
            try:
                await self.hub.recheck()
            except Exception:
                logging.getLogger(__name__).exception("web room: looking for revoked sessions")

    async def chat(self, socket: WebSocket, room: str, client: str, kind: str) -> None:
        """Serve ``/ws/chat/{room}/{client}/{kind}``."""
        if not self._gate.origin_allowed(socket):
            told = "403: this page's address is not Watchstander's; see public_url under [web]"
            await socket.send_denial_response(PlainTextResponse(told, 403))
            return
        conversation = self._conversation
        await socket.accept()
        if conversation is None:
            await sockets.close(socket, _NOT_STARTED)
            return
        try:
            connection = await self._gate.admit(socket, room, client, kind)
        except sockets.Refused as refused:
            await sockets.close(socket, refused.ending)
            return
        await sockets.serve(socket, connection, self.hub, self.db, conversation)

    def translate(self, raw: Mapping[str, Any]) -> Event | None:
        """A kept frame as an event. All of it was checked, or set by us, before it was kept."""
        room = RoomAddress(self.name, "", raw["room"])
        speaker = Speaker(self.name, "", raw["person"])
        if raw["type"] == "press":
            return Event(
                EventKind.FORM if raw["form"] else EventKind.BUTTON,
                room,
                speaker,
                text=raw["reason"],
                button=raw["command_code"],
                message=raw["message_id"],
                room_name=raw["room"],
                context={"press": raw["message_id"]},
            )
        if raw["type"] != "say":
            return None
        kind = EventKind.COMMAND if raw["text"].startswith("/") else EventKind.WORDS
        context = {"said": raw["said"]}
        return Event(
            kind,
            room,
            speaker,
            text=raw["text"],
            open_talk=raw.get("open", False),
            room_name=raw["room"],
            context=context,
        )

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        """A row in the room's history, shown to whoever is there; the same draft is one row."""
        return await self._add(await self._room(room), draft, None)

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        """Rewrite the row, and show it rewritten."""
        await self._room(room)
        async with self.db.write() as tx:
            changed = await messages.change(tx, message, _body(draft))
        if changed is None:
            raise SendGone(f"{room}: there is no message {message}")
        self.hub.push(changed, updated=True)
        return changed.key

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:
        """A row that one person sees. ``user`` is the person's name."""
        place = await self._room(room)
        async with self.db.read() as tx:
            person = await people.by_name(tx, user)
        if person is None:
            raise SendRefused(f"{room}: nobody called {user!r} is in the configuration")
        await self._add(place, draft, person.id)

    async def ask_reason(self, room: RoomAddress, user: str, token: str, draft: Draft) -> bool:
        """Never: the page asks by itself, before it sends the press."""
        del room, user, token, draft
        return False

    def health(self) -> Health:
        if self._conversation is None:
            return Health(False, text("link_not_started"))
        return Health(True, text("link_web_open", count=len(self.hub)))

    async def _room(self, room: RoomAddress) -> Room:
        async with self.db.read() as tx:
            place = await rooms.find(tx, room.platform, room.tenant, room.address)
        if place is None or not place.listed:
            raise SendRefused(f"{room}: this room is not in the configuration")
        return place

    async def _add(self, place: Room, draft: Draft, to_person: int | None) -> str:
        body = _body(draft)
        async with self.db.write() as tx:
            added = await messages.add(
                tx,
                place.id,
                self.settings.bot_name,
                SenderType.BOT,
                body,
                to_person=to_person,
                dedupe=f"outbox:{draft.outbox_id}",
            )
            changed = None
            if not added.fresh and added.message.body != body:
                # An earlier try came this far; a card may have moved on since it was drawn.
                changed = await messages.change(tx, added.message.key, body)
        if changed is not None:
            self.hub.push(changed, updated=True)
        elif added.fresh:
            self.hub.push(added.message)
        return added.message.key


def _body(draft: Draft) -> dict[str, Any]:
    """What is kept of a draft: a card, or in one sentence an answer (CHAT) or news (NOTICE)."""
    cards = {language: card.seen().to_json() for language, card in draft.cards.items()}
    card = draft.card
    widget = bool(card.title or card.fields or card.code or card.buttons)
    plain = "CHAT" if draft.context else "NOTICE"
    body: dict[str, Any] = {"msg_type": "CARD" if widget else plain, "cards": cards}
    # Whoever makes the draft may name the ticket, the asset and the severity beside the context.
    known = {name: draft.context[name] for name in METADATA if draft.context.get(name)}
    if known:
        body["itsm_metadata"] = known
    return body


class _HideSignIn(logging.Filter):
    """Keeps the secret of a sign-in link out of the web server's access log."""

    _secret = re.compile(r"(/sign-in/)[^\s?\"]+")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                self._secret.sub(r"\1…", arg) if isinstance(arg, str) else arg
                for arg in record.args
            )
        return True
