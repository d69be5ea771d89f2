"""Settings of the messenger webhook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MessengerSettings:
    """Other messengers that talk to Watchstander over HTTP."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Source → the secret it sends as ``Authorization: Bearer …``; an empty one is refused."""

    webhook_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """``source/room`` → the URL that the bot's messages to this room are posted to."""

    timeout_s: float = 10.0
    """Seconds to wait for a room's webhook; a slow one is tried again later."""

    body_limit: int = 1_048_576
    """Bytes of one incoming message; larger ones are refused with 413."""
