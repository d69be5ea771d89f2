"""Places that several runs share: one with a single host does not wait for one with a hundred."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """So many places; when one becomes free, the runs that wait get it one after another."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: OrderedDict[object, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, run: object) -> AsyncIterator[None]:
        """Hold a place; ``run`` (anything hashable) says for whom."""
        await self.take(run)
        try:
            yield
        finally:
            self.give()

    async def take(self, run: object) -> None:
        """Wait for a place. Whoever took one gives it back."""
        if self._free:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(run, deque())
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self.give()  # it was handed over at the very moment of the cancel
            raise

    def give(self) -> None:
        """Hand the place to the run whose turn it is, else keep it free."""
        while self._waiting:
            run, queue = self._waiting.popitem(last=False)
            place = queue.popleft()
            if queue:
                self._waiting[run] = queue
            # Whoever was cancelled while it waited is passed over: it may not know yet.
            if not place.cancelled():
                place.set_result(None)
                return
        self._free += 1
