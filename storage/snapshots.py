"""A database as it is at one moment: read beside a running bot, or from a copy that lies still."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from storage import migrate, transfer
from storage.database import Clock, Database, Transaction
from storage.sqlite_connection import connect


def open_as_it_is(file: Path, *, frozen: bool = False, clock: Clock | None = None) -> Database:
    """A SQLite file that is there already, without making it a WAL file first.

    ``frozen``: nothing of it, and nothing beside it, is changed or made; a ``-wal`` file beside it
    is not looked at.  Else its transactions keep other writers out.
    """
    address = f"file:{quote(str(file.absolute()))}?mode={'ro&immutable=1' if frozen else 'rw'}"
    engine = create_async_engine(
        "sqlite+aiosqlite://",
        async_creator=lambda: connect(address),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=2,
        pool_reset_on_return=None,
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we begin ourselves: see below

    @sa.event.listens_for(engine.sync_engine, "begin")
    def start(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if frozen else "BEGIN IMMEDIATE")

    return Database(engine, engine, clock)


def copy_file(source: Path, target: Path) -> None:
    """Copy a SQLite file with all that is committed, while others read and write it.

    The copy is one file, whole, and on the disk.  Raises sqlite3.Error, OSError.
    """
    # One step: others go on writing beside it, and no write makes it begin again.
    with _sqlite(source, "ro") as original, _sqlite(target, "rwc") as copy:
        original.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")
    to_disk(target)


async def copy_rows(source: Transaction, file: Path, clock: Clock | None = None) -> None:
    """Write all that a transaction sees into a new SQLite file, as ``transfer.copy`` does it."""
    with _sqlite(file, "rwc"):
        pass  # an empty file is an empty database
    db = open_as_it_is(file, clock=clock)
    try:
        async with db.write() as target:
            await target.connection.run_sync(migrate.upgrade_within)
            await transfer.copy(source, target)
    finally:
        await db.close()
    to_disk(file)


def problems_of(file: Path) -> list[str]:
    """What SQLite itself finds wrong with a file that lies still; changes nothing."""
    try:
        with _sqlite(file, "ro&immutable=1") as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            found += [
                f"{row[0]}, row {row[1]}: names a row of {row[2]} that is not there"
                for row in connection.execute("PRAGMA foreign_key_check")
            ]
    except sqlite3.Error as error:
        return [str(error)]
    return [line for line in found if line != "ok"]


def row_counts(file: Path) -> dict[str, int]:
    """Table → rows, whichever version made the file; changes nothing. Raises sqlite3.Error."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    with _sqlite(file, "ro&immutable=1") as connection:
        return {
            name: connection.execute(
                str(sa.select(sa.func.count()).select_from(sa.table(name)))
            ).fetchone()[0]
            for (name,) in connection.execute(names).fetchall()
        }


def revision_of(file: Path) -> str:
    """Which revision's tables a file has; "" when it does not say. Raises sqlite3.Error."""
    with _sqlite(file, "ro&immutable=1") as connection:
        row = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()
    return str(row[0] or "")


@asynccontextmanager
async def moment(db: Database) -> AsyncIterator[tuple[Transaction, str]]:
    """A transaction that sees PostgreSQL as it is now, whatever is committed beside it.

    The second is the name under which ``pg_dump --snapshot`` sees the same.
    """
    async with db.writer.connect() as plain:
        connection = await plain.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        async with connection.begin():
            name = await connection.scalar(sa.text("SELECT pg_export_snapshot()"))
            seconds = await connection.scalar(sa.text("SELECT extract(epoch FROM now())"))
            yield Transaction(connection, int((seconds or 0) * 1000)), str(name)


@contextlib.contextmanager
def _sqlite(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    address = f"file:{quote(str(file.absolute()))}?mode={mode}"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
        yield connection


def to_disk(file: Path) -> None:
    """Have a new file, and its name in its folder, survive a power cut."""
    for path in (file, file.parent):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
