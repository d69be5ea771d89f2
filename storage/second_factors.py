"""Second factors: the sealed secret behind each person's one-time codes. Each code counts once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.replica_tables import second_factors
from storage.tables import people


@dataclass(frozen=True)
class Factor:
    """What is kept of a person's second factor."""

    person_id: int
    sealed: str
    """The secret, encrypted; this module knows no key."""
    enrolled_at: int
    last_step: int
    """The newest time step whose code was used; codes up to it are spent."""


async def enrol(tx: Transaction, person_id: int, sealed: str) -> None:
    """Keep a person's sealed secret; an older one is gone, and its codes with it."""
    values = {"sealed": sealed, "enrolled_at": tx.now, "last_step": 0}
    statement = tx.unless_there(second_factors).values(person_id=person_id, **values)
    await tx.execute(
        statement.on_conflict_do_update(index_elements=[second_factors.c.person_id], set_=values)
    )


async def find(tx: Transaction, person_id: int, *, alone: bool = False) -> Factor | None:
    """A person's factor; ``alone``: until this transaction ends, nobody else looks so."""
    query = sa.select(second_factors).where(second_factors.c.person_id == person_id)
    row = await tx.one(query.with_for_update() if alone else query)
    return _factor(row) if row is not None else None


async def spend(tx: Transaction, person_id: int, step: int) -> bool:
    """Use up the code of a time step, and all before it. False: it was used already."""
    changed = await tx.change(
        second_factors.update()
        .where(second_factors.c.person_id == person_id, second_factors.c.last_step < step)
        .values(last_step=step)
    )
    return changed == 1


async def remove(tx: Transaction, person_id: int) -> bool:
    """Take a person's factor away. False: there was none."""
    gone = second_factors.delete().where(second_factors.c.person_id == person_id)
    return await tx.change(gone) == 1


async def enrolled(tx: Transaction) -> dict[str, Factor]:
    """Everybody who has a factor, by name."""
    query = sa.select(people.c.name, second_factors).join(
        second_factors, second_factors.c.person_id == people.c.id
    )
    rows = await tx.all(query.order_by(people.c.name))
    return {row.name: _factor(row) for row in rows}


def _factor(row: sa.Row[Any]) -> Factor:
    return Factor(row.person_id, row.sealed, row.enrolled_at, row.last_step)
