"""Rows in every table that a database has, whichever revision it is at, and what they say."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from storage import audit
from storage.database import Transaction

HOSTILE = "한국결제원 臺灣購物 🙂 'quoted' \\ \x01\x1f\u202e"
"""Part of every text."""

LONG = ("inbox", "counters", "outbox")
"""Tables that ``fill`` can make long; the keys of the second are texts."""


def reflected(connection: sa.Connection) -> sa.MetaData:
    """The tables as they are in the database now."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    metadata.remove(metadata.tables["alembic_version"])
    return metadata


def fill(connection: sa.Connection, rows: int = 3, many: int = 3) -> None:
    """``rows`` rows in every table but the audit chain, ``many`` in the long ones.

    The last row of two tables is deleted again: its number must never come back.
    """
    for table in reflected(connection).sorted_tables:
        if table.name == "audit":
            continue
        count = many if table.name in LONG else rows
        connection.execute(table.insert(), [_numberless(table, n) for n in range(1, count + 1)])
    for table in reversed(reflected(connection).sorted_tables):
        if table.name in ("incident_events", "messages"):
            connection.execute(table.delete().where(table.c.id == rows))


def _numberless(table: sa.Table, number: int) -> dict[str, Any]:
    """The row as the database will number it."""
    return {name: value for name, value in row_of(table, number).items() if name != "id"}


def row_of(table: sa.Table, number: int) -> dict[str, Any]:
    """The row with this number."""
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: sa.Column[Any], number: int) -> Any:
    if column.nullable and number % 2 == 0:
        return None
    if column.foreign_keys:
        return number if number <= 3 else 1
    if column.primary_key and isinstance(column.type, sa.Integer):
        return number
    if column.name == "severity":
        known = ("P1", "P2") if "fingerprint" in column.table.c else ("CRITICAL", "HIGH")
        return known[number % 2]
    if isinstance(column.type, sa.Boolean):
        return number % 2 == 1
    if isinstance(column.type, sa.Float):
        return number + 0.1
    if isinstance(column.type, sa.BigInteger):
        return 1_795_165_200_000 + number
    if isinstance(column.type, sa.Integer):
        return 2**31 - number
    return f"{column.name} {number} {HOSTILE}"


async def record(tx: Transaction, rows: int) -> None:
    """A piece of audit chain."""
    await audit.append_many(
        tx,
        [
            audit.Record("person:한지우", "action.propose", f"action:{n}", {"말": HOSTILE, "n": n})
            for n in range(rows)
        ],
    )


def contents(connection: sa.Connection) -> dict[str, dict[Any, dict[str, Any]]]:
    """Table → key → row."""
    found = {}
    for table in reflected(connection).sorted_tables:
        (key,) = table.primary_key.columns
        rows = connection.execute(sa.select(table)).mappings()
        found[table.name] = {row[key.name]: dict(row) for row in rows}
    return found
