"""What every platform turns its deliveries into: one neutral event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class RoomAddress:
    """Where people talk. All three parts together are the key; there is no default room."""

    platform: str  #: slack, telegram, web, messenger
    tenant: str  #: Slack team id; "" elsewhere
    address: str  #: the platform's immutable id of the channel, chat or room

    def __str__(self) -> str:
        tenant = f"{self.tenant}/" if self.tenant else ""
        return f"{self.platform}:{tenant}{self.address}"


@dataclass(frozen=True)
class Speaker:
    """Who did it, by the platform's verified envelope; never by display name or message body."""

    platform: str
    tenant: str
    user: str


class EventKind(StrEnum):
    COMMAND = "command"  #: ``text`` is the whole line, e.g. "/approve 17 fine"
    WORDS = "words"  #: ordinary text, said to the bot
    OVERHEARD = "overheard"  #: ordinary text in a room, not said to the bot
    BUTTON = "button"  #: ``button`` is the opaque token
    FORM = "form"  #: a filled form: ``button`` is the token it was opened for, ``text`` the reason
    MOVED = "moved"  #: the room has a new id: ``text`` is the new address


@dataclass(frozen=True)
class Event:
    """One thing a person did in a room."""

    kind: EventKind
    room: RoomAddress
    speaker: Speaker
    text: str = ""
    button: str = ""
    message: str = ""
    """The platform's id of the message a button sits on; "" where the platform does not tell."""
    direct: bool = False
    """True in a one-to-one conversation with the bot (never in a group of several people)."""
    open_talk: bool = False
    """The bot gets every line of this room, and this one does not name it."""
    room_name: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the platform needs to answer this very event (thread, trigger, callback id)."""
