"""The ticks. Each is harmless to run twice and is skipped while its last run is still on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = logging.getLogger(__name__)

Tick = Callable[[], Awaitable[object]]


class Schedule:
    """APScheduler with our habits: one run at a time, a late tick runs once, errors are logged."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(self, seconds: float, name: str, tick: Tick) -> None:
        """Run ``tick`` every so many seconds, the first time after that many."""

        async def guarded() -> None:
            try:
                await tick()
            # The boundary: whatever went wrong, the next tick gets its chance.
            except Exception:
                log.exception("tick %s failed; it runs again in %s s", name, seconds)

        self._scheduler.add_job(guarded, "interval", seconds=seconds, id=name, name=name)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)
