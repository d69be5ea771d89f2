"""How the Slack double hands deliveries to the bot: sockets or signed requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from tests.doubles.slack import SlackDouble

EVENT, COMMAND, INTERACTION = "events_api", "slash_commands", "interactive"
ACK_SECONDS = 3
EVENT_RETRIES = (0, 60, 300)  #: seconds after a failure

HttpAnswer = tuple[int, Mapping[str, str], bytes]
Target = str | Callable[[bytes, dict[str, str]], Awaitable[HttpAnswer]]


@dataclass
class Delivery:
    """One thing Slack wants the bot to know. ``ts``: the message it is about, if any."""

    kind: str
    payload: dict[str, Any]
    envelope_id: str
    ts: str = ""
    attempts: int = 0
    failed: bool = False  #: Slack gave up (or never could): the person saw an error
    statuses: list[int] = field(default_factory=list)  #: HTTP mode: the bot's answers
    requests: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    sockets: list[int] = field(default_factory=list)  #: socket mode: the sockets it went to
    ack_payload: Any = None
    due: float | None = None  #: when the double tries again, on its own clock
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acked(self) -> bool:
        return self.done.is_set()

    async def acknowledged(self, patience: float = 10) -> Delivery:
        """Wait (real seconds) for the bot's acknowledgement. Raises TimeoutError without one."""
        await asyncio.wait_for(self.done.wait(), patience)
        return self


