"""The link to Telegram: who we are, and how deliveries come in. It never ends by itself.

The library's own Updater confirms updates that it only has in memory.  Here an update is confirmed
by the request after the one that brought it, and that request is made once its inbox row is
committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.platforms.port import Health, Turn
from bot.platforms.telegram.budget import Monotonic
from bot.platforms.telegram.calls import Calls, seconds_of
from bot.platforms.telegram.presses import Sleep
from bot.platforms.telegram.reading import Bot, update_id
from bot.platforms.telegram.settings import TelegramSettings
from prompts.texts import Text, say, text

log = logging.getLogger(__name__)

Commands = Mapping[str, Sequence[tuple[str, str]]]
Take = Callable[[Any], Awaitable[bool]]

_SLOWEST = 30.0  # seconds between two tries after many failures
_CONFLICT = 10.0  # seconds: the other program is not gone any sooner
_WATCH = 60.0  # seconds between two looks at the webhook
_STAND_BY = 0.5  # seconds between two looks whether it is our turn to poll
_QUICK = 0.5  # seconds: an empty answer that comes sooner was no long poll


class Link:
    """Connects, then polls or watches the webhook until it is cancelled.

    ``take`` keeps one raw update and returns after the commit; True when it was new.
    """

    def __init__(
        self,
        settings: TelegramSettings,
        calls: Calls,
        commands: Commands,
        take: Take,
        turn: Turn | None = None,
        *,
        sleep: Sleep,
        monotonic: Monotonic,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._commands = commands
        self._take = take
        self._turn = turn
        self._sleep = sleep
        self._monotonic = monotonic
        self._storing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._connected = False
        self._sees_all = True
        self._offset: int | None = None
        self._stale = 0
        self._failures = 0
        self._problem: Text | None = text("link_not_started")
        self._stands_by = False
        self._no_menu = ""
        self._last_refusal: object = None
        self.me: Bot | None = None

    async def start(self) -> None:
        """Try to connect once, then go on in the background. Raises InvalidToken."""
        try:
            await self._connect()
        except InvalidToken:
            raise
        except TelegramError as error:
            self._failed(error)
        self._task = asyncio.create_task(self._run(), name="telegram link")

    async def stop(self) -> None:
        """Finish storing what is being stored, then end."""
        if self._task is None:
            return
        async with self._storing:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._problem = text("link_stopped")

    def health(self) -> Health:
        """The truth about the link."""
        if self._problem:
            return Health(False, self._problem)
        if self._task is None or self._task.done():
            return Health(False, text("link_telegram_ended"))
        if self._stands_by:
            return Health(True, text("link_telegram_stands_by"))
        name = f"@{self.me.username}, {self._settings.mode}" if self.me else ""
        told = text("link_telegram_up", name=name, private=not self._sees_all, menu=self._no_menu)
        return Health(True, told)

    async def _run(self) -> None:
        while True:
            delay = 0.0
            try:
                delay = await self._step()
                self._failures = 0
            except TelegramError as error:
                delay = self._failed(error)
            except Exception as error:  # noqa: BLE001
                # The boundary of the link: the store is away, or a bug. Nothing was confirmed, so
                # nothing is lost; the same batch comes again after a pause.
                delay = self._failed(error)
            if delay:
                await self._sleep(delay)

    async def _step(self) -> float:
        """One thing; gives the seconds to wait before the next."""
        if not self._connected:
            await self._connect()
            return 0.0
        if self._settings.mode == "polling":
            if self._turn is not None and not self._turn.ours():
                # Telegram lets one poll at a time: the process that holds the lease.
                # What went wrong with our last poll, its takeover above all, is over with it.
                self._offset, self._stands_by, self._problem = None, True, None
                return _STAND_BY
            self._stands_by = False
            return await self._poll()
        await self._sleep(_WATCH)
        await self._watch()
        return 0.0

    async def _connect(self) -> None:
        await self._calls.bot.initialize()
        user = self._calls.bot.bot
        self._sees_all = bool(user.can_read_all_group_messages)
        self.me = Bot(user.id, user.username or "")
        await self._calls.point_webhook()
        self._connected = True
        self._problem = None
        try:
            await self._calls.set_commands(self._commands)
        except TelegramError as error:
            # The menu is a convenience: typed commands work without it.
            self._no_menu = self._calls.told(error)
            log.warning("telegram: commands not registered: %s", self._calls.told(error))

    async def _poll(self) -> float:
        begun = self._monotonic()
        batch = await self._calls.updates(self._offset)
        self._problem = None
        fresh = 0
        async with self._storing:
            for raw in batch:
                fresh += await self._take(raw)
        # An offset is sent once. Ids may begin anew at any number after a quiet week, and an old
        # offset would then confirm updates that were never fetched.
        numbers = [number for number in map(update_id, batch) if number is not None]
        self._offset = max(numbers) + 1 if numbers else None
        self._stale = 0 if fresh or not batch else self._stale + 1
        if self._stale > 1:
            return min(2.0**self._stale, _SLOWEST)  # the same again: it does not take our offset
        if not batch and self._monotonic() - begun < _QUICK:
            return 1.0
        return 0.0

    async def _watch(self) -> None:
        found = await self._calls.webhook()
        if found.url != self._settings.webhook_url:
            log.warning("telegram: the webhook was changed by somebody else; set again")
            await self._calls.point_webhook()
        refusal = (found.last_error_date, found.last_error_message)
        broken = found.last_error_date is not None and refusal != self._last_refusal
        self._last_refusal = refusal
        self._problem = (
            text(
                "link_telegram_delivery",
                url=self._settings.webhook_url,
                why=found.last_error_message,
                count=found.pending_update_count,
            )
            if broken and found.pending_update_count
            else None
        )

    def _failed(self, error: Exception) -> float:
        """Say it in health and log; gives the seconds to wait."""
        self._failures += 1
        delay = min(2.0 ** min(self._failures - 1, 10), _SLOWEST)
        if isinstance(error, RetryAfter):
            delay = max(delay, seconds_of(error))
        elif isinstance(error, Conflict):
            delay = max(delay, _CONFLICT)
        elif isinstance(error, InvalidToken):
            delay = _SLOWEST
        problem = self._problem = _mend(error, self._calls.told(error))
        log.warning("telegram: %s; next try in %.0f s", say(problem, "en"), delay)
        return delay


def _mend(error: Exception, words: str) -> Text:
    if isinstance(error, Conflict):
        return text("link_telegram_conflict", why=words)
    if isinstance(error, InvalidToken):
        return text("link_telegram_token")
    if isinstance(error, TelegramError):
        return text("link_telegram_away", why=words)
    return text("link_telegram_unkept", why=words)
