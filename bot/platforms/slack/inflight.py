"""How many deliveries are between arrival and answer; stop() waits for none."""

from __future__ import annotations

import asyncio
from types import TracebackType


class InFlight:
    """A count with a moment of rest: ``with inflight: …`` and ``await inflight.finished(5)``."""

    def __init__(self) -> None:
        self._open = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._open += 1
        self._none.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open -= 1
        if not self._open:
            self._none.set()

    async def finished(self, seconds: float) -> bool:
        """Wait until none is open; False when some still are after ``seconds``."""
        try:
            await asyncio.wait_for(self._none.wait(), seconds)
        except TimeoutError:
            return False
        return True
