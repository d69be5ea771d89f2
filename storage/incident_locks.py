"""Who waits for whom over incidents on PostgreSQL; SQLite has one writer and needs none of it.

Always in this order, so that nobody waits in a ring: one of these locks, rows of incidents, the
audit chain.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from storage.database import Transaction
from storage.incident_tables import incidents

_REPORTS = 0x57415449  # advisory lock: one taker of reports at a time
_DECIDING = 0x5741544A  # advisory lock: one decider about new repairs at a time


async def hold(tx: Transaction, reported: Iterable[tuple[str, str]]) -> None:
    """Until this transaction ends, nobody else takes reports, nor moves the last that these name.

    ``reported`` holds (source, fingerprint). Only PostgreSQL needs it: SQLite has one writer. Rows
    are locked at once, and before the audit chain as everywhere, so that nobody waits in a ring.
    """
    if tx.dialect != "postgresql":
        return
    await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_REPORTS)))
    last = sa.select(sa.func.max(incidents.c.id)).where(
        sa.tuple_(incidents.c.source, incidents.c.fingerprint).in_(list(set(reported)))
    )
    last = last.group_by(incidents.c.source, incidents.c.fingerprint)
    query = sa.select(incidents.c.id).where(incidents.c.id.in_(last)).order_by(incidents.c.id)
    await tx.all(query.with_for_update(key_share=True))


async def decide_alone(tx: Transaction) -> None:
    """Until this transaction ends, nobody else begins a repair: what is counted stays counted.

    Only PostgreSQL needs it. To be taken before any row.
    """
    if tx.dialect == "postgresql":
        await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_DECIDING)))
