"""Failed tries: wrong codes of a person, wrong sign-in links from an address.

They are rows, so that the count is the same in every replica and after a restart.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.database import Transaction
from storage.replica_tables import failures

_KEPT_MS = 24 * 3_600_000
"""No count looks further back."""


async def note(tx: Transaction, what: str, who: str) -> None:
    """One more failed try. Those of yesterday are forgotten, whoever's they were."""
    await tx.change(failures.delete().where(failures.c.at <= tx.now - _KEPT_MS))
    await tx.insert(failures, what=what, who=who, at=tx.now)


async def latest(tx: Transaction, what: str, who: str, count: int) -> list[int]:
    """When the last failed tries were, the newest first, at most ``count``."""
    query = (
        sa.select(failures.c.at)
        .where(failures.c.what == what, failures.c.who == who)
        .order_by(failures.c.at.desc(), failures.c.id.desc())
        .limit(count)
    )
    return [int(row.at) for row in await tx.all(query)]


async def locked_until(
    tx: Transaction, what: str, who: str, limit: int, window_ms: int
) -> int | None:
    """Until when nothing more is tried; None: it may be tried now.

    ``limit`` failures within ``window_ms`` lock for as long again, counted from the last of them.
    """
    tries = await latest(tx, what, who, limit)
    if len(tries) < limit or tries[0] - tries[-1] > window_ms:
        return None
    until = tries[0] + window_ms
    return until if until > tx.now else None


async def clear(tx: Transaction, what: str, who: str) -> None:
    """Forget them: it went well."""
    await tx.change(failures.delete().where(failures.c.what == what, failures.c.who == who))
