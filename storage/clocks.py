"""When work that comes back was last done, so that of several processes one does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.incident_tables import clocks


async def due(tx: Transaction, name: str, period_ms: int) -> bool:
    """Take a turn of a work that is done once per period. False: it was done less than that ago."""
    statement = tx.unless_there(clocks).values(name=name, day=_moment(tx.now))
    row = await tx.one(
        statement.on_conflict_do_update(
            index_elements=[clocks.c.name],
            set_={"day": _moment(tx.now)},
            # What lies ahead by more than a period was written before the clock was set back.
            where=sa.or_(
                clocks.c.day <= _moment(tx.now - period_ms),
                clocks.c.day > _moment(tx.now + period_ms),
            ),
        ).returning(clocks.c.name)
    )
    return row is not None


async def note(tx: Transaction, name: str, report: Mapping[str, Any]) -> None:
    """Keep what a work did when it was last done, for whichever process is asked."""
    values = {"day": _moment(tx.now), "report": json.dumps(dict(report), ensure_ascii=False)}
    statement = tx.unless_there(clocks).values(name=name, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[clocks.c.name], set_=values))


async def noted(tx: Transaction, name: str) -> dict[str, Any] | None:
    """What a work did when it was last done; None before the first time."""
    row = await tx.one(sa.select(clocks.c.report).where(clocks.c.name == name))
    return dict(json.loads(row.report)) if row and row.report else None


def _moment(ms: int) -> str:
    """Compares as text the way the numbers do."""
    return f"{max(ms, 0):015d}"


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
