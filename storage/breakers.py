"""Breakers: what stopped healing because it was tried too often, until a person closes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import audit
from storage.database import Transaction
from storage.incident_tables import breakers
from storage.incidents import WATCHSTANDER
from storage.people import Person


@dataclass(frozen=True)
class Breaker:
    """One row. ``scope`` is "global", "target:CODE" or "symptom:HASH"."""

    id: int
    scope: str
    limit: int
    """Attempts an hour that it allows."""
    opened_at: int
    reminded_at: int
    closed_at: int | None
    closed_by: int | None


def _breaker(row: sa.Row[Any]) -> Breaker:
    return Breaker(**row._mapping)


async def open_ones(tx: Transaction) -> list[Breaker]:
    """Every open breaker, oldest first."""
    query = sa.select(breakers).where(breakers.c.closed_at.is_(None)).order_by(breakers.c.id)
    return [_breaker(row) for row in await tx.all(query)]


async def trip(tx: Transaction, scope: str, limit: int) -> bool:
    """Open the breaker of a scope. False: it is open already."""
    values = {"scope": scope, "limit": limit, "opened_at": tx.now, "reminded_at": tx.now}
    number = await tx.insert_new(breakers, **values)
    if number is None:
        return False
    await audit.append(tx, WATCHSTANDER, "breaker.open", scope, {"limit": limit})
    return True


async def close(tx: Transaction, scope: str, person: Person) -> bool:
    """A person closes it: healing goes on. False: it is not open."""
    changed = await tx.change(
        breakers.update()
        .where(breakers.c.scope == scope, breakers.c.closed_at.is_(None))
        .values(closed_at=tx.now, closed_by=person.id)
    )
    if changed == 0:
        return False
    await audit.append(tx, person.actor, "breaker.close", scope, {"by": person.name})
    tx.wake("incidents")
    return True


async def reminded(tx: Transaction, breaker: Breaker) -> bool:
    """Mark as told again. False: somebody else told it."""
    changed = await tx.change(
        breakers.update()
        .where(
            breakers.c.id == breaker.id,
            breakers.c.reminded_at == breaker.reminded_at,
            breakers.c.closed_at.is_(None),
        )
        .values(reminded_at=tx.now)
    )
    return changed == 1


async def last_closed(tx: Transaction, scope: str) -> int:
    """When the breaker of a scope was last closed; 0 = never. Attempts before it do not count.

    Not what was closed while the clock was ahead: it would forgive what is yet to come.
    """
    query = sa.select(sa.func.max(breakers.c.closed_at)).where(
        breakers.c.scope == scope, breakers.c.closed_at <= tx.now
    )
    row = await tx.one(query)
    return int(row[0]) if row and row[0] is not None else 0
