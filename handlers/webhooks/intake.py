"""What the alert webhooks keep in the inbox, and how a kept delivery becomes incidents.

The doors check and keep; everything else happens later, one delivery after the other, each in one
transaction with all of its reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine.incidents import reports
from engine.incidents.reports import Report
from handlers.services import Services
from storage.database import Transaction

SOURCE = "reports"
"""Their source in the inbox. bot/reports.py takes these, in order; no room's worker does."""

PART = 10
"""Reports of one delivery: more would keep everybody else from writing for too long."""


def pack(actor: str, found: Sequence[Report]) -> dict[str, Any]:
    """Reports as a delivery's body."""
    return {"actor": actor, "reports": [asdict(report) for report in found]}


def parts(actor: str, found: Sequence[Report]) -> Iterator[dict[str, Any]]:
    """The bodies of as many deliveries as it takes, in order."""
    for start in range(0, len(found), PART):
        yield pack(actor, found[start : start + PART])


async def handle(tx: Transaction, services: Services, body: Mapping[str, Any]) -> int:
    """Take every report of a kept delivery; gives how many incidents it opened."""
    found = [Report(**raw) for raw in body["reports"]]
    taken = await reports.take_all(
        tx, services.inventory, body["actor"], found, services.report_settings
    )
    return sum(one.new for one in taken)