class Deliveries:
    """Sends, notes answers, sends again. Everything that is late is moved by ``slack.forward``."""

    def __init__(self, slack: SlackDouble) -> None:
        self.slack = slack
        self.sent: list[Delivery] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0  #: sockets opened since the start
        self.frozen = False  #: half-open: nothing is read and no ping is answered
        self.refuse_sockets = False  #: every new socket is answered with 403
        self._target: Target | None = None
        self._session: aiohttp.ClientSession | None = None
        self._held: list[Delivery] | None = None
        self._repeats = 0
        self._deaf = 0
        self._next_socket = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # What a test asks for

    def deliver_to(self, target: Target) -> None:
        """HTTP mode from now on: a URL, or ``async (body, headers) -> (status, headers, body)``."""
        self._target = target

    def hold(self) -> None:
        """Keep deliveries back until release()."""
        self._held = []

    async def release(self, order: Callable[[list[Delivery]], Any] = list) -> None:
        """Send what was held, in the order that ``order`` makes of it (``reversed``, …)."""
        held, self._held = self._held or [], None
        for delivery in order(held):
            await self._attempt(delivery)

    def repeat_next(self, times: int = 1) -> None:
        """The next delivery arrives ``times`` more often than once."""
        self._repeats = times

    def drop_acks(self, count: int) -> None:
        """The next ``count`` acknowledgements on a socket get lost."""
        self._deaf = count

    async def replay(self, delivery: Delivery, index: int = 0) -> int:
        """Send exactly the bytes and headers of an earlier HTTP request; gives the status."""
        body, headers = delivery.requests[index]
        return (await self.request(body, headers))[0]

    async def disconnect(self, index: int = 0) -> None:
        """Slack asks a socket to go elsewhere, and closes it."""
        socket = self.sockets[index]
        await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def cut(self) -> None:
        """Every socket breaks without a word."""
        for socket in list(self.sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    # The way of a delivery

    async def send(self, delivery: Delivery) -> Delivery:
        self.sent.append(delivery)
        if self._held is not None:
            self._held.append(delivery)
            return delivery
        times, self._repeats = 1 + self._repeats, 0
        for _ in range(times):
            await self._attempt(delivery)
        return delivery

    async def tick(self) -> None:
        """Send again what is due and unanswered."""
        for delivery in self.sent:
            if delivery.due is not None and delivery.due <= self.slack.now:
                delivery.due = None
                await self._attempt(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        delivery.attempts += 1
        if self._target is not None:
            self._spawn(self._post(delivery))
        else:
            await self._push(delivery)

    def _plan_retry(self, delivery: Delivery, wait: float) -> None:
        """``wait``: the seconds until Slack notices that there is no answer."""
        most = len(EVENT_RETRIES) if delivery.kind == EVENT else 1 if self._target is None else 0
        if delivery.attempts > most:
            delivery.failed = True
            delivery.due = None
            return
        delivery.due = self.slack.now + wait + EVENT_RETRIES[delivery.attempts - 1]

    # Sockets

    async def _push(self, delivery: Delivery) -> None:
        live = [socket for socket in self.sockets if not socket.closed]
        if not live:
            # Nobody listens: an event is tried again, a person's click is answered with an error.
            delivery.failed = delivery.kind != EVENT
            self._plan_retry(delivery, ACK_SECONDS)
            return
        socket = live[self._next_socket % len(live)]
        self._next_socket += 1
        delivery.sockets.append(id(socket))
        envelope = {
            "type": delivery.kind,
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != EVENT,
        }
        if delivery.attempts > 1:
            envelope |= {"retry_attempt": delivery.attempts - 1, "retry_reason": "timeout"}
        self._plan_retry(delivery, ACK_SECONDS)
        delivery.failed = False
        try:
            await socket.send_json(envelope)
        except ConnectionError:
            return  # the retry is planned already

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """One Socket Mode connection."""
        if self.refuse_sockets:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.connections += 1
        await socket.send_json({"type": "hello", "num_connections": len(self.sockets) + 1})
        self.sockets.append(socket)
        self.slack.changed()
        try:
            async for frame in socket:
                await self._frame(socket, frame)
        finally:
            self.sockets.remove(socket)
            self.slack.changed()
        return socket

    async def _frame(self, socket: web.WebSocketResponse, frame: aiohttp.WSMessage) -> None:
        if self.frozen:
            return
        if frame.type is WSMsgType.PING:
            await socket.pong(frame.data)
        elif frame.type is WSMsgType.TEXT:
            answer = json.loads(frame.data)
            if self._deaf:
                self._deaf -= 1
                return
            for delivery in self.sent:
                if delivery.envelope_id == answer.get("envelope_id"):
                    self._acknowledge(delivery, answer.get("payload"))

    def _acknowledge(self, delivery: Delivery, payload: Any) -> None:
        delivery.ack_payload = payload
        delivery.due = None
        delivery.failed = False
        delivery.done.set()
        view = delivery.payload.get("view")
        if delivery.payload.get("type") == "view_submission" and not payload:
            self.slack.close_view(view["id"])
        self.slack.changed()

    # Signed requests

    def sign(self, body: bytes, stamp: str | None = None) -> dict[str, str]:
        """The headers Slack puts on a request."""
        stamp = stamp if stamp is not None else str(int(self.slack.wall()))
        key = self.slack.signing_secret.encode()
        digest = hmac.new(key, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    async def request(self, body: bytes, headers: dict[str, str]) -> HttpAnswer:
        """One raw request to the bot, as anybody on the internet could send it."""
        if self._target is None:
            raise AssertionError("no HTTP target: call deliver_to first")
        if not isinstance(self._target, str):
            return await self._target(body, headers)
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.post(self._target, data=body, headers=headers) as response:
            return response.status, dict(response.headers), await response.read()

    async def _post(self, delivery: Delivery) -> None:
        body, content_type = encode(delivery)
        headers = {"Content-Type": content_type, **self.sign(body)}
        if delivery.attempts > 1:
            headers |= {
                "X-Slack-Retry-Num": str(delivery.attempts - 1),
                "X-Slack-Retry-Reason": "http_timeout",
            }
        delivery.requests.append((body, headers))
        self._plan_retry(delivery, ACK_SECONDS)
        delivery.failed = False
        try:
            status, answered, reply = await self.request(body, headers)
        except aiohttp.ClientError:
            status, answered, reply = 0, {}, b""
        delivery.statuses.append(status)
        self.slack.changed()
        if 200 <= status < 300:
            self._acknowledge(delivery, json.loads(reply) if reply[:1] == b"{" else None)
        elif {key.lower() for key in answered} & {"x-slack-no-retry"}:
            delivery.failed, delivery.due = True, None
        else:
            self._plan_retry(delivery, 0)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in list(self.sockets):
            await socket.close()
        if self._session is not None:
            await self._session.close()


def encode(delivery: Delivery) -> tuple[bytes, str]:
    """A delivery as Slack's three kinds of HTTP body."""
    if delivery.kind == EVENT:
        return json.dumps(delivery.payload).encode(), "application/json"
    form = "application/x-www-form-urlencoded"
    if delivery.kind == COMMAND:
        return urlencode(delivery.payload).encode(), form
    return urlencode({"payload": json.dumps(delivery.payload)}).encode(), form
