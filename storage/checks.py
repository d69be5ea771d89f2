"""Health checks: the last look of each, so that a start begins where the last process stopped."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.incident_tables import checks


@dataclass(frozen=True)
class CheckState:
    """One row."""

    name: str
    ok: bool | None
    """None = the last look could not tell."""
    failures: int
    """Looks in a row that went wrong."""
    firing: bool
    """It is reported as an incident, and not yet over."""
    detail: Mapping[str, Any]
    """JSON of Text: what the last look found."""
    looked_at: int
    since: int
    """When ``ok`` last changed."""


def _state(row: sa.Row[Any]) -> CheckState:
    values = {key: value for key, value in row._mapping.items() if key != "id"}
    values["detail"] = json.loads(values["detail"])
    return CheckState(**values)


async def listing(tx: Transaction) -> list[CheckState]:
    """Every check that was ever looked at and is not forgotten, by name."""
    return [_state(row) for row in await tx.all(sa.select(checks).order_by(checks.c.name))]


async def by_name(tx: Transaction, name: str) -> CheckState | None:
    """One check; None when it was never looked at."""
    row = await tx.one(sa.select(checks).where(checks.c.name == name))
    return _state(row) if row else None


async def record(
    tx: Transaction,
    name: str,
    ok: bool | None,
    detail: Mapping[str, Any],
    *,
    failures: int,
    firing: bool,
) -> None:
    """Keep a look, now; ``detail`` is JSON of Text."""
    values: dict[str, Any] = {
        "ok": ok,
        "failures": failures,
        "firing": firing,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
        "looked_at": tx.now,
    }
    same = (
        checks.c.ok.is_(None)
        if ok is None
        else sa.and_(checks.c.ok.is_not(None), checks.c.ok == ok)
    )
    since = sa.case((same, checks.c.since), else_=tx.now)
    insert = tx.unless_there(checks).values(name=name, since=tx.now, **values)
    await tx.execute(
        insert.on_conflict_do_update(
            index_elements=[checks.c.name], set_={**values, "since": since}
        )
    )


async def forget_all_but(tx: Transaction, names: Collection[str]) -> int:
    """Drop the rows of checks that are no longer configured; how many there were."""
    return await tx.change(checks.delete().where(checks.c.name.not_in(list(names))))
