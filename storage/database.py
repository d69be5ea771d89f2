"""One database, SQLite or PostgreSQL, and the transactions on it.

Writes on SQLite go through one connection that begins IMMEDIATE, so a transaction never fails
half way for a lock; reads have connections of their own (WAL).  PostgreSQL uses one pool.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from storage import failpoints, signals
from storage.sqlite_connection import connect
from storage.turns import Turns

Clock = Callable[[], int]

_BUSY_TIMEOUT_MS = 10_000
_READ_ONLY = "25006"
"""PostgreSQL's word for a write where only reading is allowed."""
_WRITERS = 8
"""Writing transactions at a time on PostgreSQL, out of twenty connections: each may read beside."""
_POOL_TIMEOUT_S = 10
"""How long to wait for one of the connections while all are in use."""


class Away(Exception):
    """The database cannot be used now: gone, full, read-only or too slow. Nothing was stored.

    After a commit whose answer got lost it may be stored all the same, as after any lost answer.
    """


@contextmanager
def telling() -> Iterator[None]:
    """Every way in which a database can be away is Away; what is wrong with a statement is not."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Away(_first_line(error)) from error
    except sa.exc.DBAPIError as error:
        if not _is_away(error):
            raise
        raise Away(_first_line(error)) from error


def _is_away(error: sa.exc.DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        # SQLite says OperationalError of everything; code 1 is a statement that makes no sense.
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return isinstance(error, sa.exc.OperationalError) and code != sqlite3.SQLITE_ERROR
    lost = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    read_only = getattr(error.orig, "sqlstate", "") == _READ_ONLY
    return lost or read_only or error.connection_invalidated


def _first_line(error: sa.exc.SQLAlchemyError) -> str:
    told = getattr(error, "orig", None) or error
    return f"the database cannot be used: {str(told).strip().partition(chr(10))[0]}"


@dataclass(frozen=True)
class DatabaseSettings:
    """Where things are kept."""

    url: str = field(default="sqlite+aiosqlite:///watchstander.db", repr=False)
    """SQLAlchemy URL: ``sqlite+aiosqlite:///FILE`` or ``postgresql+psycopg://…``."""

    synchronous: str = "FULL"
    """SQLite only: FULL survives a power cut; NORMAL is faster and survives a killed process."""

    patience_s: float = 20.0
    """PostgreSQL only: seconds without an answer to a statement after which its connection is given
    up, and after which the server ends a transaction that stands still. Migrations have no end."""

    def __post_init__(self) -> None:
        if self.patience_s < 1:
            raise ValueError(f"patience_s: {self.patience_s} is too short; give at least 1")


@dataclass
class Transaction:
    """An open transaction: statements, the database's time, and whom to wake after the commit."""

    connection: AsyncConnection
    now: int
    """Milliseconds since 1970 by the database, fixed for the whole transaction."""
    topics: set[str] = field(default_factory=set)
    told: list[tuple[str, str]] = field(default_factory=list)
    points: set[str] = field(default_factory=set)
    """Failpoints of what is written; empty unless some are armed."""

    async def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Run a statement; ``rows`` (a list of dicts) runs it once per row."""
        if failpoints.armed() and isinstance(statement, sa.Insert | sa.Update | sa.Delete):
            self.points.add(f"{statement.table}.{statement.__visit_name__}")
        result = await self.connection.execute(statement, rows)
        assert isinstance(result, sa.CursorResult)
        return result

    async def one(self, statement: sa.Executable) -> sa.Row[Any] | None:
        """The first row or None."""
        return (await self.execute(statement)).first()

    async def all(self, statement: sa.Executable) -> list[sa.Row[Any]]:
        """Every row."""
        return list((await self.execute(statement)).all())

    async def insert(self, table: sa.Table, **values: Any) -> int:
        """Insert one row and give its integer primary key."""
        result = await self.execute(table.insert().values(**values))
        key = result.inserted_primary_key
        assert key is not None
        return int(key[0])

    async def insert_new(self, table: sa.Table, **values: Any) -> int | None:
        """Insert one row and give its key; None when a unique key says that it is there already.

        One statement, so that two who do it at the same time both succeed.
        """
        statement = self.unless_there(table).values(**values).on_conflict_do_nothing()
        row = await self.one(statement.returning(table.c.id))
        return int(row.id) if row else None

    def unless_there(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT of this database's dialect, which knows ON CONFLICT."""
        insert = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        return insert(table)

    async def change(self, statement: sa.Update | sa.Delete) -> int:
        """Run an UPDATE or DELETE and give how many rows it changed."""
        return (await self.execute(statement)).rowcount

    async def alone(self, lock: int) -> None:
        """Until the end of this transaction nobody else passes here with the same number.

        On SQLite every writing transaction is alone anyway.
        """
        if self.dialect == "postgresql":
            await self.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))

    def wake(self, topic: str) -> None:
        """After the commit, wake whoever waits for this topic (inbox, outbox, actions …)."""
        self.topics.add(topic)

    def tell(self, channel: str, words: str) -> None:
        """After the commit, tell the other processes; see ``Database.hear``. Keys, not contents."""
        self.told.append((channel, words))

    @property
    def dialect(self) -> str:
        return self.connection.dialect.name


