"""The Socket Mode link, and a watchdog that trusts only the monotonic clock.

The SDK reconnects by itself, but it measures silence with the wall clock (a clock set back hides a
dead socket) and has been seen stuck.  The watchdog counts silence itself and, past the limit,
throws the whole handler away and makes a new one.  What was unacknowledged Slack sends again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import aiohttp
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.platforms.port import Health
from bot.platforms.slack.calls import Calls
from bot.platforms.slack.inflight import InFlight
from bot.platforms.slack.settings import SlackSettings
from prompts.texts import text
from storage import failpoints

log = logging.getLogger(__name__)


class _Handler(AsyncSocketModeHandler):
    """Bolt's handler that also counts deliveries between arrival and acknowledgement."""

    open_deliveries: InFlight

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        with self.open_deliveries:
            await super().handle(client, req)  # type: ignore[arg-type]
            failpoints.after("slack.ack")


class SocketLink:
    """One Socket Mode connection that stays up. ``monotonic`` is seconds that only go forward."""

    def __init__(
        self,
        settings: SlackSettings,
        app: AsyncApp,
        calls: Calls,
        logger: logging.Logger,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._app = app
        self._calls = calls
        self._logger = logger
        self._monotonic = monotonic
        self.open_deliveries = InFlight()
        self._handler: _Handler | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._heard = monotonic()
        self._pong: float | None = None

    async def open(self) -> None:
        """Connect; past connect_timeout it goes on in the background. Raises Refused: bad key."""
        client = self._calls.client
        address = await self._calls(
            client.apps_connections_open, app_token=self._settings.app_token
        )
        connecting = self._begin(str(address["url"]))
        await asyncio.wait({connecting}, timeout=self._settings.connect_timeout)

    def _begin(self, address: str | None = None) -> asyncio.Task[None]:
        handler = _Handler(
            self._app,
            self._settings.app_token,
            logger=self._logger,
            web_client=self._calls.client,
            ping_interval=self._settings.ping_interval,
        )
        handler.open_deliveries = self.open_deliveries
        handler.client.wss_uri = address
        handler.client.on_message_listeners.append(self._on_message)
        self._handler = handler
        self._heard, self._pong = self._monotonic(), None
        self._connecting = asyncio.create_task(handler.connect_async())  # type: ignore[no-untyped-call]
        return self._connecting

    async def _on_message(self, _: aiohttp.WSMessage) -> None:
        self._heard = self._monotonic()

    async def look(self) -> None:
        """One look of the watchdog: rebuild the link when it has been silent for too long."""
        client = self._client
        if client is None:
            return
        # The SDK keeps the send time of the last answered ping: we only look whether it changed.
        if client.last_ping_pong_time != self._pong and _alive(client):
            self._pong, self._heard = client.last_ping_pong_time, self._monotonic()
        if self.silence() > self._settings.silence_limit:
            log.warning("slack: silent for %.0f s: making a new socket", self.silence())
            await self.close()
            self._begin()

    def silence(self) -> float:
        """Seconds since anything was heard."""
        return self._monotonic() - self._heard

    async def close(self) -> None:
        """Disconnect and free everything."""
        handler, self._handler = self._handler, None
        connecting, self._connecting = self._connecting, None
        if handler is not None:
            # A half-open socket answers no close: do not wait for it for long.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                closing = handler.close_async()  # type: ignore[no-untyped-call]
                await asyncio.wait_for(closing, timeout=self._settings.drain_timeout)
        await _end(connecting)
        if handler is not None:
            client = handler.client
            for task in (client.message_processor, client.current_session_monitor):
                await _end(task)
            await _end(client.message_receiver)
            await client.aiohttp_client_session.close()

    def health(self) -> Health:
        """Connected and heard of lately, or not."""
        client = self._client
        if client is None or not _alive(client):
            return Health(False, text("link_socket_down"))
        silence = self.silence()
        if silence > self._settings.silence_limit:
            return Health(False, text("link_socket_silent", seconds=round(silence)))
        return Health(True, text("link_socket_up", seconds=round(silence)))

    @property
    def _client(self) -> SocketModeClient | None:
        return self._handler.client if self._handler is not None else None


def _alive(client: SocketModeClient) -> bool:
    session = client.current_session
    return not client.closed and session is not None and not session.closed


async def _end(task: asyncio.Future[None] | None) -> None:
    if task is None or task is asyncio.current_task():
        return
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait({task}, timeout=1)
