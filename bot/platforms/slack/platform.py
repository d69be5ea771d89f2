"""Slack as a platform: the port's methods on Bolt and the Web API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from bot.platforms.port import Draft, Health, Keep, SendRetry
from bot.platforms.slack.calls import Calls
from bot.platforms.slack.door import Answer, Door
from bot.platforms.slack.intake import Identity, Intake
from bot.platforms.slack.journal import sdk_logger
from bot.platforms.slack.link import SocketLink
from bot.platforms.slack.reading import read
from bot.platforms.slack.sending import Sending
from bot.platforms.slack.settings import HTTP, SlackSettings
from handlers.inbound import Event, RoomAddress
from prompts.texts import text

log = logging.getLogger(__name__)


class SlackPlatform:
    """A Slack workspace. ``wall``: seconds since 1970; ``monotonic``: seconds, only forward."""

    name = "slack"

    def __init__(
        self,
        settings: SlackSettings,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.per_room_interval = settings.per_room_interval
        logger = sdk_logger((settings.bot_token, settings.app_token, settings.signing_secret))
        self._identity: Identity | None = None
        self._intake = Intake(lambda: self._identity)
        self._calls = Calls(settings, logger)
        self._sending = Sending(self._calls, lambda: self._identity, self._intake.learn_direct)
        self._app = AsyncApp(
            client=self._calls.client,
            logger=logger,
            before_authorize=self._intake,
            # The door below checks signatures: Bolt's check answers 500 to some bad ones and logs
            # the rejected body.
            request_verification_enabled=False,
            ssl_check_enabled=False,
        )
        self._app.error(_not_taken)
        self._door: Door | None = None
        self._link: SocketLink | None = None
        if settings.mode == HTTP:
            self._door = Door(
                settings.signing_secret, settings.max_body, self._app.async_dispatch, wall
            )
        else:
            self._link = SocketLink(settings, self._app, self._calls, logger, monotonic)
        self._watchdog: asyncio.Task[None] | None = None
        self._linked = False

    async def start(self, keep: Keep) -> None:
        """Learn who we are, connect, take deliveries.

        With Slack out of reach it returns all the same and goes on trying; health() tells.
        Raises SendRefused when Slack does not know a token.
        """
        await self._calls.open()
        self._intake.open(keep)
        try:
            with contextlib.suppress(SendRetry):
                await self._connect()
        except BaseException:
            await self.stop()
            raise
        self._watchdog = asyncio.create_task(self._watch())

    async def _connect(self) -> None:
        if self._identity is None:
            await self._learn_identity()
        if self._link is not None and not self._linked:
            await self._link.open()
            self._linked = True

    async def _learn_identity(self) -> None:
        me = await self._calls(self._calls.client.auth_test)
        await self._learn_conversations()
        self._identity = Identity(me["team_id"], me["user_id"], me.get("bot_id") or "")

    async def _learn_conversations(self) -> None:
        """Which one-to-one conversations are ours: Slack does not say so with a slash command."""
        cursor = ""
        while True:
            page = await self._calls(
                self._calls.client.users_conversations, types="im", limit=200, cursor=cursor
            )
            for channel in page.get("channels", []):
                self._intake.learn_direct(channel["id"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.watchdog_interval)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 (the watchdog must outlive whatever it meets)
                log.warning("slack: watchdog: %s: %s", type(error).__name__, error)

    async def look(self) -> None:
        """One look of the watchdog; whoever cannot wait for the next may ask for one."""
        if self._identity is None or (self._link is not None and not self._linked):
            await self._connect()
        elif self._calls.trouble:
            await self._calls(self._calls.client.auth_test)
        if self._link is not None and self._linked:
            await self._link.look()

    async def stop(self) -> None:
        """Stop taking deliveries, finish the open ones, disconnect."""
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.cancel()
            await asyncio.wait({watchdog})
        self._intake.close()
        await self._intake.open_deliveries.finished(self.settings.drain_timeout)
        if self._link is not None:
            await self._link.open_deliveries.finished(self.settings.drain_timeout)
            await self._link.close()
            self._linked = False
        await self._calls.close()

    async def http(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One POST to /slack/events: status, headers and body of the answer. Never raises."""
        if self._door is None:
            return 404, {"content-type": "text/plain"}, b"slack is in socket mode"
        return await self._door(body, headers)

    def translate(self, raw: Mapping[str, Any]) -> Event | None:
        """A kept delivery as an event; None when it is nothing to act on."""
        return read(raw)

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        """Show it to the channel (in the thread it answers); gives the message's ts."""
        return await self._sending.post(room.address, draft)

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        """Rewrite a message in place. Raises SendGone when Slack no longer lets us."""
        return await self._sending.edit(room.address, message, draft)

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:
        """Answer one person: an ephemeral message, or their direct conversation with the bot."""
        await self._sending.whisper(room.address, user, draft)

    async def ask_reason(self, room: RoomAddress, user: str, token: str, draft: Draft) -> bool:  # noqa: ARG002
        """Open the modal. False when the three seconds that Slack gives for it have passed."""
        return await self._sending.ask_reason(room, token, draft)

    def health(self) -> Health:
        """The truth about the link, by the last call and the last thing heard."""
        if self._calls.trouble:
            return Health(False, self._calls.trouble)
        if self._link is not None:
            return self._link.health()
        if self._identity is None:
            return Health(False, text("link_http_down"))
        return Health(True, text("link_http_up", seconds=round(self._calls.idle())))


async def _not_taken(error: Exception) -> BoltResponse:
    # No body, no headers: a delivery that was not kept must not end up in a log file either.
    log.error("slack: delivery not acknowledged: %s: %s", type(error).__name__, error)
    return BoltResponse(status=503, body="")
