"""How much one connection may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable

Seconds = Callable[[], float]


class Bucket:
    """Lets ``burst`` through at once and ``per_second`` after that."""

    def __init__(self, per_second: float, burst: int, clock: Seconds = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more is within the limit; if so it is counted."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
