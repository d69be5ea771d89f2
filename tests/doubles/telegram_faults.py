"""What can go wrong at Telegram, on demand; and how fast the bot really sends."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TooMany:
    """429 with ``retry_after`` seconds; nothing was done."""

    retry_after: int = 1


@dataclass(frozen=True)
class Fail:
    """An HTTP error of Telegram's front end (500, 502 …); nothing was done."""

    status: int = 502


@dataclass(frozen=True)
class Refuse:
    """An error of the Bot API with its description, e.g. ``Refuse(403, "Forbidden: …")``."""

    code: int
    description: str


@dataclass(frozen=True)
class LostReply:
    """It was done, but the connection breaks before the reply."""


@dataclass(frozen=True)
class Dropped:
    """The connection breaks; nothing was done."""


@dataclass(frozen=True)
class Slow:
    """It is done, and the reply comes when ``gate`` is set (or at once after ``seconds``)."""

    seconds: float = 0.0
    gate: asyncio.Event | None = None


Fault = TooMany | Fail | Refuse | LostReply | Dropped | Slow


class Faults:
    """Faults waiting for the next calls, per method (or ``"webhook"`` for deliveries)."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = defaultdict(deque)

    def next(self, method: str, *faults: Fault, times: int = 1) -> None:
        """The next calls of a method meet these, in order; ``times`` repeats the list."""
        self._waiting[method].extend(faults * times)

    def clear(self) -> None:
        """No more faults."""
        self._waiting.clear()

    def take(self, method: str) -> Fault | None:
        """The fault for this call, if any."""
        waiting = self._waiting[method]
        return waiting.popleft() if waiting else None


class Pace:
    """Notes when messages are sent and says which limit was passed. Set ``on = False`` to stop.

    1/s sustained per chat (13 within 10 s is a burst, 14 is not), 30/s to all, 20/min to a group.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on = True
        self._clock = clock
        self._sent: dict[int, deque[float]] = defaultdict(lambda: deque(maxlen=100))
        self._all: deque[float] = deque(maxlen=100)

    def note(self, chat: int) -> str | None:
        """A message goes to a chat now; gives the violation, if it is one."""
        now = self._clock()
        self._sent[chat].append(now)
        self._all.append(now)
        if not self.on:
            return None
        if self._within(self._all, now, 1.0) > 30:
            return "more than 30 messages in a second"
        if self._within(self._sent[chat], now, 10.0) > 13:
            return f"chat {chat}: more than 1 message a second, sustained"
        if chat < 0 and self._within(self._sent[chat], now, 60.0) > 21:  # one for the network
            return f"group {chat}: more than 20 messages a minute"
        return None

    @staticmethod
    def _within(times: deque[float], now: float, span: float) -> int:
        return sum(moment > now - span for moment in times)
