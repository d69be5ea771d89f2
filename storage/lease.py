"""One process per database: two would each think that they are the runner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from storage.database import Database

_LOCK = 0x57415445  # PostgreSQL advisory lock; audit.py and migrate.py have the two before it


@asynccontextmanager
async def sole(db: Database) -> AsyncIterator[bool]:
    """True while nobody else has it; it lasts as long as the block, and ends with the process.

    SQLite has no such lock: there it is always True, and the caller locks a file beside the file.
    """
    if db.writer.dialect.name != "postgresql":
        yield True
        return
    # Autocommit: a transaction that stays open for days would keep PostgreSQL from cleaning up.
    async with db.writer.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        got = bool(await connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))))
        try:
            yield got
        finally:
            # Closed, not given back to the pool: the lock ends with it, also when it is broken.
            await connection.invalidate()
