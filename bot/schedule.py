"""The ticks. Each is harmless to run twice and is skipped while its last run is still on.

APScheduler reckons with the wall clock.  Set forward by a day it would count every tick of that
day, and set back by a day it would be silent until the day is over; here neither happens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

log = logging.getLogger(__name__)

Tick = Callable[[], Awaitable[object]]

_LOOK_S = 1.0
_SET_BACK_S = 0.5
"""Steps this small the clock makes all the time; a tick is that much late, no more."""


class _Every(BaseTrigger):  # type: ignore[misc]
    """So long after now, whenever now is: missed ticks are not counted one by one."""

    def __init__(self, seconds: float) -> None:
        self.interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self.interval


class Schedule:
    """APScheduler with our habits: one run at a time, a late tick runs once, errors are logged."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._watch: asyncio.Task[None] | None = None

    def every(self, seconds: float, name: str, tick: Tick) -> None:
        """Run ``tick`` every so many seconds, the first time after that many."""

        async def guarded() -> None:
            try:
                await tick()
            # The boundary: whatever went wrong, the next tick gets its chance.
            except Exception:
                log.exception("tick %s failed; it runs again in %s s", name, seconds)

        self._scheduler.add_job(guarded, _Every(seconds), id=name, name=name)

    def start(self) -> None:
        """From now on, in the running event loop."""
        self._scheduler.start()
        self._watch = asyncio.create_task(self._follow_the_clock(), name="clock")

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._scheduler.shutdown(wait=False)

    async def _follow_the_clock(self) -> None:
        """Plan the ticks anew when the wall clock was set back."""
        ahead = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            before, ahead = ahead, time.time() - time.monotonic()
            if ahead < before - _SET_BACK_S:
                log.warning("the clock was set back by %.0f s: ticks go on", before - ahead)
                for job in self._scheduler.get_jobs():
                    job.reschedule(job.trigger)
