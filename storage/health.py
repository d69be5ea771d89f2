"""Whether the database can be written, what waits, and what a clock set back left behind."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from storage import clocks
from storage.database import Transaction
from storage.replica_tables import leases, presences, replicas
from storage.tables import inbox, outbox

_LONGEST_LIFE_MS = 60_000
"""No lease and no presence is made for longer at a time."""


@dataclass(frozen=True)
class Waits:
    """Since when the oldest row that could be handled now has waited, in milliseconds; 0: none."""

    inbox_ms: int
    outbox_ms: int


async def prove(tx: Transaction) -> None:
    """Change a row, so that the commit tells whether writing is possible at all."""
    await clocks.reach(tx, "health", f"{tx.now}-{secrets.token_hex(4)}")


async def waits(tx: Transaction) -> Waits:
    """How far behind the work is. What was postponed is not behind."""
    oldest_in = sa.select(sa.func.min(inbox.c.received_at)).where(
        inbox.c.state == "NEW", inbox.c.not_before <= tx.now
    )
    postponed = sa.select(outbox.c.room_id).where(
        outbox.c.state == "WAITING", outbox.c.not_before > tx.now
    )
    oldest_out = sa.select(sa.func.min(outbox.c.created_at)).where(
        outbox.c.state == "WAITING", outbox.c.room_id.not_in(postponed)
    )
    row = await tx.one(sa.select(oldest_in.scalar_subquery(), oldest_out.scalar_subquery()))
    assert row is not None
    return Waits(*(max(0, tx.now - at) if at is not None else 0 for at in row))


async def set_right(tx: Transaction, farther_ms: int) -> int:
    """After the clock was set back: what waits for a moment that is far off waits no longer.

    ``farther_ms``: what lies that far ahead or more.  Gives how many messages were let go on.
    Leases and presences are only made shorter: whoever is alive renews them in time.
    """
    far = tx.now + farther_ms
    changed = 0
    for box, state in ((inbox, "NEW"), (outbox, "WAITING")):
        waiting = box.update().where(box.c.state == state, box.c.not_before > far)
        changed += await tx.change(waiting.values(not_before=0))
    most = tx.now + _LONGEST_LIFE_MS
    for table in (leases, presences):
        await tx.change(table.update().where(table.c.until > most).values(until=most))
    await tx.change(replicas.update().where(replicas.c.beat_at > most).values(beat_at=tx.now))
    if changed:
        tx.wake("inbox")
        tx.wake("outbox")
    return changed
