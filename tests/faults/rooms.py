"""The three rooms as their services and people behave: what is not acknowledged is sent again.

Slack sends again by itself, a few times; then the person sees an error and does it again.  Telegram
keeps an update until it is confirmed.  The page of the web room keeps a frame until it is
acknowledged, over any number of connections.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from prompts.texts import say, text
from tests.acceptance.world import PEOPLE, SLACK_ROOM, TELEGRAM_ROOM, WEB_ROOM, World
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_delivery import Delivery
from tests.doubles.telegram import TelegramDouble
from tests.faults.stage import WEB_PEOPLE, Stage

LANGUAGES = {person[0]: person[2] for person in PEOPLE}
_SLACK = {person[0]: person[3] for person in PEOPLE}
_TELEGRAM = {person[0]: person[4] for person in PEOPLE}
_PATIENCE_S = 1.0
"""Real seconds that stand for the three that Slack waits for an acknowledgement."""


class Sent(Protocol):
    """Something a person did, on its way."""

    @property
    def acked(self) -> bool:
        """The service or the page was told that it was taken."""

    @property
    def lost(self) -> bool:
        """Nobody will deliver it any more."""


class Room(Protocol):
    """One platform's room."""

    name: str

    async def says(self, person: str, words: str) -> Sent: ...
    async def types(self, person: str, command: str) -> Sent: ...
    async def presses(self, person: str, action: int, verb: str) -> Sent | None:
        """Press a button of an action's newest card; None when it is not on the screen."""

    async def rejects(self, person: str, action: int, reason: str) -> Sent | None:
        """Press Reject and give a reason where the platform asks for one, else type it."""


@dataclass
class SlackSent:
    delivery: Delivery

    @property
    def acked(self) -> bool:
        return self.delivery.acked

    @property
    def lost(self) -> bool:
        return self.delivery.failed and self.delivery.due is None and not self.delivery.acked


class SlackRoom:
    """A channel. ``serve`` makes Slack send again what stays unanswered."""

    name = "slack"

    def __init__(self, slack: SlackDouble) -> None:
        self._slack = slack

    async def serve(self) -> None:
        """Let the double's own clock go on when something waits for it, until cancelled."""
        waiting: dict[int, float] = {}
        while True:
            await asyncio.sleep(0.05)
            due = [one for one in self._slack.sent if one.due is not None]
            now = time.monotonic()
            waiting = {id(one): waiting.get(id(one), now) for one in due}
            late = [one for one in due if now - waiting[id(one)] > _PATIENCE_S]
            if late and self._slack.sockets:
                soonest = min(one.due for one in late if one.due is not None)
                await self._slack.forward(max(0.0, soonest - self._slack.now))
                for one in late:
                    waiting.pop(id(one), None)

    async def says(self, person: str, words: str) -> Sent:
        return SlackSent(await self._user(person).mentions(SLACK_ROOM, words))

    async def types(self, person: str, command: str) -> Sent:
        name, _, rest = command.partition(" ")
        return SlackSent(await self._user(person).command(SLACK_ROOM, name, rest))

    async def presses(self, person: str, action: int, verb: str) -> Sent | None:
        label = say(text(f"button_{verb}"), "en")
        shown = [
            m
            for m in self._slack.screen(SLACK_ROOM, _SLACK[person])
            if f"#{action} " in m.title and label in m.buttons and m.only_for is None
        ]
        if not shown:
            return None
        return SlackSent(await self._user(person).press(SLACK_ROOM, shown[-1].ts, label))

    async def rejects(self, person: str, action: int, reason: str) -> Sent | None:
        pressed = await self.presses(person, action, "reject")
        if pressed is None:
            return None
        user = self._user(person)
        deadline = time.monotonic() + 3 * _PATIENCE_S
        while time.monotonic() < deadline and not pressed.lost:
            if any(view.user == user.id and view.open for view in self._slack.views):
                return SlackSent(await user.submits(None, reason))
            await asyncio.sleep(0.02)
        # No form came: whoever waits for one types it.
        return await self.types(person, f"/reject {action} {reason}")

    def _user(self, person: str) -> Any:
        return self._slack.user(_SLACK[person], person)


