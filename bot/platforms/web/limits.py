"""How much one connection, and one address, may ask for."""

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


class Attempts:
    """Counts failed sign-ins per address; after ``limit`` within ``window`` seconds, no more."""

    def __init__(
        self, limit: int = 10, window: float = 300.0, clock: Seconds = time.monotonic
    ) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._failed: dict[str, list[float]] = {}

    def allowed(self, address: str) -> bool:
        """Whether this address may try (again)."""
        return len(self._recent(address)) < self._limit

    def failed(self, address: str) -> None:
        """Note a failed try."""
        if len(self._failed) >= 10_000:  # many addresses at once: forget those that are quiet
            self._failed = {a: times for a in self._failed if (times := self._recent(a))}
        self._failed[address] = [*self._recent(address), self._clock()]

    def _recent(self, address: str) -> list[float]:
        after = self._clock() - self._window
        return [at for at in self._failed.get(address, ()) if at > after]
