"""Button presses that wait for an answer: until one comes, the button spins."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]
_REMEMBERED = 2000


class Presses:
    """Each press is answered once: with words in time, or empty when no words came."""

    def __init__(
        self, answer_empty: Callable[[str], Awaitable[None]], patience: float, sleep: Sleep
    ) -> None:
        self._answer_empty = answer_empty
        self._patience = patience
        self._sleep = sleep
        self._seen: OrderedDict[str, bool] = OrderedDict()  # id → answered
        self._timers: dict[str, asyncio.Task[None]] = {}

    def opened(self, callback: str) -> None:
        """A press came in. A repeated delivery of it changes nothing."""
        if callback in self._seen:
            return
        self._seen[callback] = False
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        timer = asyncio.create_task(self._expire(callback), name=f"telegram press {callback}")
        self._timers[callback] = timer
        timer.add_done_callback(lambda _: self._timers.pop(callback, None))

    def claim(self, callback: str) -> bool:
        """May the caller answer it now? True once; also for a press from before a restart."""
        if self._seen.get(callback, False):
            return False
        self._seen[callback] = True
        timer = self._timers.get(callback)
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()
        return True

    def release(self, callback: str) -> None:
        """The answer did not get through: whoever tries again may claim it again."""
        self._seen[callback] = False

    async def close(self) -> None:
        """Stop the timers. Presses still open get their words after the restart, or none."""
        timers = list(self._timers.values())
        for timer in timers:
            timer.cancel()
        await asyncio.gather(*timers, return_exceptions=True)

    async def _expire(self, callback: str) -> None:
        await self._sleep(self._patience)
        if self.claim(callback):
            await self._answer_empty(callback)