@dataclass
class TelegramSent:
    telegram: TelegramDouble
    update: Mapping[str, Any]
    lost = False

    @property
    def acked(self) -> bool:
        return self.update not in self.telegram.updates.pending


class TelegramRoom:
    """A group."""

    name = "telegram"

    def __init__(self, telegram: TelegramDouble) -> None:
        self._telegram = telegram

    async def says(self, person: str, words: str) -> Sent:
        mention = f"@{self._telegram.state.username}"
        self._user(person).says(TELEGRAM_ROOM, f"{mention} {words}")
        return self._sent()

    async def types(self, person: str, command: str) -> Sent:
        self._user(person).command(TELEGRAM_ROOM, command)
        return self._sent()

    async def presses(self, person: str, action: int, verb: str) -> Sent | None:
        label = say(text(f"button_{verb}"), "ko")
        shown = [
            m
            for m in self._telegram.cards(TELEGRAM_ROOM)
            if f"#{action} " in m.text.partition("\n")[0] and label in m.buttons
        ]
        if not shown:
            return None
        self._user(person).press(TELEGRAM_ROOM, shown[-1].id, label)
        return self._sent()

    async def rejects(self, person: str, action: int, reason: str) -> Sent | None:
        return await self.types(person, f"/reject {action} {reason}")

    def _sent(self) -> Sent:
        return TelegramSent(self._telegram, self._telegram.updates.handed_out[-1])

    def _user(self, person: str) -> Any:
        return self._telegram.user(_TELEGRAM[person], person)


@dataclass
class WebSent:
    frame: dict[str, Any]
    acked = False
    refused = ""
    lost = False


@dataclass
class WebPage:
    """One person's page: it connects again, and sends again what was not acknowledged."""

    person: str
    addresses: list[str]
    secret: str
    draw: random.Random
    sent: list[WebSent] = field(default_factory=list)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Message id → the newest state of it that was shown."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Any = field(default_factory=itertools.count)

    async def serve(self) -> None:
        """Stay connected, until cancelled."""
        while True:
            address = self.draw.choice(self.addresses).replace("http", "ws")
            try:
                async with connect(
                    f"{address}/ws/chat/{WEB_ROOM}/{self.person}/HUMAN",
                    additional_headers={"Authorization": f"Bearer {self.secret}"},
                    open_timeout=5,
                    close_timeout=0.2,
                ) as socket:
                    await self._talk(socket)
            except (OSError, WebSocketException, TimeoutError):
                pass  # it is away for the moment
            await asyncio.sleep(0.05)

    async def _talk(self, socket: Any) -> None:
        both = [asyncio.create_task(work(socket)) for work in (self._read, self._write)]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _write(self, socket: Any) -> None:
        told: set[int] = set()
        while True:
            self._wake.clear()
            for one in self.sent:
                if not one.acked and not one.refused and id(one) not in told:
                    told.add(id(one))
                    await socket.send(json.dumps(one.frame))
            await self._wake.wait()

    async def _read(self, socket: Any) -> None:
        async for raw in socket:
            self._take(json.loads(raw))

    def _take(self, frame: dict[str, Any]) -> None:
        messages = frame["messages"] if frame["type"] == "history" else [frame]
        for message in messages:
            if "message_id" in message and "content" in message:
                self.shown[message["message_id"]] = message
        for one in self.sent:
            if one.frame["id"] == frame.get("id"):
                one.acked |= frame["type"] == "ack"
                # "slow down" and "not kept" may be sent again; the page would ask its person.
                one.refused = frame.get("code", "") if frame["type"] == "error" else ""

    def send(self, frame: dict[str, Any]) -> WebSent:
        frame = frame | {"id": f"{self.person}-{next(self._numbers)}"}
        self.sent.append(WebSent(frame))
        self._wake.set()
        return self.sent[-1]

    def button(self, action: int, verb: str) -> tuple[str, str] | None:
        """Message id and token of a button on the newest card of an action."""
        label = say(text(f"button_{verb}"), LANGUAGES[self.person])
        for key, message in reversed(self.shown.items()):
            card = message.get("card") or {}
            if str(card.get("title", "")).startswith(f"#{action} "):
                for button in card["buttons"]:
                    if button["label"] == label:
                        return key, str(button["token"])
        return None


