"""Days as people of a time zone count them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: "Never" is written as the last day there is, which in other zones is no day at all.
_NEVER = date(9998, 12, 30)
_FIRST, _LAST = -62_000_000_000.0, 253_370_000_000.0


@dataclass(frozen=True)
class Calendar:
    """The days of one zone. ``zone`` None: the machine's own."""

    zone: ZoneInfo | None = None

    @staticmethod
    def of(name: str) -> Calendar:
        """The calendar of a zone by its name; "" = the machine's own."""
        return Calendar(ZoneInfo(name) if name else None)

    def local(self, at_ms: int) -> datetime:
        """A moment as the clock on the wall shows it."""
        seconds = max(_FIRST, min(at_ms / 1000, _LAST))
        return datetime.fromtimestamp(seconds, UTC).astimezone(self.zone)

    def day(self, at_ms: int) -> date:
        return self.local(at_ms).date()

    def end_of(self, day: date) -> int:
        """The last millisecond of a day, which has 23 or 25 hours where clocks change."""
        next_day = datetime.combine(min(day, _NEVER) + timedelta(days=1), time(), self.zone)
        return int(next_day.timestamp() * 1000) - 1

    def days_left(self, now_ms: int, ends_at: int) -> int:
        """Midnights from now to the end: 0 = today; negative when it was on an earlier day."""
        return (self.day(ends_at) - self.day(now_ms)).days
