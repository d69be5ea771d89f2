"""A Slack workspace: Web API, Socket Mode, signed requests; strict, and able to fail.

    async with SlackDouble() as slack:          # or: await slack.start() … await slack.stop()
        SlackSettings(bot_token=slack.bot_token, app_token=slack.app_token,
                      signing_secret=slack.signing_secret, api_url=slack.api_url)
        slack.deliver_to(url_or_callable)       # HTTP mode; without it deliveries go to sockets

Places      slack.channel("C1", "ops", members=["U1"])     kind="channel|group|im|mpim", bot=False
            slack.direct("U1")                  the conversation of U1 with the bot
People      kim = slack.user("U1", "kim")       team="T9": a guest of another workspace
            await kim.says("C1", "text")        thread_ts=…; mentions(…) says_directly(…) edits(…)
            await kim.command("C1", "/approve", "17 ok")
            await kim.press("C1", ts_or_None, "Approve")   press_token(…): forged or stale token
            await kim.submits(None, "the reason")          the open form; kim.view looks at it
            each gives a Delivery: await (await kim.says(…)).acknowledged()
Screens     slack.screen("C1")                  what everybody sees now: list[Shown]
            slack.screen("C1", "U1")            what U1 sees, whispers to U1 included
            await slack.until(lambda: …)        wait (real seconds) until it holds
Faults      slack.faults.next("chat.postMessage", retry_after=2)   429
                or status=503, error="channel_not_found", drop=True, lose_reply=True; times=3
            slack.drop_acks(1)  repeat_next(2)  hold()/release(reversed)  disconnect()  cut()
            slack.frozen = True                 sockets are half open; refuse_sockets: new get 403
            slack.dead_error = "token_revoked"  every call is answered so
Time        await slack.forward(3)              the double's own clock: triggers die after 3 s; what
                was not acknowledged comes again after 3 s, events then after 1 and 5 minutes
Judgement   slack.violations                    every limit the bot broke; should end empty
            slack.calls("chat.postMessage")     the arguments of each call so far
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.doubles.slack_api import Faults, Refusal, WebApi
from tests.doubles.slack_delivery import EVENT, Deliveries, Delivery
from tests.doubles.slack_people import User
from tests.doubles.slack_state import Channel, Message, Shown, Upload, View, shown

TRIGGER_SECONDS = 3
_EPOCH = 1_795_165_200


class SlackDouble(Deliveries):
    """One workspace with one app in it. ``wall`` stamps signatures: seconds since 1970."""

    def __init__(self, team: str = "T1", wall: Callable[[], float] = time.time) -> None:
        super().__init__(self)
        self.team, self.wall = team, wall
        self.bot_user, self.bot_id, self.app_id = "UBOT", "BBOT", "A1"
        self.bot_token = "xoxb-1-canary-bot-token"
        self.app_token = "xapp-1-canary-app-token"
        self.signing_secret = "canary-signing-secret"
        self.dead_error = ""  #: every call is answered with this error
        self.echo_own_messages = True  #: Slack tells an app of its own messages too
        self.now = 0.0
        self.url = ""
        self.channels: dict[str, Channel] = {}
        self.people: dict[str, User] = {}
        self.views: list[View] = []
        self.uploads: dict[str, Upload] = {}
        self.violations: list[str] = []
        self.faults = Faults()
        self._log: list[tuple[str, dict[str, Any]]] = []
        self._triggers: dict[str, tuple[str, float]] = {}
        self._used_triggers: set[str] = set()
        self._count = 0
        self._change = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # Life

    async def start(self) -> None:
        """Listen on a free port of the loopback (the same one when started again)."""
        api = WebApi(self)
        app = web.Application(client_max_size=20_000_000)
        app.router.add_route("*", "/api/{method}", api.handle)
        app.router.add_post("/upload/{id}", api.take_upload)
        app.router.add_get("/link/", self.accept)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Stop listening; everything that is open breaks. What happened is kept."""
        await super().stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    # Places and people

    def channel(
        self,
        key: str,
        name: str = "",
        *,
        members: Iterable[str] = (),
        kind: str = "channel",
        bot: bool = True,
    ) -> Channel:
        """Make a channel; everybody in ``members`` is there, and the bot if ``bot``."""
        self.channels[key] = Channel(key, name or key.lower(), kind, set(members), bot)
        return self.channels[key]

    def user(self, key: str, name: str = "", *, team: str = "") -> User:
        """A person by id and workspace; made on first sight."""
        team = team or self.team
        known = self.people.get(key)
        if known is not None and known.team == team:
            return known
        person = User(self, key, name or key.lower(), team)
        self.people.setdefault(key, person)
        return person

    def direct(self, user: str) -> Channel:
        """The one-to-one conversation of a person with the bot."""
        key = f"D{user}"
        if key not in self.channels:
            self.channel(key, members=[user], kind="im")
        return self.channels[key]

    # Screens

    def screen(self, channel: str, user: str | None = None) -> list[Shown]:
        """What is to be read in a channel now, oldest first; with ``user``, as that person."""
        return [
            shown(message)
            for message in self.channels[channel].messages
            if not message.deleted and message.only_for in (None, user)
        ]

    async def until(self, holds: Callable[[], Any], patience: float = 10) -> Any:
        """Wait until ``holds()`` is true, looking after every change; gives its value."""
        async with asyncio.timeout(patience):
            while not (found := holds()):
                self._change.clear()
                # Not everything that a test may ask about happens here: look now and then.
                waiting = asyncio.create_task(self._change.wait())
                await asyncio.wait({waiting}, timeout=0.02)
                waiting.cancel()
        return found

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The arguments of each call of a method so far."""
        return [arguments for name, arguments in self._log if name == method]

    # Time

    async def forward(self, seconds: float) -> None:
        """Move the double's clock, and do what has become due."""
        self.now += seconds
        await self.tick()

    # For the other parts of the double

    def changed(self) -> None:
        self._change.set()

    def note_call(self, method: str, arguments: dict[str, Any]) -> None:
        self._log.append((method, arguments))

    def new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:06d}"

    def new_ts(self) -> str:
        self._count += 1
        return f"{_EPOCH + int(self.now)}.{self._count:06d}"

    def new_trigger(self, user: str) -> str:
        trigger = self.new_id("trigger.")
        self._triggers[trigger] = (user, self.now + TRIGGER_SECONDS)
        return trigger

    def use_trigger(self, trigger: str) -> str:
        """The user a trigger belongs to; each is good once, for three seconds."""
        if trigger in self._used_triggers:
            raise Refusal("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise Refusal("invalid_trigger_id")
        user, until = self._triggers[trigger]
        if self.now > until:
            raise Refusal("expired_trigger_id")
        self._used_triggers.add(trigger)
        return user

    def open_view(self, user: str, view: dict[str, Any]) -> View:
        self.views.append(View(self.new_id("V"), user, view))
        self.changed()
        return self.views[-1]

    def close_view(self, key: str) -> None:
        for view in self.views:
            if view.id == key:
                view.open = False
        self.changed()

    def event_body(self, event: dict[str, Any]) -> dict[str, Any]:
        """The envelope around an event."""
        return {
            "token": "verification-token",
            "team_id": self.team,
            "context_team_id": self.team,
            "api_app_id": self.app_id,
            "type": "event_callback",
            "event_id": self.new_id("Ev"),
            "event_time": _EPOCH + int(self.now),
            "event": event,
            "authorizations": [{"team_id": self.team, "user_id": self.bot_user, "is_bot": True}],
        }

    async def deliver(self, kind: str, payload: dict[str, Any], ts: str = "") -> Delivery:
        """Hand a delivery of any content to the bot."""
        return await self.send(Delivery(kind, payload, self.new_id("env-"), ts))

    def echo(self, message: Message, subtype: str | None) -> None:
        """Tell the bot of its own message, as Slack does."""
        place = self.channels[message.channel]
        listening = self.sockets or self._target
        if not self.echo_own_messages or not listening:
            return
        own = {
            "type": "message",
            "user": self.bot_user,
            "bot_id": self.bot_id,
            "app_id": self.app_id,
            "text": message.text,
            "ts": message.ts,
        }
        event = own | {"channel": place.id, "channel_type": place.kind}
        if subtype:
            event = {k: v for k, v in event.items() if k not in ("user", "bot_id", "text")}
            event |= {"subtype": subtype, "hidden": True, "message": own}
        self._spawn(self._echo(event))

    async def _echo(self, event: dict[str, Any]) -> None:
        await self.deliver(EVENT, self.event_body(event))