class WebRoom:
    """The built-in room, with a page for everybody."""

    name = "web"

    def __init__(self, stage: Stage, draw: random.Random) -> None:
        secrets = stage.ground.secrets
        self.pages = {
            name: WebPage(name, stage.addresses, secrets[name], draw) for name in WEB_PEOPLE
        }

    async def says(self, person: str, words: str) -> Sent:
        return self.pages[person].send({"type": "say", "text": words})

    async def types(self, person: str, command: str) -> Sent:
        return await self.says(person, command)

    async def presses(self, person: str, action: int, verb: str, reason: str = "") -> Sent | None:
        found = self.pages[person].button(action, verb)
        if found is None:
            return None
        message, token = found
        frame = {"type": "press", "message_id": message, "command_code": token, "reason": reason}
        return self.pages[person].send(frame)

    async def rejects(self, person: str, action: int, reason: str) -> Sent | None:
        return await self.presses(person, action, "reject", reason)


@dataclass
class Alarms:
    """Alertmanager: it sends a notification again until somebody says that it was taken."""

    addresses: list[str]
    secret: str
    draw: random.Random
    taken: list[str] = field(default_factory=list)
    """The fingerprint of each notification that was answered with 200."""
    cut: list[str] = field(default_factory=list)
    """Of those whose sender was stopped before there was an answer: nobody knows."""
    _turn: Any = field(default_factory=itertools.count)

    async def fire(self, host: str, *, over: bool = False) -> None:
        """One notification about a host."""
        try:
            await self._fire(host, over=over)
        except asyncio.CancelledError:
            self.cut.append(host)
            raise

    async def _fire(self, host: str, *, over: bool) -> None:
        alert = {
            "status": "resolved" if over else "firing",
            "labels": {"alertname": "Slow", "severity": "critical", "instance": host},
            "annotations": {
                "summary": "upstream request timed out",
                "turn": str(next(self._turn)),
            },
            "fingerprint": host,
        }
        headers = {"Authorization": f"Bearer {self.secret}"}
        while True:
            address = self.draw.choice(self.addresses)
            try:
                async with httpx.AsyncClient(base_url=address, timeout=5, verify=False) as http:
                    body = {"version": "4", "alerts": [alert]}
                    answer = await http.post("/webhooks/alertmanager", json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200:
                if not over:
                    self.taken.append(host)
                return
            assert answer.status_code >= 500, answer.text
            await asyncio.sleep(0.05)


@dataclass
class Rooms:
    """Everybody who talks to the bot in one case."""

    stage: Stage
    seed: int

    def __post_init__(self) -> None:
        outside: World = self.stage.outside
        draw = random.Random(self.seed)
        self.slack = SlackRoom(outside.slack)
        self.telegram = TelegramRoom(outside.telegram)
        self.web = WebRoom(self.stage, draw)
        secret = self.stage.ground.secrets["prometheus"]
        self.alarms = Alarms(self.stage.addresses, secret, draw)

    def of(self, platform: str) -> Room:
        found: dict[str, Room] = {
            "slack": self.slack,
            "telegram": self.telegram,
            "web": self.web,
        }
        return found[platform]

    def open(self) -> str:
        """What somebody still waits to have acknowledged; "" when there is nothing."""
        outside = self.stage.outside
        if due := [one for one in outside.slack.sent if one.due is not None]:
            return f"slack: {due[0].kind}"
        if outside.telegram.updates.pending:
            return f"telegram: {outside.telegram.updates.pending[0]}"
        for page in self.web.pages.values():
            for one in page.sent:
                if not one.acked and not one.refused:
                    return f"web: {one.frame}"
        return ""

    def begin(self) -> list[asyncio.Task[None]]:
        """What goes on by itself: Slack's clock and the open pages."""
        works = [self.slack.serve(), *(page.serve() for page in self.web.pages.values())]
        return [asyncio.create_task(work) for work in works]
