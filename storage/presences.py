"""Which agents listen in which rooms of the web room, whichever process they are connected to.

A row has an end: a process makes its rows longer while it lives, and those of one that was killed
end by themselves.  Times are the database's.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from storage.database import Transaction
from storage.replica_tables import presences


async def keep(
    tx: Transaction, replica: str, present: Collection[tuple[int, str]], life_ms: int
) -> None:
    """Say who is connected to a process now, as (room id, agent) pairs; all others left it.

    It holds for ``life_ms`` milliseconds; say it again before.
    """
    mine = sa.tuple_(presences.c.room_id, presences.c.name)
    left = sa.and_(presences.c.replica == replica, mine.not_in(sorted(present)))
    await tx.change(presences.delete().where(sa.or_(left, presences.c.until <= tx.now)))
    for room_id, name in sorted(present):
        statement = tx.unless_there(presences).values(
            replica=replica, room_id=room_id, name=name, until=tx.now + life_ms
        )
        await tx.execute(
            statement.on_conflict_do_update(
                index_elements=[presences.c.replica, presences.c.room_id, presences.c.name],
                set_={"until": tx.now + life_ms},
            )
        )


async def anywhere(tx: Transaction, room_id: int, name: str) -> bool:
    """Whether an agent listens in a room, through any process."""
    query = sa.select(presences.c.id).where(
        presences.c.room_id == room_id, presences.c.name == name, presences.c.until > tx.now
    )
    return await tx.one(query.limit(1)) is not None
