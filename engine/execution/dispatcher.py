"""Hands out work in the one process there is: the rows are the queue, and a loop looks at them."""

from __future__ import annotations

import asyncio
import contextlib

from engine.execution.runs import Runs
from storage.database import Database


class Dispatcher:
    """The dispatch of a database that one process has for itself (SQLite)."""

    def __init__(self, db: Database, runs: Runs) -> None:
        self._db = db
        self._runs = runs
        self._looking = asyncio.Lock()

    async def recover(self) -> list[int]:
        """Whatever was RUNNING when the last process ended is UNKNOWN now."""
        return await self._runs.recover("the process ended while it ran")

    async def serve(self) -> None:
        """Begin what may begin, whenever something moved; until cancelled."""
        settings = self._runs.settings
        async with self._db.listen("actions") as news:
            while True:
                news.clear()
                async with self._looking:
                    await self._runs.tell_lost()
                    room = settings.at_once - self._runs.under_way
                    for waiting in await self._runs.next_up(room):
                        self._runs.start(waiting.id)
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: on Python 3.11 it loses a cancel that comes with news.
                    async with asyncio.timeout(settings.look_every_s):
                        await news.wait()

    async def drain(self) -> None:
        """Begin nothing more, and wait for what runs. The rest is rows: the next start runs it."""
        await self._runs.drain()
