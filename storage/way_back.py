"""Going back to an earlier version's tables, and what of the rows that loses."""

from __future__ import annotations

import sqlalchemy as sa

from storage import migrate, running
from storage.database import Database


async def go_back(db: Database, revision: str, *, go: bool) -> list[str]:
    """Take a database of this version back; gives one line per table and column that is lost.

    Without ``go`` it is tried and undone: nothing changes.  Raises Occupied while somebody runs
    on it, WrongSchema, and ValueError for a revision that is none of the earlier ones.
    """
    await migrate.require_current(db)
    async with db.write() as tx:
        connection = tx.connection
        earlier = await connection.run_sync(migrate.revisions_before)
        if revision not in earlier:
            raise ValueError(f"{revision} is no earlier revision; known: {', '.join(earlier)}")
        await running.at_rest(tx)
        before = await connection.run_sync(_columns)
        counts = await connection.run_sync(_counts)
        await connection.run_sync(migrate.to_revision, revision)
        after = await connection.run_sync(_columns)
        if not go:
            await connection.rollback()
    return _lost(before, after, counts)


def _columns(connection: sa.Connection) -> dict[str, list[str]]:
    inspector = sa.inspect(connection)
    return {
        table: [column["name"] for column in inspector.get_columns(table)]
        for table in sorted(inspector.get_table_names())
    }


def _counts(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """(table, "") → rows, (table, column) → rows that say something there."""
    found = {}
    for table, columns in _columns(connection).items():
        place = sa.table(table, *(sa.column(name) for name in columns))
        counted = [sa.func.count(), *(sa.func.count(place.c[name]) for name in columns)]
        row = connection.execute(sa.select(*counted).select_from(place)).one()
        found.update({(table, name): row[at] for at, name in enumerate(["", *columns])})
    return found


def _lost(
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    counts: dict[tuple[str, str], int],
) -> list[str]:
    lines = []
    for table, columns in before.items():
        if table not in after:
            lines.append(f"table {table}: {counts[table, '']} rows are lost")
            continue
        lines += [
            f"table {table}: column {name} is lost, filled in {counts[table, name]} rows"
            for name in columns
            if name not in after[table]
        ]
    return lines
