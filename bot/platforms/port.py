"""What a platform is to the rest of the program: five methods, and a way to hand in deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from handlers.card import Card
from handlers.inbound import Event, RoomAddress
from prompts.texts import Text

Keep = Callable[[str, str, Mapping[str, Any], str], Awaitable[bool]]
"""``await keep(source, delivery_id, raw_body, lane)``: commits the inbox row, *then* returns.

True: kept now. False: this exact delivery was kept before (acknowledge it all the same).  Raises
when it could not be kept: the platform must then not acknowledge."""


@dataclass(frozen=True)
class Turn:
    """A work that one process at a time does, such as fetching with one bot's token."""

    ours: Callable[[], bool]
    """Whether this process does it at this moment."""
    keep: Keep
    """Keeps what the work brings in; raises once another process has taken over."""


class SendRetry(Exception):
    """The platform did not take it now: try again after ``delay`` seconds.

    ``doubt`` is true when it may have taken it all the same (the reply was lost).
    """

    def __init__(self, why: str, delay: float = 1.0, *, doubt: bool = False) -> None:
        super().__init__(why)
        self.delay = delay
        self.doubt = doubt


class SendGone(Exception):
    """The message to be edited is out of reach (deleted, too old): post a new one."""


class SendRefused(Exception):
    """The platform will never take it (room gone, bot removed, token revoked)."""


@dataclass(frozen=True)
class Draft:
    """Something to be shown, already worded in every language."""

    outbox_id: int
    """Stable over retries: a platform that can, uses it to find an earlier copy."""
    cards: Mapping[str, Card]
    """Language code → card. All have the same buttons."""
    language: str
    """The room's language, or that of the one person it is for."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """``Event.context`` of the event this answers; for a card its itsm_* facts; empty for news."""
    doubt: bool = False
    """True when an earlier try may have arrived: look for it before posting again."""

    @property
    def card(self) -> Card:
        return self.cards[self.language]


@dataclass(frozen=True)
class Health:
    """Is the link alive? ``detail`` is a short phrase for operators."""

    ok: bool
    detail: Text | str


class Platform(Protocol):
    """A place where people talk. Every method may raise SendRetry or SendRefused."""

    name: str
    per_room_interval: float
    """Least seconds between two sends to one room (delivery keeps to it)."""

    async def start(self, keep: Keep) -> None:
        """Connect and begin to hand in deliveries. Returns once it is running."""

    async def stop(self) -> None:
        """Stop taking deliveries, finish the open ones, disconnect."""

    def translate(self, raw: Mapping[str, Any]) -> Event | None:
        """A kept raw delivery as an event; None when it is nothing to act on (edits, own messages).

        Pure: no I/O. May raise anything on a poison delivery; the inbox worker handles that.
        """

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        """Show it to the room; gives the platform's message id."""

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        """Rewrite a message in place. Raises SendGone when it cannot be; gives the message id."""

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:
        """Answer one person where the whole room need not see it."""

    async def ask_reason(self, room: RoomAddress, user: str, token: str, draft: Draft) -> bool:
        """Open a form that asks for a line of text; it comes back as a FORM event with ``token``.

        False: this platform has no forms, or the moment for one has passed.
        """

    def health(self) -> Health:
        """The truth about the link."""
