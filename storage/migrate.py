"""Bringing a database to this version's tables, and telling how far it is.

The revisions in ``storage/migrations/versions`` are written out by hand and never change once
they are released.  They must end at ``storage/tables.py``; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.database import Database, telling

LOCK = 0x57415444
"""PostgreSQL advisory lock: replicas that start together migrate one by one."""

_VERSION_TABLE = "alembic_version"


class Schema(StrEnum):
    """How a database stands to this version of the program."""

    CURRENT = "current"  #: ready
    EMPTY = "empty"  #: no tables yet
    OLDER = "older"  #: revisions are missing: run ``watchstander migrate``
    NEWER = "newer"  #: a later version of the program has been here
    FOREIGN = "foreign"  #: holds tables, but none of ours says which version


class WrongSchema(Exception):
    """This program must not touch the database as it is; the message holds the mend."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(_MENDS[schema])
        self.schema = schema


class Unreachable(Exception):
    """Nothing could be read from the database; the message is the driver's first line."""


_MENDS = {
    Schema.EMPTY: "the database has no tables yet; run: watchstander migrate --config FILE",
    Schema.OLDER: (
        "the database was made by an earlier version; run: watchstander migrate --config FILE"
    ),
    Schema.NEWER: (
        "the database was made by a later version of Watchstander; "
        "install that version, or give another database"
    ),
    Schema.FOREIGN: (
        "the database holds tables that Watchstander did not make; give a database of its own"
    ),
}


async def state(db: Database) -> Schema:
    """How far the database is. Changes nothing. Raises Unreachable."""
    try:
        async with db.writer.connect() as connection:
            found = await connection.run_sync(_state)
            await connection.rollback()
    except sa.exc.DBAPIError as error:
        raise Unreachable(str(error.orig).strip().partition("\n")[0]) from None
    return found


async def upgrade(db: Database) -> bool:
    """Run the missing revisions in one transaction; True when there were some.

    Raises WrongSchema, and changes nothing, for a database from a later version or of another
    program; raises Away.
    """
    with telling():
        async with db.writer.begin() as connection:
            return await connection.run_sync(upgrade_within)


async def require_current(db: Database) -> None:
    """Raises WrongSchema unless the database is at this version."""
    found = await state(db)
    if found is not Schema.CURRENT:
        raise WrongSchema(found)


def to_revision(connection: sa.Connection, revision: str) -> None:
    """Move a database to a revision, forward or back ("base" = no tables)."""
    at = MigrationContext.configure(connection).get_current_revision()
    move = command.downgrade if revision in _before(at) else command.upgrade
    move(_config(connection), revision)


def revisions_before(connection: sa.Connection) -> list[str]:
    """The revisions that a database can be taken back to, the nearest first."""
    return _before(MigrationContext.configure(connection).get_current_revision())[:-1]


def _before(revision: str | None) -> list[str]:
    """What comes before a revision, the nearest first, "base" last."""
    if revision is None:
        return ["base"]
    scripts = ScriptDirectory.from_config(_config()).iterate_revisions(revision, "base")
    return [*(script.revision for script in scripts if script.revision != revision), "base"]


def upgrade_within(connection: sa.Connection) -> bool:
    """The same as ``upgrade`` in a transaction that is open already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    found = _state(connection)
    if found is Schema.CURRENT:
        return False
    if found in (Schema.NEWER, Schema.FOREIGN):
        raise WrongSchema(found)
    to_revision(connection, "head")
    return True


def _state(connection: sa.Connection) -> Schema:
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return Schema.EMPTY
    if _VERSION_TABLE not in tables:
        return Schema.FOREIGN
    at = MigrationContext.configure(connection).get_current_revision()
    if at is None:
        return Schema.EMPTY if tables == {_VERSION_TABLE} else Schema.FOREIGN
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    if at not in known:
        return Schema.NEWER
    return Schema.CURRENT if at == scripts.get_current_head() else Schema.OLDER


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
