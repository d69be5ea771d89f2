"""When people are told of what runs out."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import time

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True)
class UpkeepSettings:
    """Certificates, licences and domains that end."""

    at: str = "09:00"
    """Time of the daily look and notice, hours and minutes of 24."""

    time_zone: str = ""
    """Zone of that time and of the days that are counted; "" = the team's."""

    days: tuple[int, ...] = (30, 14, 7, 1)
    """Days before an end at which it is told; what has ended is told every day."""

    probe_timeout_s: float = 10.0
    """Seconds that the look at one certificate may take."""

    unreachable_days: int = 3
    """Days in which a certificate cannot be looked at until that is told."""

    def __post_init__(self) -> None:
        if not _TIME.fullmatch(self.at):
            raise ValueError(f'at = {self.at!r}; write a time such as "09:00"')
        if self.time_zone and self.time_zone not in zoneinfo.available_timezones():
            raise ValueError(
                f"time_zone {self.time_zone!r} is no zone's name; write one such as Asia/Seoul"
            )
        if not 0 < self.probe_timeout_s <= 300:
            raise ValueError(f"probe_timeout_s = {self.probe_timeout_s:g}; give 0.1 to 300 seconds")
        if self.unreachable_days < 0:
            raise ValueError(f"unreachable_days = {self.unreachable_days}; give 0 or more days")
        if not self.days or not all(0 < day <= 3650 for day in self.days):
            raise ValueError(f"days = {list(self.days)}; give days from 1 to 3650")

    @property
    def moment(self) -> time:
        return time.fromisoformat(self.at)
