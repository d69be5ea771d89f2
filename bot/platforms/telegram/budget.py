"""How much may be sent: Telegram's limits, kept before Telegram has to say no."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bot.platforms.port import SendRetry

Monotonic = Callable[[], float]


class Budget:
    """Counts sends in sliding windows: all chats per second, each group per minute.

    In the memory of this process: two replicas that send with one token share the limit by obeying
    Telegram's own ``retry_after`` (see :meth:`pause`).
    """

    def __init__(self, per_second: int, per_minute_in_group: int, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._all = _Window(per_second, 1.0)
        self._per_minute = per_minute_in_group
        self._groups: dict[int, _Window] = {}
        self._paused: dict[int, float] = {}

    def take(self, chat: int, count: int = 1) -> None:
        """Note that ``count`` messages go to a chat now. Raises SendRetry when it is too early.

        Groups have negative ids; a private chat has no limit per minute.
        """
        now = self._monotonic()
        group = self._group(chat, now) if chat < 0 else None
        wait = max(
            self._paused.get(chat, now) - now,
            self._all.wait(now, count),
            group.wait(now, count) if group else 0.0,
        )
        if wait > 0:
            raise SendRetry(f"telegram: the limit for chat {chat} is used up", wait)
        self._paused.pop(chat, None)
        self._all.note(now, count)
        if group:
            group.note(now, count)

    def pause(self, chat: int, seconds: float) -> None:
        """Telegram asked for silence in a chat."""
        self._paused[chat] = self._monotonic() + seconds

    def _group(self, chat: int, now: float) -> _Window:
        if chat not in self._groups:
            self._groups = {c: w for c, w in self._groups.items() if not w.idle(now)}
            self._groups[chat] = _Window(self._per_minute, 60.0)
        return self._groups[chat]


class _Window:
    """At most ``limit`` within any ``span`` seconds."""

    def __init__(self, limit: int, span: float) -> None:
        self._limit = limit
        self._span = span
        self._times: deque[float] = deque()

    def wait(self, now: float, count: int) -> float:
        """Seconds until ``count`` more fit."""
        while self._times and self._times[0] <= now - self._span:
            self._times.popleft()
        over = len(self._times) + min(count, self._limit) - self._limit
        return self._times[over - 1] + self._span - now if over > 0 else 0.0

    def note(self, now: float, count: int) -> None:
        self._times.extend([now] * count)

    def idle(self, now: float) -> bool:
        return not self._times or self._times[-1] <= now - self._span
