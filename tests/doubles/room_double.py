"""A room platform in memory: it takes what the port allows and complains about anything else.

What comes of the next sends is scripted: an exception of the port, or a gate to wait at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.platforms.port import Draft, Health, Keep
from handlers.card import Card
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from prompts.texts import LANGUAGES


@dataclass
class Sent:
    """One call that was made: its kind, where, and what was to be seen."""

    kind: str
    room: str
    draft: Draft
    message: str = ""
    user: str = ""

    @property
    def card(self) -> Card:
        return self.draft.card


@dataclass
class Gate:
    """A send that hangs until the test opens it."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class RoomDouble:
    """Implements bot.platforms.port.Platform."""

    def __init__(self, name: str = "web", per_room_interval: float = 0.0) -> None:
        self.name = name
        self.per_room_interval = per_room_interval
        self.sent: list[Sent] = []
        """Every call, also those that failed, in order."""
        self.shown: dict[str, Card] = {}
        """Message id → what it shows now."""
        self.next: deque[Exception | Gate | None] = deque()
        """What comes of the next sends, first to last; None or nothing: they arrive."""
        self.forms = True
        self.refuse_start: Exception | None = None
        self.times: list[tuple[str, float]] = []
        self._count = 0

    async def start(self, keep: Keep) -> None:
        if self.refuse_start is not None:
            raise self.refuse_start

    async def stop(self) -> None:
        pass

    def translate(self, raw: Mapping[str, Any]) -> Event | None:
        if raw.get("poison"):
            raise KeyError("poison")
        if raw.get("kind") is None:
            return None
        room = RoomAddress(self.name, "", raw.get("room", "ops"))
        return Event(
            EventKind(raw["kind"]),
            room,
            Speaker(self.name, "", raw["user"]),
            raw.get("text", ""),
            raw.get("button", ""),
            raw.get("message", ""),
            direct=raw.get("direct", False),
            open_talk=raw.get("open_talk", False),
            context=raw.get("context", {}),
        )

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        await self._take(Sent("post", room.address, draft))
        self._count += 1
        message = f"m{self._count}"
        self.shown[message] = draft.card
        return message

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        assert message in self.shown, f"{message} was never posted"
        await self._take(Sent("edit", room.address, draft, message))
        self.shown[message] = draft.card
        return message

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:
        await self._take(Sent("whisper", room.address, draft, user=user))

    async def ask_reason(self, room: RoomAddress, user: str, token: str, draft: Draft) -> bool:
        await self._take(Sent("form", room.address, draft, token, user))
        return self.forms

    def health(self) -> Health:
        return Health(True, "connected")

    async def _take(self, sent: Sent) -> None:
        draft = sent.draft
        assert set(draft.cards) == set(LANGUAGES), "every language is drawn"
        assert draft.language in draft.cards
        tokens = {tuple(b.token for b in card.buttons) for card in draft.cards.values()}
        assert len(tokens) == 1, "every language has the same buttons"
        self.sent.append(sent)
        self.times.append((sent.room, asyncio.get_running_loop().time()))
        what = self.next.popleft() if self.next else None
        if isinstance(what, Exception):
            raise what
        if isinstance(what, Gate):
            what.reached.set()
            await what.opened.wait()
