"""Incidents: what a machine reported that somebody has to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import audit, counters
from storage.database import Transaction
from storage.tables import incidents

OPEN = "OPEN"


@dataclass(frozen=True)
class Incident:
    """One row. ``asset`` is what the reporter named; it need not be in the inventory."""

    id: int
    key: str
    source: str
    severity: str
    summary: str
    asset: str | None
    state: str
    created_at: int


def _incident(row: sa.Row[Any]) -> Incident:
    return Incident(
        row.id,
        row.key,
        row.source,
        row.severity,
        row.summary,
        row.asset,
        row.state,
        row.created_at,
    )


async def create(
    tx: Transaction, *, source: str, severity: str, summary: str, asset: str | None, actor: str
) -> Incident:
    """Open an incident under the day's next key ``INC-YYYYMMDD-NNNN``, with its audit row."""
    key = (await counters.take(tx, "INC"))[0]
    row = await tx.insert(
        incidents,
        key=key,
        source=source,
        severity=severity,
        summary=summary,
        asset=asset,
        state=OPEN,
        created_at=tx.now,
    )
    detail = {"source": source, "severity": severity, "summary": summary, "asset": asset}
    await audit.append(tx, actor, "incident.open", key, detail)
    return Incident(row, key, source, severity, summary, asset, OPEN, tx.now)


async def by_key(tx: Transaction, key: str) -> Incident | None:
    """An incident by its key."""
    row = await tx.one(sa.select(incidents).where(incidents.c.key == key))
    return _incident(row) if row else None


async def listing(tx: Transaction, limit: int = 50) -> list[Incident]:
    """The newest incidents."""
    query = sa.select(incidents).order_by(incidents.c.id.desc()).limit(limit)
    return [_incident(row) for row in await tx.all(query)]
