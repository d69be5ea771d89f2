"""Takes what was kept from the rooms out of the inbox and hands it to the router.

Deliveries of one speaker in one room are handled in order; all others side by side, so that a
sentence that a model is thinking about never holds up somebody else's click.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

from bot.links import Links
from bot.metrics import EVENTS, HANDLING_SECONDS
from handlers.inbound import Event
from handlers.router import Router
from handlers.webhooks import intake
from storage import inbox
from storage.database import Away, Database
from storage.inbox import Delivery

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """How deliveries are taken."""

    at_once: int = 64
    """Deliveries in work at the same time."""

    most_held: int = 256
    """Deliveries taken at most, in work or behind another of the same speaker."""

    batch: int = 200
    """Rows read from the inbox at a time."""

    look_every_s: float = 1.0
    """Seconds between looks when nothing was announced (postponed deliveries come due)."""


class InboxWorker:
    """One per process."""

    def __init__(
        self,
        db: Database,
        router: Router,
        links: Links,
        settings: WorkerSettings,
    ) -> None:
        self._db = db
        self._router = router
        self._links = links
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.at_once)
        self._in_work: set[int] = set()
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._ended = asyncio.Event()
        self._closing = False
        self.turned = time.monotonic()
        """When the loop last went round."""

    async def serve(self) -> None:
        """Run until cancelled."""
        async with self._db.listen("inbox") as news:
            while True:
                self.turned = time.monotonic()
                news.clear()
                taken = await self._take()
                if taken < self._settings.batch:
                    with contextlib.suppress(TimeoutError):
                        # Not wait_for: on Python 3.11 it loses a cancel that comes with news.
                        async with asyncio.timeout(self._settings.look_every_s):
                            await news.wait()

    async def drain(self) -> None:
        """Take nothing more, and wait for what is in work. The rest stays in the inbox."""
        self._closing = True
        while self._tails:
            await asyncio.gather(*self._tails.values(), return_exceptions=True)

    async def _take(self) -> int:
        while len(self._in_work) >= self._settings.most_held:
            self._ended.clear()
            await self._ended.wait()
        async with self._db.read() as tx:
            # Rows in work are still NEW: read past them.
            limit = self._settings.batch + len(self._in_work)
            found = await inbox.waiting(tx, limit, but_not=intake.SOURCE)
        if self._closing:
            return 0
        fresh = [delivery for delivery in found if delivery.id not in self._in_work]
        for delivery in fresh:
            self._begin(delivery)
        return len(fresh)

    def _begin(self, delivery: Delivery) -> None:
        event = self._translate(delivery)
        lane = f"{event.room}|{event.speaker.user}" if event else delivery.lane
        before = self._tails.get(lane)
        self._in_work.add(delivery.id)
        task = asyncio.create_task(
            self._handle(delivery, event, before), name=f"inbox-{delivery.id}"
        )
        self._tails[lane] = task

        def end(finished: asyncio.Task[None]) -> None:
            self._ended.set()
            self._in_work.discard(delivery.id)
            if self._tails.get(lane) is finished:
                del self._tails[lane]
            if not finished.cancelled() and finished.exception() is not None:
                error = finished.exception()
                trace = None if isinstance(error, Away) else error
                log.error("inbox %s: storing failed: %s", delivery.id, error, exc_info=trace)

        task.add_done_callback(end)

    async def _handle(
        self, delivery: Delivery, event: Event | None, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        kind = event.kind.value if event else "ignored"
        # Only now: whoever waits behind their own earlier sentence takes no place from others.
        async with self._slots:
            if self._closing:
                return  # not begun: it stays in the inbox
            EVENTS.labels(delivery.source, kind).inc()
            with HANDLING_SECONDS.labels(kind).time():
                await self._router.handle(delivery, event)

    def _translate(self, delivery: Delivery) -> Event | None:
        try:
            return self._links.translate(delivery.source, delivery.body)
        # The boundary: a poison delivery must not stop the ones behind it.
        except Exception:
            log.exception("inbox %s: %s sent what cannot be read", delivery.id, delivery.source)
            return None
