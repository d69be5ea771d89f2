"""aiosqlite with one trip to its thread per statement instead of four.

A statement's way is cursor, execute, fetch, close; each is a trip to the connection's thread and
back, and the trips cost more than SQLite itself.  Here the four are made in one.  Everything else
is aiosqlite's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Self

import aiosqlite


class Cursor:
    """What SQLAlchemy's adapter uses of a cursor; the rows are here when ``execute`` returns."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._in_thread: Any = connection._execute
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run one statement and fetch all it gives."""
        await self._in_thread(self._run, sqlite3.Cursor.execute, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Run one statement per set of parameters."""
        await self._in_thread(self._run, sqlite3.Cursor.executemany, sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """The rows, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open."""

    def _run(self, how: Any, sql: str, parameters: Any) -> None:
        """In the connection's thread."""
        cursor = self._connection._conn.cursor()
        try:
            how(cursor, sql, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()


class Connection(aiosqlite.Connection):
    """An aiosqlite connection with these cursors."""

    def cursor(self) -> Cursor:  # type: ignore[override]
        return Cursor(self)


async def connect(database: str) -> Connection:
    """Open a database file, or what a ``file:`` address names."""

    def opened() -> sqlite3.Connection:
        # SQLAlchemy hands connections between tasks; each is used by one at a time.
        address = database.startswith("file:")
        return sqlite3.connect(database, check_same_thread=False, uri=address)

    connection = Connection(opened, iter_chunk_size=64)
    connection._thread.daemon = True  # a process that ends must not wait for it
    await connection
    return connection
