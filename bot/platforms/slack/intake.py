"""Kept before acknowledged: what every Slack delivery passes before Bolt may answer it.

Bolt acknowledges an event before its listener runs, and asks Slack who the bot is (a network call)
before it acknowledges a command.  This middleware stands in front of all that: it commits the inbox
row and then answers by itself.  If the row cannot be kept there is no acknowledgement.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.platforms.port import Keep
from bot.platforms.slack import form
from bot.platforms.slack.inflight import InFlight
from handlers.inbound import RoomAddress
from storage import failpoints

log = logging.getLogger(__name__)

SOURCE = "slack"
#: Slack's own secrets in a body. We need none of them, so none of them reaches the database.
_SECRETS = ("token", "response_url", "response_urls")


@dataclass(frozen=True)
class Identity:
    """Who the bot is, from auth.test. Kept with each delivery, so that reading one needs no I/O."""

    team: str
    user: str
    bot: str


class NotKept(Exception):
    """The delivery could not be kept now: Slack must not hear "ok"."""


class Intake(AsyncMiddleware):
    """The first middleware. ``identity`` gives None until auth.test has answered once."""

    def __init__(self, identity: Callable[[], Identity | None]) -> None:
        self._identity = identity
        self._keep: Keep | None = None
        self._direct: set[str] = set()
        self.open_deliveries = InFlight()

    def open(self, keep: Keep) -> None:
        """Deliveries are taken from now on."""
        self._keep = keep

    def close(self) -> None:
        """Deliveries are refused from now on; Slack sends them again later, or elsewhere."""
        self._keep = None

    def learn_direct(self, channel: str) -> None:
        """This channel is a one-to-one conversation with the bot (Slack's D ids do not tell)."""
        self._direct.add(channel)

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,  # noqa: ARG002 (Bolt calls by name)
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: ARG002 (Bolt calls by name)
    ) -> BoltResponse:
        body = req.body
        if body.get("type") == "url_verification":
            return BoltResponse(status=200, body={"challenge": body.get("challenge", "")})
        if body.get("ssl_check"):
            return BoltResponse(status=200, body="")
        if body.get("type") == "app_rate_limited":
            log.error("slack: events are being dropped: the workspace sends over 30,000 an hour")
            return BoltResponse(status=200, body="")
        with self.open_deliveries:
            await self._take(body)
        failpoints.before("slack.ack")
        return BoltResponse(status=200, body="")

    async def _take(self, body: Mapping[str, Any]) -> None:
        identity = self._identity()
        if self._keep is None or identity is None:
            raise NotKept("slack: not ready to take deliveries")
        event = body.get("event")
        if isinstance(event, dict) and event.get("channel_type") == "im":
            self.learn_direct(_id(event.get("channel")))
        raw = pack(body, identity, direct=channel_of(body) in self._direct)
        await self._keep(SOURCE, delivery_id(body), raw, lane(body, identity))


def pack(body: Mapping[str, Any], identity: Identity, *, direct: bool) -> dict[str, Any]:
    """What is kept: Slack's body without its secrets, and what reading it needs to know."""
    return {
        "body": {key: value for key, value in body.items() if key not in _SECRETS},
        "bot": asdict(identity),
        "direct": direct,
    }


def delivery_id(body: Mapping[str, Any]) -> str:
    """The same for every repetition of one delivery, and for no other."""
    team = _id(body.get("team")) or str(body.get("team_id") or "")
    if body.get("type") == "event_callback" and body.get("event_id"):
        return f"event:{team}:{body['event_id']}"
    kind = "command" if "command" in body else str(body.get("type") or "unknown")
    if body.get("trigger_id"):
        return f"{kind}:{team}:{body['trigger_id']}"
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=True)
    return f"{kind}:{team}:sha256-{hashlib.sha256(canonical.encode()).hexdigest()}"


def channel_of(body: Mapping[str, Any]) -> str:
    """The channel a delivery is about; "" where it has none."""
    event = body.get("event")
    if isinstance(event, dict):
        return _id(event.get("channel"))
    view = body.get("view")
    if isinstance(view, dict) and view.get("callback_id") == form.CALLBACK:
        return _form_channel(view.get("private_metadata"))
    container = body.get("container")
    if isinstance(container, dict) and container.get("channel_id"):
        return str(container["channel_id"])
    return _id(body.get("channel")) or str(body.get("channel_id") or "")


def _form_channel(metadata: Any) -> str:
    try:
        place = json.loads(metadata or "{}")
    except (TypeError, ValueError):
        # Not as our form wrote it: it is kept all the same, and reading it will say so.
        return ""
    return _id(place.get("channel")) if isinstance(place, dict) else ""


def lane(body: Mapping[str, Any], identity: Identity) -> str:
    """Deliveries of one channel stay in order; different channels do not wait for each other."""
    return str(RoomAddress(SOURCE, identity.team, channel_of(body)))


def _id(value: Any) -> str:
    """Slack gives an id bare or inside an object."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""
