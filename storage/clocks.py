"""Daily work: on which local day each was last done, so that a day is done once."""

from __future__ import annotations

import sqlalchemy as sa

from storage.database import Transaction
from storage.incident_tables import clocks


async def last(tx: Transaction, name: str) -> str | None:
    """The day that was last done, "2026-11-20"; None before the first."""
    row = await tx.one(sa.select(clocks.c.day).where(clocks.c.name == name))
    return str(row.day) if row else None


async def reach(tx: Transaction, name: str, day: str) -> bool:
    """Take a day. False: it was taken before, by this process or by another.

    Do the day's work in the same transaction: then it is done once, whatever breaks off.
    """
    statement = tx.unless_there(clocks).values(name=name, day=day)
    row = await tx.one(
        statement.on_conflict_do_update(
            index_elements=[clocks.c.name], set_={"day": day}, where=clocks.c.day != day
        ).returning(clocks.c.name)
    )
    return row is not None
