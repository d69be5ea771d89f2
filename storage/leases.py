"""Leases: which replica does a work that only one may do at a time.

A lease is a row with an end.  Whoever holds it makes it longer while it lives; when it has ended,
another takes it and its fence grows.  A late write of the holder before is kept out by ``still``.
Times are the database's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from storage.database import Transaction
from storage.replica_tables import leases, replicas


async def take(
    tx: Transaction, name: str, holder: str, life_ms: int, fence: int | None = None
) -> int | None:
    """Take a lease, or make one's own longer. Gives its fence; None: somebody else has it.

    ``fence`` is that of the lease one has, 0 for none: a second process of the same name is
    somebody else.  None trusts the name.
    """
    mine = leases.c.holder == holder
    if fence is not None:
        mine = sa.and_(mine, leases.c.fence == fence)
    values = {"holder": holder, "until": tx.now + life_ms}
    statement = tx.unless_there(leases).values(name=name, fence=1, **values)
    row = await tx.one(
        statement.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={**values, "fence": leases.c.fence + sa.case((mine, 0), else_=1)},
            where=sa.or_(mine, leases.c.until <= tx.now),
        ).returning(leases.c.fence)
    )
    return int(row.fence) if row else None


async def still(tx: Transaction, name: str, fence: int) -> bool:
    """Whether nobody took the lease since; it stays so until this transaction ends."""
    query = sa.select(leases.c.until).where(leases.c.name == name, leases.c.fence == fence)
    row = await tx.one(query.with_for_update(read=True))
    return row is not None and row.until > tx.now


async def release(tx: Transaction, fences: Mapping[str, int]) -> None:
    """Give up leases (work → its fence), so that another need not wait for their end."""
    for name, fence in fences.items():
        ours = sa.and_(leases.c.name == name, leases.c.fence == fence)
        await tx.change(leases.update().where(ours).values(until=0))


async def held(tx: Transaction) -> dict[str, str]:
    """Work → the replica that does it now."""
    rows = await tx.all(sa.select(leases).where(leases.c.until > tx.now).order_by(leases.c.name))
    return {row.name: row.holder for row in rows}


async def beat(tx: Transaction, replica: str) -> None:
    """A replica's sign of life."""
    statement = tx.unless_there(replicas).values(name=replica, started_at=tx.now, beat_at=tx.now)
    await tx.execute(
        statement.on_conflict_do_update(index_elements=[replicas.c.name], set_={"beat_at": tx.now})
    )


async def alive(tx: Transaction, within_ms: int) -> list[str]:
    """The replicas that gave a sign of life lately, the oldest first."""
    query = sa.select(replicas.c.name).where(replicas.c.beat_at > tx.now - within_ms)
    return [row.name for row in await tx.all(query.order_by(replicas.c.started_at))]


async def forget(tx: Transaction, names: Iterable[str] = (), *, silent_ms: int = 0) -> None:
    """Take replicas off the list: those that stopped, or gave no sign for this long."""
    gone: list[sa.ColumnElement[bool]] = [replicas.c.name.in_(list(names))]
    if silent_ms:
        gone.append(replicas.c.beat_at <= tx.now - silent_ms)
    await tx.change(replicas.delete().where(sa.or_(*gone)))
