"""Every row of one database into another, SQLite or PostgreSQL, and the proof that all arrived.

Rows are read in the order of their key and checked by a hash over all of them, computed on either
side from what that side gives back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from storage.database import Transaction
from storage.schema import metadata

_BATCH = 1_000

PASSING = ("leases", "presences", "replicas")
"""Tables of processes that run: they say nothing about another database, and are left out."""

Row = dict[str, Any]


class CannotTransfer(Exception):
    """The rows cannot be copied; the message names table, row and mend. Roll the target back."""


@dataclass(frozen=True)
class Measure:
    """What a table holds: how many rows, and SHA-256 over all of them in the order of their key."""

    rows: int
    checksum: str


class _Sum:
    """A Measure that grows."""

    def __init__(self) -> None:
        self._rows = 0
        self._hash = hashlib.sha256()

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            packed = json.dumps(list(row.values()), ensure_ascii=False, separators=(",", ":"))
            self._hash.update(packed.encode("utf-8", "surrogatepass") + b"\n")
        self._rows += len(rows)

    @property
    def measure(self) -> Measure:
        return Measure(self._rows, self._hash.hexdigest())


async def first_filled(tx: Transaction) -> str:
    """The name of a table that holds rows; "" when there is none."""
    for table in _tables():
        if await tx.one(sa.select(_key(table)).limit(1)) is not None:
            return table.name
    return ""


async def copy(source: Transaction, target: Transaction) -> dict[str, Measure]:
    """Copy all rows and numbers into the target's empty tables, and read them back there.

    Gives what each table holds on both sides.  Raises CannotTransfer; then the target must be
    rolled back.  The target takes it in one transaction, so a broken copy leaves nothing.
    """
    copied = {}
    for table in _tables():
        summed = _Sum()
        async for rows in _batches(source, table):
            summed.add(rows)
            await _put(target, table, rows)
        await _go_on_numbering(source, target, table)
        found = await _measure(target, table)
        if found != summed.measure:
            raise CannotTransfer(
                f"{table.name}: {summed.measure.rows} rows were read and {found.rows} came back,"
                " or not the same ones; nothing was kept; look at the target's log and disk"
            )
        copied[table.name] = found
    return copied


def _tables() -> list[sa.Table]:
    """In the order in which they refer to each other."""
    return [table for table in metadata.sorted_tables if table.name not in PASSING]


async def _measure(tx: Transaction, table: sa.Table) -> Measure:
    summed = _Sum()
    async for rows in _batches(tx, table):
        summed.add(rows)
    return summed.measure


def _key(table: sa.Table) -> sa.Column[Any]:
    (key,) = table.primary_key.columns
    return key


async def _batches(tx: Transaction, table: sa.Table) -> AsyncIterator[list[Row]]:
    """All rows in the order of the key, which both databases must sort alike."""
    key = _key(table)
    by: sa.ColumnElement[Any] = key
    if isinstance(key.type, sa.Text):
        by = sa.collate(key, "C" if tx.dialect == "postgresql" else "BINARY")
    query, last = sa.select(table).order_by(by).limit(_BATCH), None
    while True:
        try:
            found = await tx.all(query if last is None else query.where(by > last))
        except sa.exc.DBAPIError as error:
            place = f"{table.name}, after row {last!r}" if last is not None else table.name
            raise CannotTransfer(f"{place}: cannot be read: {_first_line(error)}") from None
        rows: list[Row] = [dict(row._mapping) for row in found]
        if rows:
            yield rows
        if len(rows) < _BATCH:
            return
        last = rows[-1][key.name]


async def _put(tx: Transaction, table: sa.Table, rows: Sequence[Row]) -> None:
    for row in rows:
        wrong = _unstorable(table, row, tx.dialect)
        if wrong:
            raise CannotTransfer(f"{_place(table, row)}: {wrong}")
    try:
        async with tx.connection.begin_nested():
            await tx.execute(table.insert(), rows)
    except sa.exc.DBAPIError as error:
        raise CannotTransfer(await _culprit(tx, table, rows, error)) from None


async def _culprit(
    tx: Transaction, table: sa.Table, rows: Sequence[Row], batch: sa.exc.DBAPIError
) -> str:
    """Which row the target does not take; the batch's own error where each row alone is taken."""
    for row in rows:
        try:
            async with tx.connection.begin_nested():
                await tx.execute(table.insert().values(**row))
        except sa.exc.DBAPIError as error:
            return f"{_place(table, row)}: the target refuses it: {_first_line(error)}"
    return f"{table.name}: the target refuses it: {_first_line(batch)}"


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _place(table: sa.Table, row: Row) -> str:
    key = _key(table).name
    return f"{table.name}, row {key} = {row[key]!r}"


def _unstorable(table: sa.Table, row: Row, dialect: str) -> str:
    """What is wrong with a row, and the mend; "" when it can be kept."""
    for name, value in row.items():
        if value is None:
            continue
        column = table.c[name]
        if not isinstance(value, column.type.python_type):
            return f"{name} holds {value!r:.40}, which is no {column.type!r}; mend the row"
        if isinstance(value, str) and "\0" in value and dialect == "postgresql":
            return f"{name} holds the character U+0000, which PostgreSQL cannot keep; mend the row"
        if isinstance(value, int) and not _fits(column, value):
            return f"{name} holds {value}, which is too large for the target; mend the row"
    return ""


def _fits(column: sa.Column[Any], value: int) -> bool:
    bits: int = 63 if isinstance(column.type, sa.BigInteger) else 31
    return value.bit_length() <= bits


async def _go_on_numbering(source: Transaction, target: Transaction, table: sa.Table) -> None:
    """No number is given twice, also not one whose row was deleted."""
    last = await _last_number(source, table)
    if not last:
        return
    if target.dialect == "postgresql":
        sequence = sa.cast(await _sequence(target, table), postgresql.REGCLASS)
        await target.execute(sa.select(sa.func.setval(sequence, last)))
        return
    numbers = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    await target.execute(numbers.delete().where(numbers.c.name == table.name))
    await target.execute(numbers.insert().values(name=table.name, seq=last))


async def _last_number(tx: Transaction, table: sa.Table) -> int:
    """The last number that was given to a row; 0 for tables that number no rows."""
    if tx.dialect == "postgresql":
        sequence = sa.cast(await _sequence(tx, table), postgresql.REGCLASS)
        row = await tx.one(sa.select(sa.func.pg_sequence_last_value(sequence)))
        return int(row[0]) if row is not None and row[0] is not None else 0
    if not table.dialect_kwargs.get("sqlite_autoincrement"):
        return 0
    numbers = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    row = await tx.one(sa.select(numbers.c.seq).where(numbers.c.name == table.name))
    return int(row.seq) if row is not None else 0


async def _sequence(tx: Transaction, table: sa.Table) -> str | None:
    key = _key(table).name
    row = await tx.one(sa.select(sa.func.pg_get_serial_sequence(f'"{table.name}"', key)))
    return row[0] if row is not None else None
