"""The port behind which waiting actions are handed out to be run, and how much at once.

Two things stand behind it: ``dispatcher`` in the one process on SQLite, ``queue`` between any
number of processes on PostgreSQL.  Both run an action through ``runs``, and neither keeps anything
that the rows do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class DispatchSettings:
    """How much runs at once, and when a run counts as lost."""

    at_once: int = 8
    """Actions running side by side in this process; each target runs one at a time all the same."""

    look_every_s: float = 5.0
    """Seconds between looks when nothing was announced (news that got lost on the way)."""

    beat_s: float = 5.0
    """Seconds between two signs of life of an action that runs."""

    lost_after_s: float = 30.0
    """Seconds without a sign of life after which the other processes on the same PostgreSQL call an
    action UNKNOWN. After two thirds of it the process that runs it begins no further command."""

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise ValueError(f"at_once: {self.at_once} runs nothing; give at least 1")
        if self.look_every_s <= 0:
            raise ValueError(f"look_every_s: {self.look_every_s} is no pause; give more than 0")
        if self.beat_s <= 0 or self.lost_after_s < 4 * self.beat_s:
            raise ValueError(
                f"lost_after_s: {self.lost_after_s} must be at least four times"
                f" beat_s ({self.beat_s}), and beat_s more than 0"
            )

    @property
    def sure_s(self) -> float:
        """Seconds after a sign of life for which a run is surely still ours, by our own clock."""
        return self.lost_after_s * 2 / 3


class Dispatch(Protocol):
    """Hands waiting actions out: at most once each, oldest first where they share a target."""

    async def recover(self) -> list[int]:
        """At start, before ``serve``: the actions that turned out lost; they are UNKNOWN now."""

    async def serve(self) -> None:
        """Run until cancelled. Raises when what it needs is away: it is to be begun again."""

    async def drain(self) -> None:
        """Take nothing more, and wait for what runs. The rest is rows: whoever comes runs it."""
