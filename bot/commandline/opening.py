"""What most commands begin with: the configuration, and the database it names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.commandline.output import Failure
from bot.settings import Settings, SettingsError, load_settings
from engine.audit import CannotSign, Checkpointer
from storage import audit_read, migrate, people, rooms
from storage.address import sqlite_file
from storage.database import Database
from storage.migrate import Schema, Unreachable, WrongSchema
from storage.people import Person


def settings_from(path: Path) -> Settings:
    """The configuration. Raises Failure with everything that is wrong in it."""
    try:
        return load_settings(path)
    except SettingsError as error:
        raise Failure(*error.problems) from None


@asynccontextmanager
async def database(settings: Settings, *, prepare: bool = False) -> AsyncIterator[Database]:
    """The open database, at this version's tables. Raises Failure when it cannot be used.

    ``prepare`` makes or upgrades the tables first; without it a database that needs that is
    refused, and no file is made.
    """
    file = sqlite_file(settings.database.url)
    if file is not None and not prepare and not file.exists():
        raise Failure(f"{file}: no such database yet; run: watchstander migrate --config FILE")
    try:
        db = Database.open(settings.database)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}; mend [database] url") from None
    try:
        await _at_this_version(db, settings, prepare=prepare)
        yield db
    finally:
        await db.close()


async def _at_this_version(db: Database, settings: Settings, *, prepare: bool) -> None:
    try:
        found = await migrate.state(db)
        if prepare and found in (Schema.EMPTY, Schema.OLDER):
            await migrate.upgrade(db)
        else:
            await migrate.require_current(db)
    except (WrongSchema, Unreachable) as error:
        raise Failure(f"{settings.path.name}: [database] url: {error}") from None
    if prepare:
        await _begin_audit(db, settings)


async def _begin_audit(db: Database, settings: Settings) -> None:
    """Sign the empty chain before its first row, or its rows look as if they lost a signature."""
    async with db.read() as tx:
        if (await audit_read.head(tx)).count:
            return
        try:
            await Checkpointer(settings.audit).sign(tx)
        except (CannotSign, OSError) as error:
            raise Failure(f"{settings.path.name}: [audit]: {error}") from None


async def list_everybody(db: Database, settings: Settings) -> None:
    """Write the configuration's people and rooms to the tables."""
    async with db.write() as tx:
        await people.sync(tx, list(settings.people))
        await rooms.sync(tx, list(settings.rooms))


async def listed_person(db: Database, settings: Settings, name: str) -> Person:
    """A person of the configuration. Raises Failure with the names that there are."""
    known = [listing.name for listing in settings.people]
    if name not in known:
        names = ", ".join(known) or "nobody"
        raise Failure(f"{settings.path.name}: nobody is called {name!r}; listed are: {names}")
    async with db.read() as tx:
        person = await people.by_name(tx, name)
    if person is None:
        # Listed since the bot last started, or it never did.
        await list_everybody(db, settings)
        async with db.read() as tx:
            person = await people.by_name(tx, name)
    if person is None:
        raise Failure(f"{name!r} is listed but could not be written to the database")
    return person
