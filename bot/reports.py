"""Takes kept reports out of the inbox, one delivery after the other.

They have a loop of their own: a thousand alerts must not keep a person's click waiting, and "over"
must never be handled before "it fires".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from bot.metrics import EVENTS, HANDLING_SECONDS
from handlers.services import Services
from handlers.webhooks import intake
from storage import inbox
from storage.database import Away
from storage.inbox import Delivery

log = logging.getLogger(__name__)

_KIND = "report"


@dataclass(frozen=True)
class ReportWorkerSettings:
    """How reports are taken."""

    batch: int = 100
    """Rows read from the inbox at a time."""

    tries: int = 3
    """Tries of one delivery, one right after the other, so that the order is kept."""

    pause_s: float = 0.2
    """Seconds between two tries."""

    give_way_s: float = 0.1
    """Seconds without a notification after which a burst of them is over."""

    patience_s: float = 3.0
    """Seconds that a burst may hold up what is behind it: its senders wait for their answers."""

    look_every_s: float = 1.0
    """Seconds between looks when nothing was announced."""


class ReportWorker:
    """One per process."""

    def __init__(self, services: Services, settings: ReportWorkerSettings | None = None) -> None:
        self._db = services.db
        self._services = services
        self._settings = settings or ReportWorkerSettings()
        self._arriving = asyncio.Event()
        self._patience = self._settings.patience_s

    async def serve(self) -> None:
        """Run until cancelled."""
        async with (
            self._db.listen("inbox") as news,
            self._db.listen(intake.SOURCE) as self._arriving,
        ):
            while True:
                news.clear()
                if await self.run_once() == 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.look_every_s):
                            await news.wait()

    async def run_once(self) -> int:
        """Handle what waits, in order; gives how many deliveries that were."""
        async with self._db.read() as tx:
            found = await inbox.waiting(tx, self._settings.batch, source=intake.SOURCE)
        for delivery in found:
            EVENTS.labels(intake.SOURCE, _KIND).inc()
            await self._give_way()
            with HANDLING_SECONDS.labels(_KIND).time():
                await self._handle(delivery)
        if not found:
            self._patience = self._settings.patience_s
        return len(found)

    async def _give_way(self) -> None:
        """Senders of a burst get their answers first, until it is over or has taken too long."""
        while self._arriving.is_set() and self._patience > 0:
            self._arriving.clear()
            self._patience -= self._settings.give_way_s
            await asyncio.sleep(self._settings.give_way_s)

    async def _handle(self, delivery: Delivery) -> None:
        what = ""
        for left in reversed(range(self._settings.tries)):
            try:
                async with self._db.write() as tx:
                    if await inbox.done(tx, delivery.id):
                        await intake.handle(tx, self._services, delivery.body)
                return
            except Away:
                # No fault of this delivery: the loop begins again here when the database is back.
                raise
            # The boundary: a bug met by one delivery must not stop the ones behind it.
            except Exception as error:
                log.exception("inbox %s: reports could not be taken", delivery.id)
                what = f"{type(error).__name__}: {error}"[:500]
            if left:
                await asyncio.sleep(self._settings.pause_s)
        async with self._db.write() as tx:
            await inbox.fail(tx, delivery.id, what)
