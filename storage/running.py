"""Whether a Watchstander runs on a database, and keeping one from starting meanwhile."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from storage import leases
from storage.database import Transaction
from storage.migrate import LOCK
from storage.schema import metadata

_SILENT_MS = 60_000
"""Without a sign of life for this long, a replica is gone."""


class Occupied(Exception):
    """Somebody works on the database; the message says what to stop."""


@contextmanager
def sole(file: Path | None) -> Iterator[None]:
    """Be the one process on a SQLite file, as long as the block. Raises Occupied.

    The lock is on a file beside it and ends with the process.  None (PostgreSQL): nothing to lock.
    """
    if file is None:
        yield
        return
    path = Path(f"{file}.lock")
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Occupied(
                f"{path}: another Watchstander runs on this database; stop it first"
            ) from None
        yield


async def at_rest(tx: Transaction) -> None:
    """Make sure that nobody runs, starts or writes until this transaction ends. Raises Occupied.

    The tables must be there.  SQLite: the transaction itself keeps writers out, ``sole`` the rest.
    """
    if tx.dialect != "postgresql":
        return
    # Whoever starts asks for this lock before anything else, and then waits for us.
    taken = await tx.one(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK)))
    if taken is None or not taken[0]:
        raise Occupied("a Watchstander is starting or migrating on this database; try again later")
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    await tx.execute(sa.text(f"LOCK TABLE {names} IN SHARE MODE"))
    alive = await leases.alive(tx, _SILENT_MS)
    if alive:
        raise Occupied(
            f"Watchstander runs on this database ({', '.join(alive)}); stop it first"
            " (one that was killed counts for a minute more)"
        )
