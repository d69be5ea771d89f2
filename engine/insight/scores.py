"""How much each kind of finding speaks for being the cause: one table, from 0 to 100.

docs/explanation/root-cause.md shows the same table, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping

SCORES: Mapping[str, int] = {
    # A change of ours, by where it ran …
    "change_asset": 50,
    "change_host": 40,
    "change_system": 25,
    # … by how long before it broke, the first that fits …
    "change_15_minutes": 30,
    "change_1_hour": 20,
    "change_6_hours": 5,
    # … and by how it ended.
    "change_failed": 10,
    "thaw_1_hour": 20,
    "thaw_1_day": 5,
    # Trouble elsewhere that was there when it broke.
    "below": 55,
    "host": 50,
    "peer": 25,
    "earlier": 10,
    "explains": 20,
    "widespread": 45,
    # A probe that failed when the incident was looked at.
    "probe_elsewhere": 50,
    "probe_itself": 20,
    # What happened before.
    "recurring": 35,
    "known": 25,
    # Each further line of evidence for the same cause, up to three.
    "further": 5,
}

MOST = 95
"""Rows can point at a cause; they never prove it."""
