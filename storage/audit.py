"""The append-only audit table: each row's hash covers the row and the hash before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from storage import failpoints, redaction
from storage.database import Transaction
from storage.tables import audit

START = "0" * 64
"""What the first row follows."""

_LOCK = 0x57415443  # PostgreSQL advisory lock: one writer of the chain at a time


@dataclass(frozen=True)
class Record:
    """Something that happened. ``actor`` is "person:NAME" or "watchstander"."""

    actor: str
    kind: str
    subject: str
    detail: Mapping[str, Any]


def row_hash(previous: str, seq: int, at: int, record: Record) -> str:
    """SHA-256 over the canonical JSON of a row and the hash of the row before it."""
    covered = [previous, seq, at, record.actor, record.kind, record.subject, dict(record.detail)]
    canonical = json.dumps(covered, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def append(
    tx: Transaction, actor: str, kind: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Add one row, in the transaction that does what it records."""
    await append_many(tx, [Record(actor, kind, subject, detail or {})])


async def append_many(tx: Transaction, records: Iterable[Record]) -> None:
    """Add rows in order. What is known as a secret, or has the form of one, is left out of them."""
    await tx.alone(_LOCK)
    last = await tx.one(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1))
    seq, previous = (last.seq, last.hash) if last else (0, START)
    rows = []
    for given in records:
        record = replace(given, detail=redaction.hidden_in(given.detail))
        if failpoints.armed():
            tx.points.add(record.kind)
        seq += 1
        digest = row_hash(previous, seq, tx.now, record)
        rows.append(
            {
                "seq": seq,
                "at": tx.now,
                "actor": record.actor,
                "kind": record.kind,
                "subject": record.subject,
                "detail": json.dumps(dict(record.detail), sort_keys=True, ensure_ascii=False),
                "previous": previous,
                "hash": digest,
            }
        )
        previous = digest
    if rows:
        await tx.execute(audit.insert(), rows)
        tx.wake("audit")
