"""Service requests by the thousand: what the cycle reads, and the moves it makes in batches.

Each move is one UPDATE per group that names the old state and gives back the ids that it changed.
Only those get an event and an audit row, so two cycles on one database never count a move twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.lifecycle import REQUEST_MOVES, RequestMove, RequestState
from storage.requests import LIVE, Note, record
from storage.tables import people, requests


@dataclass(frozen=True, slots=True)
class Fresh:
    """A request that nobody has looked at."""

    id: int
    key: str
    title: str
    body: str
    priority: str | None
    """What a person set already."""
    suggestion: Mapping[str, Any] | None
    """What was suggested on creation, as in ``Request``."""


@dataclass(frozen=True, slots=True)
class Unassigned:
    """A classified request that nobody has."""

    id: int
    key: str
    type: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request was classified as; ``due_after`` is milliseconds from its creation."""

    type: str
    priority: str
    due_after: int


@dataclass(frozen=True, slots=True)
class Late:
    """A request whose deadline is near or over."""

    id: int
    key: str
    title: str
    priority: str | None
    due_at: int
    assignee: str
    """Name; "" when nobody has it."""


async def fresh(tx: Transaction, limit: int, after: int = 0) -> list[Fresh]:
    """The oldest NEW requests above a row id."""
    rows = await tx.all(
        sa.select(
            requests.c.id,
            requests.c.key,
            requests.c.title,
            requests.c.body,
            requests.c.priority,
            requests.c.suggestion,
        )
        .where(requests.c.state == RequestState.NEW.value, requests.c.id > after)
        .order_by(requests.c.id)
        .limit(limit)
    )
    return [
        Fresh(r.id, r.key, r.title, r.body, r.priority, r.suggestion and json.loads(r.suggestion))
        for r in rows
    ]


async def classify(tx: Transaction, read: Mapping[Reading, Sequence[Fresh]]) -> int:
    """NEW → OPEN with type, priority and deadline; gives how many were still NEW."""
    notes: list[Note] = []
    for reading, group in read.items():
        changed = await _move(
            tx,
            RequestMove.CLASSIFY,
            [request.id for request in group],
            type=reading.type,
            # A person may have set the priority since the words were read: then it stands.
            priority=sa.func.coalesce(requests.c.priority, reading.priority),
            due_at=sa.func.coalesce(requests.c.due_at, requests.c.created_at + reading.due_after),
        )
        detail = {"type": reading.type, "priority": reading.priority}
        notes += _notes(group, changed, RequestMove.CLASSIFY.value, detail)
    await record(tx, notes)
    return len(notes)


async def unassigned(
    tx: Transaction, limit: int, after: int = 0, types: Collection[str] | None = None
) -> list[Unassigned]:
    """The oldest OPEN requests above a row id; only of these types when they are named."""
    query = (
        sa.select(requests.c.id, requests.c.key, requests.c.type)
        .where(
            requests.c.state == RequestState.OPEN.value,
            requests.c.assignee_id.is_(None),
            requests.c.id > after,
        )
        .order_by(requests.c.id)
        .limit(limit)
    )
    if types is not None:
        query = query.where(requests.c.type.in_(types))
    return [Unassigned(r.id, r.key, r.type) for r in await tx.all(query)]


async def loads(tx: Transaction) -> dict[int, int]:
    """Person id → how many live requests that person has."""
    rows = await tx.all(
        sa.select(requests.c.assignee_id.label("person"), sa.func.count().label("load"))
        .where(requests.c.state == RequestState.ASSIGNED.value)
        .group_by(requests.c.assignee_id)
    )
    return {int(row.person): int(row.load) for row in rows if row.person is not None}


async def assign(tx: Transaction, given: Mapping[tuple[int, str], Sequence[Unassigned]]) -> int:
    """Give requests to people, ``(person id, name)`` → requests; gives how many were still free."""
    notes: list[Note] = []
    for (person_id, name), group in given.items():
        changed = await _move(
            tx,
            RequestMove.ASSIGN,
            [request.id for request in group],
            requests.c.assignee_id.is_(None),
            assignee_id=person_id,
        )
        notes += _notes(group, changed, RequestMove.ASSIGN.value, {"assignee": name})
    await record(tx, notes)
    return len(notes)


async def escalate(tx: Transaction, margin_ms: int, limit: int) -> list[Late]:
    """Mark live requests that are due within the margin; each is marked once."""
    near = requests.c.due_at <= tx.now + margin_ms
    return await _mark(tx, "escalate", requests.c.escalated_at, near, limit)


async def breach(tx: Transaction, limit: int) -> list[Late]:
    """Mark live requests whose deadline is over; each is marked once."""
    return await _mark(tx, "breach", requests.c.breached_at, requests.c.due_at <= tx.now, limit)


async def _mark(
    tx: Transaction,
    kind: str,
    column: sa.Column[Any],
    condition: sa.ColumnElement[bool],
    limit: int,
) -> list[Late]:
    live = requests.c.state.in_([state.value for state in LIVE])
    rows = await tx.all(
        sa.select(
            requests.c.id,
            requests.c.key,
            requests.c.title,
            requests.c.priority,
            requests.c.due_at,
            sa.func.coalesce(people.c.name, "").label("assignee"),
        )
        .outerjoin(people, people.c.id == requests.c.assignee_id)
        .where(live, condition, column.is_(None))
        .order_by(requests.c.due_at, requests.c.id)
        .limit(limit)
    )
    changed = await tx.all(
        requests.update()
        .where(requests.c.id.in_([row.id for row in rows]), live, condition, column.is_(None))
        .values({column: tx.now})
        .returning(requests.c.id)
    )
    ids = {row.id for row in changed}
    marked = [
        Late(r.id, r.key, r.title, r.priority, r.due_at, r.assignee) for r in rows if r.id in ids
    ]
    await record(tx, [Note(late.id, late.key, kind, {"due_at": late.due_at}) for late in marked])
    return marked


async def _move(
    tx: Transaction,
    step: RequestMove,
    ids: Sequence[int],
    *conditions: sa.ColumnElement[bool],
    **values: Any,
) -> set[int]:
    sources = REQUEST_MOVES[step]
    (target,) = set(sources.values())
    rows = await tx.all(
        requests.update()
        .where(
            requests.c.id.in_(ids),
            requests.c.state.in_([state.value for state in sources]),
            *conditions,
        )
        .values(state=target.value, **values)
        .returning(requests.c.id)
    )
    return {int(row.id) for row in rows}


def _notes(
    group: Iterable[Fresh | Unassigned], changed: set[int], kind: str, detail: Mapping[str, Any]
) -> list[Note]:
    return [Note(item.id, item.key, kind, detail) for item in group if item.id in changed]
