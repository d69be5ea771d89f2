"""Reading the audit table back: for verification, and for whoever asks what happened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.audit import START, Record, row_hash
from storage.database import Transaction
from storage.tables import audit

_BATCH = 1_000


@dataclass(frozen=True)
class Head:
    """Where the chain ends: how many rows, and the hash of the last."""

    count: int
    hash: str


@dataclass(frozen=True)
class Row:
    """One row as it is stored."""

    seq: int
    at: int
    record: Record
    previous: str
    hash: str
    sound: bool
    """The row's own hash covers what the row says now."""


async def head(tx: Transaction) -> Head:
    """The end of the chain; count 0 when nothing was recorded yet."""
    row = await tx.one(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1))
    return Head(row.seq, row.hash) if row else Head(0, START)


async def hash_at(tx: Transaction, count: int) -> str | None:
    """The hash that the chain had after ``count`` rows; None when that row is not there."""
    if count == 0:
        return START
    row = await tx.one(sa.select(audit.c.hash).where(audit.c.seq == count))
    return str(row.hash) if row else None


async def walk(tx: Transaction) -> AsyncIterator[Row]:
    """Every row in order, read a thousand at a time."""
    after: int | None = None
    while True:
        query = sa.select(audit).order_by(audit.c.seq).limit(_BATCH)
        rows = await tx.all(query if after is None else query.where(audit.c.seq > after))
        for row in rows:
            yield _row(row)
        if len(rows) < _BATCH:
            return
        after = rows[-1].seq


async def latest(tx: Transaction, subject: str, limit: int = 50) -> list[Row]:
    """The last rows about a subject ("action:17"), oldest first."""
    query = (
        sa.select(audit).where(audit.c.subject == subject).order_by(audit.c.seq.desc()).limit(limit)
    )
    return [_row(row) for row in reversed(await tx.all(query))]


def _row(row: sa.Row[Any]) -> Row:
    detail = _detail(row.detail)
    record = Record(row.actor, row.kind, row.subject, detail if detail is not None else {})
    sound = detail is not None and row.hash == row_hash(row.previous, row.seq, row.at, record)
    return Row(row.seq, row.at, record, row.previous, row.hash, sound)


def _detail(written: str) -> dict[str, Any] | None:
    """The detail, or None when the text is not what ``append`` writes.

    The hash covers the values, so a text that only reads the same (a key given twice, other
    spacing) must not pass.
    """
    try:
        detail = json.loads(written)
    except ValueError:
        return None
    if not isinstance(detail, dict):
        return None
    if json.dumps(detail, sort_keys=True, ensure_ascii=False) != written:
        return None
    return detail
