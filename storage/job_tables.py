"""Room for the queue's own tables in the same PostgreSQL, in a schema beside ours.

There they meet neither our names nor our migrations.  They hold nothing that is not in our rows,
so another version of the queue makes them anew instead of carrying them over.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.database import Database

SCHEMA = "procrastinate"
_LOCK = 0x57415447  # PostgreSQL advisory lock


class NotOurs(Exception):
    """The database has a schema of that name that something else made; the message has the mend."""


def address(url: str) -> str:
    """The URL of a database in the form that psycopg itself reads, with its password."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def make(db: Database, version: str, script: str) -> bool:
    """Make the tables with a script of SQL unless this version's are there; True when it did.

    Processes that start together do it one by one.  Raises NotOurs.
    """
    name = sa.func.to_regnamespace(SCHEMA)
    async with db.writer.begin() as connection:
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        made = await connection.scalar(sa.select(sa.func.obj_description(name, "pg_namespace")))
        if made == version:
            return False
        if made is None and await connection.scalar(sa.select(name)) is not None:
            raise NotOurs(
                f"its schema {SCHEMA} was not made by Watchstander, which would have to replace it;"
                " give Watchstander a database of its own"
            )
        for line in (
            f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE",
            f"CREATE SCHEMA {SCHEMA}",
            f"SET LOCAL search_path TO {SCHEMA}",
            script,
        ):
            # As it stands: the script has many statements, and percent signs of its own.
            plain = {"no_parameters": True}
            await connection.exec_driver_sql(line, execution_options=plain)
        quoted = version.replace("'", "''")
        await connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{quoted}'")
    return True
