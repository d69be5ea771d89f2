"""The freeze: while one is on, nothing that changes a host runs."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from storage import audit
from storage.database import Transaction
from storage.people import Person
from storage.tables import freezes, people

_LOCK = 0x57415448  # PostgreSQL advisory lock: one freeze is begun at a time


@dataclass(frozen=True)
class Freeze:
    """A freeze that is on."""

    id: int
    reason: str
    begun_at: int
    begun_by: str


@dataclass(frozen=True)
class Thaw:
    """The end of a freeze."""

    at: int
    by: str


async def current(tx: Transaction) -> Freeze | None:
    """The freeze that is on, if any."""
    row = await tx.one(
        sa.select(freezes.c.id, freezes.c.reason, freezes.c.begun_at, people.c.name)
        .join(people, people.c.id == freezes.c.begun_by)
        .where(freezes.c.ended_at.is_(None))
        .order_by(freezes.c.id)
        .limit(1)
    )
    return Freeze(row.id, row.reason, row.begun_at, row.name) if row else None


async def ended_between(tx: Transaction, since: int, until: int) -> list[Thaw]:
    """Freezes that ended in a span of time, the latest first."""
    query = (
        sa.select(freezes.c.ended_at, people.c.name)
        .join(people, people.c.id == freezes.c.ended_by)
        .where(freezes.c.ended_at >= since, freezes.c.ended_at <= until)
        .order_by(freezes.c.id.desc())
    )
    return [Thaw(row.ended_at, row.name) for row in await tx.all(query)]


async def begin(tx: Transaction, person: Person, reason: str) -> bool:
    """Freeze. False: it is frozen already."""
    await tx.alone(_LOCK)
    if await current(tx) is not None:
        return False
    await tx.insert(freezes, reason=reason, begun_at=tx.now, begun_by=person.id)
    await audit.append(tx, person.actor, "freeze.begin", "freeze", {"reason": reason})
    return True


async def end(tx: Transaction, person: Person, reason: str) -> bool:
    """Unfreeze. False: it was not frozen."""
    changed = await tx.change(
        freezes.update()
        .where(freezes.c.ended_at.is_(None))
        .values(ended_at=tx.now, ended_by=person.id)
    )
    if changed:
        await audit.append(tx, person.actor, "freeze.end", "freeze", {"reason": reason})
        tx.wake("actions")
    return changed > 0
