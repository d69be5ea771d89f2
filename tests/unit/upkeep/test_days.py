"""Days as people count them: by the midnights of a zone, also where clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from engine.upkeep.days import Calendar


def ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "now", "end", "left"),
    [
        # 23:30 and 00:30 in Seoul: an hour, and a day for whoever looks at the calendar.
        ("Asia/Seoul", "2026-11-20T14:30", "2026-11-20T15:30", 1),
        ("UTC", "2026-11-20T14:30", "2026-11-20T15:30", 0),
        ("Asia/Taipei", "2026-11-20T01:00", "2026-12-20T01:00", 30),
        ("Asia/Seoul", "2026-11-20T01:00", "2026-11-18T20:00", -1),
        # The day of 25 hours and the day of 23 hours count as one day each.
        ("America/New_York", "2026-10-31T04:30", "2026-11-02T05:00", 2),
        ("America/New_York", "2026-03-07T05:30", "2026-03-09T04:30", 2),
    ],
)
def test_days_left(zone: str, now: str, end: str, left: int) -> None:
    assert Calendar.of(zone).days_left(ms(now), ms(end)) == left


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("Asia/Seoul", date(2026, 11, 20), "2026-11-20T15:00"),
        ("America/New_York", date(2026, 11, 1), "2026-11-02T05:00"),
        ("America/New_York", date(2026, 3, 8), "2026-03-09T04:00"),
    ],
)
def test_the_end_of_a_day(zone: str, day: date, end: str) -> None:
    calendar = Calendar.of(zone)
    assert calendar.end_of(day) == ms(end) - 1
    assert calendar.day(calendar.end_of(day)) == day


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", ""])
def test_never_is_a_day_too(zone: str) -> None:
    calendar = Calendar.of(zone)
    never = calendar.end_of(date(9999, 12, 31))
    assert calendar.days_left(ms("2026-11-20T00:00"), never) > 2_900_000
    assert calendar.day(253_402_300_799_000).year == 9998