class Database:
    """Opens transactions and tells waiting loops that something was committed."""

    def __init__(
        self,
        reader: AsyncEngine,
        writer: AsyncEngine,
        clock: Clock | None = None,
        unhurried: AsyncEngine | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._unhurried = unhurried or writer
        self._clock = clock
        self._is_sqlite = writer.dialect.name == "sqlite"
        self._turns = Turns(1 if self._is_sqlite else _WRITERS)
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._hearers: dict[str, Callable[[str], None]] = {}
        self._me = uuid.uuid4().hex

    @classmethod
    def open(cls, settings: DatabaseSettings, clock: Clock | None = None) -> Database:
        """Make the engines; nothing connects until the first transaction.

        ``clock`` (tests only) replaces the database's time; milliseconds since 1970.
        """
        url = sa.make_url(settings.url)
        if url.get_backend_name() != "sqlite":
            # Here, so that a bot on SQLite never loads PostgreSQL's driver.
            from storage.postgresql_connection import connect_args

            engine = create_async_engine(
                url,
                pool_pre_ping=True,
                pool_size=10,
                pool_timeout=_POOL_TIMEOUT_S,
                connect_args=connect_args(url, settings.patience_s),
            )
            unhurried = create_async_engine(
                url, poolclass=NullPool, connect_args=connect_args(url, None)
            )
            return cls(engine, engine, clock, unhurried)
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        writer = _sqlite_engine(url, settings.synchronous, "BEGIN IMMEDIATE", size=1)
        # Each read sees the newest commit: no statement before or after it is needed.
        reader = _sqlite_engine(url, settings.synchronous, None, size=4)
        return cls(reader, writer, clock)

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()
        await self._unhurried.dispose()

    @property
    def writer(self) -> AsyncEngine:
        """The engine that migrations run on: their statements take as long as they need."""
        return self._unhurried

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A read-only transaction. Raises Away."""
        with telling():
            async with self._reader.connect() as connection:
                yield Transaction(connection, await self._now(connection))
                await connection.rollback()

    @asynccontextmanager
    async def write(self, *, urgent: bool = False) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end, or rolls back when the block raises.

        ``urgent``: somebody waits for its commit within seconds; it goes before the others that
        wait here.  Raises Away.
        """
        # On PostgreSQL the urgent ones have connections left that the others never use up.
        waits = self._is_sqlite or not urgent
        turn = self._turns.take(urgent=urgent) if waits else nullcontext()
        with telling():
            async with turn, self._writer.begin() as connection:
                tx = Transaction(connection, await self._now(connection))
                yield tx
                if self.is_shared and (tx.topics or tx.told):
                    await signals.send(connection, self._me, tx.topics, tx.told)
                failpoints.commit(tx.points, "before")
        failpoints.commit(tx.points, "after")
        self.announce(tx.topics)

    @property
    def is_shared(self) -> bool:
        """Other processes may run on it: then each work has to be taken, not assumed."""
        return not self._is_sqlite

    def hear(self, channel: str, heard: Callable[[str], None]) -> None:
        """Have what other processes ``tell`` on a channel; ``heard`` must not wait for anything.

        "" is told when news may have been missed.
        """
        self._hearers[channel] = heard

    async def serve_signals(self) -> None:
        """Pass on what other processes commit, until cancelled. Raises Away: the link broke."""
        if not self.is_shared:
            await asyncio.Event().wait()

        def everything() -> None:
            # Whatever was committed while nobody listened is news now.
            self.announce(set(self._waiters))
            for hear in self._hearers.values():
                hear("")

        def heard(topics: list[str], told: list[tuple[str, str]]) -> None:
            self.announce(set(topics))
            for channel, words in told:
                if channel in self._hearers:
                    self._hearers[channel](words)

        try:
            await signals.listen(self._writer.url, self._me, everything, heard)
        except signals.Broken as error:
            raise Away(f"no news from the other processes: {error}") from error

    def announce(self, topics: set[str]) -> None:
        """Wake the loops that wait for these topics in this process."""
        for topic in topics:
            for event in self._waiters.get(topic, ()):
                event.set()

    @asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set after each commit that woke a topic. The listener clears it."""
        event = asyncio.Event()
        for topic in topics:
            self._waiters.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._waiters[topic].discard(event)

    async def _now(self, connection: AsyncConnection) -> int:
        if self._clock is not None:
            return self._clock()
        if self._is_sqlite:
            # The file is on this machine: its time is this machine's time.
            return time.time_ns() // 1_000_000
        seconds = await connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())"))
        return int(seconds * 1000) if seconds is not None else 0


def _sqlite_engine(url: sa.URL, synchronous: str, begin: str | None, *, size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        async_creator=lambda: connect(url.database or ":memory:"),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=60,
        pool_reset_on_return=None,  # every transaction here ends in a commit or a rollback
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin ourselves: see below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'NORMAL' if synchronous == 'NORMAL' else 'FULL'}")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    if begin is not None:

        @sa.event.listens_for(engine.sync_engine, "begin")
        def start(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

    return engine
