"""Taking all that is kept to another database, or back to an earlier version's tables."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa

from bot.commandline.output import Failure
from bot.settings import Settings
from bot.settings_reading import Source, read
from engine.audit import look_at_chain
from storage import address as addresses
from storage import migrate, running, transfer, way_back
from storage.address import sqlite_file
from storage.database import Away, Database, DatabaseSettings
from storage.migrate import Unreachable, WrongSchema
from storage.running import Occupied
from storage.snapshots import open_as_it_is
from storage.transfer import CannotTransfer, Measure

PATIENCE_S = 86_400.0
"""A day: one side of a long copy stands still while the other is read back."""


def address(given: str, option: str) -> str:
    """A database's address from the command line. Raises Failure."""
    source = Source(Path.cwd() / "the command line", os.environ)
    settings = read(DatabaseSettings, {"url": given}, option, source)
    if settings is None:
        raise Failure(*source.problems)
    problem = addresses.problem(settings.url)
    if problem:
        raise Failure(f"{option}: {problem}")
    return addresses.beside(settings.url, Path.cwd())


async def move(origin: str, target: str) -> list[str]:
    """Copy everything; gives what was copied, table by table, and what to do next.

    Raises Failure, and then the target holds what it held before: nothing.
    """
    if _same(origin, target):
        raise Failure("--from and --to name the same database; give an empty one behind --to")
    with failures(), _both(origin, target):
        async with _origin(origin) as old, _target(target) as new:
            lines = await _copy(old, new)
    return [*lines, *_next(target)]


async def _copy(old: Database, new: Database) -> list[str]:
    await migrate.require_current(old)
    async with old.write() as source, new.write() as target:
        await running.at_rest(source)
        await target.connection.run_sync(migrate.upgrade_within)
        await running.at_rest(target)
        filled = await transfer.first_filled(target)
        if filled:
            raise Failure(f"--to: its table {filled} holds rows; give an empty database")
        copied = await transfer.copy(source, target)
        told = await look_at_chain(target)
        if told != await look_at_chain(source):
            raise Failure("audit: the chain is not the same in the copy; nothing was kept")
    findings, head = told
    whole = "whole" if not findings else f"not whole, as it was before: {findings[0]}"
    return [
        *_table_lines(copied),
        f"{', '.join(transfer.PASSING)}: left out, they belong to processes that run",
        f"audit chain: {head.count} rows, head {head.hash}, {whole}",
    ]


def _table_lines(copied: dict[str, Measure]) -> list[str]:
    return [
        f"{table}: {found.rows} rows, sha256 {found.checksum[:16]}, the same on both sides"
        for table, found in sorted(copied.items())
    ]


def _next(target: str) -> list[str]:
    shown = sa.make_url(target).render_as_string(hide_password=True)
    return [
        "now change config.toml, and keep [audit] key_file and checkpoint_file as they are:",
        f'[database] url = "{shown}"',
        "then: watchstander audit verify --config config.toml",
    ]


async def back(settings: Settings, revision: str, *, go: bool) -> list[str]:
    """Go back to a revision, or tell what that would lose. Raises Failure."""
    file = sqlite_file(settings.database.url)
    if file is not None and not file.exists():
        raise Failure(f"{file}: no such database")
    db = Database.open(settings.database)
    try:
        with failures(), running.sole(file):
            return await way_back.go_back(db, revision, go=go)
    except ValueError as error:
        raise Failure(f"--back-to: {error}") from None
    finally:
        await db.close()


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """What can go wrong with a database, as lines for the operator."""
    try:
        yield
    except (Away, Occupied, WrongSchema, Unreachable, CannotTransfer) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise Failure(f"{place}{error.strerror or error}; nothing was changed") from None
    except sa.exc.DBAPIError as error:
        first = str(error.orig).strip().partition("\n")[0]
        raise Failure(f"the database: {first}; nothing was changed") from None


@contextlib.contextmanager
def _both(origin: str, target: str) -> Iterator[None]:
    """No bot may start on either file meanwhile."""
    source, new = sqlite_file(origin), sqlite_file(target)
    if source is not None and not source.exists():
        raise Failure(f"--from: {source}: no such database")
    with contextlib.ExitStack() as held:
        for file in (source, new):
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(running.sole(file))
        yield


@asynccontextmanager
async def _origin(url: str) -> AsyncIterator[Database]:
    """The database that is read. A SQLite file may be a backup, which must stay as it is."""
    file = sqlite_file(url)
    db = (
        open_as_it_is(file)
        if file is not None
        else Database.open(DatabaseSettings(url, patience_s=PATIENCE_S))
    )
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def _target(url: str) -> AsyncIterator[Database]:
    db = Database.open(DatabaseSettings(url, patience_s=PATIENCE_S))
    try:
        yield db
    finally:
        await db.close()


def _same(one: str, other: str) -> bool:
    first, second = sa.make_url(one), sa.make_url(other)
    if first.drivername == second.drivername == addresses.SQLITE:
        return Path(first.database or "").resolve() == Path(second.database or "").resolve()
    place = [(u.drivername, u.host, u.port, u.database, u.query) for u in (first, second)]
    return place[0] == place[1]
