"""Certificates, licences and domains: when each ends, what hinders a look, and what was told."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.incident_tables import expiries


@dataclass(frozen=True)
class Expiry:
    """One row."""

    id: int
    kind: str
    """certificate, licence or domain."""
    name: str
    ends_at: int | None
    """Milliseconds; None = not known yet."""
    looked_at: int | None
    problem: Mapping[str, Any] | None
    """JSON of the Text that says why the last look failed; None = it did not."""
    failing_since: int | None
    """When the looks began to fail."""
    problem_told: str
    """Key of the trouble that was told since then; "" = none was."""
    told_days: int | None
    """The last threshold, in days, that was told for this end."""


def _expiry(row: sa.Row[Any]) -> Expiry:
    kept = json.loads(row.problem) if row.problem else {}
    return Expiry(
        row.id,
        row.kind,
        row.name,
        row.ends_at,
        row.looked_at,
        kept.get("text"),
        kept.get("since"),
        kept.get("told", ""),
        row.told_days,
    )


async def listing(tx: Transaction) -> list[Expiry]:
    """Every row."""
    query = sa.select(expiries).order_by(expiries.c.kind, expiries.c.name)
    return [_expiry(row) for row in await tx.all(query)]


async def find(tx: Transaction, kind: str, name: str) -> Expiry | None:
    """One row."""
    row = await tx.one(sa.select(expiries).where(expiries.c.kind == kind, expiries.c.name == name))
    return _expiry(row) if row else None


async def keep_only(tx: Transaction, listed: Collection[tuple[str, str]]) -> None:
    """Forget what is no longer listed; ``listed`` has (kind, name) pairs."""
    for row in await tx.all(sa.select(expiries.c.id, expiries.c.kind, expiries.c.name)):
        if (row.kind, row.name) not in listed:
            await tx.change(expiries.delete().where(expiries.c.id == row.id))


async def looked(
    tx: Transaction,
    kind: str,
    name: str,
    ends_at: int | None,
    problem: Mapping[str, Any] | None = None,
) -> None:
    """Write a look down. Another end than before is a new thing to tell about.

    ``ends_at`` None: it could not be seen, and what was known of it stays.
    """
    known = await find(tx, kind, name)
    values: dict[str, Any] = {"looked_at": tx.now, "problem": _packed(tx, known, problem)}
    if ends_at is not None:
        values["ends_at"] = ends_at
        if known is not None and known.ends_at != ends_at:
            values["told_days"] = None
    if known is None:
        new = tx.unless_there(expiries).values(kind=kind, name=name, **values)
        await tx.execute(new.on_conflict_do_nothing())
    else:
        await tx.change(expiries.update().where(expiries.c.id == known.id).values(**values))


def _packed(tx: Transaction, known: Expiry | None, problem: Mapping[str, Any] | None) -> str:
    if problem is None:
        return ""
    since = known.failing_since if known and known.problem else None
    told = known.problem_told if known else ""
    kept = {"text": dict(problem), "since": tx.now if since is None else since, "told": told}
    return json.dumps(kept, ensure_ascii=False)


async def told(tx: Transaction, expiry: Expiry, days: int) -> None:
    """A threshold was told for the end that ``expiry`` had."""
    await tx.change(
        expiries.update()
        .where(expiries.c.id == expiry.id, expiries.c.ends_at == expiry.ends_at)
        .values(told_days=days)
    )


async def told_problem(tx: Transaction, expiry: Expiry) -> None:
    """Its trouble was told, and is not told again until a look goes well."""
    told_key = expiry.problem["key"] if expiry.problem else ""
    kept = {"text": expiry.problem, "since": expiry.failing_since, "told": told_key}
    await tx.change(
        expiries.update()
        .where(expiries.c.id == expiry.id)
        .values(problem=json.dumps(kept, ensure_ascii=False))
    )
