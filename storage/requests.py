"""Service requests, and the line of events of each. A move is one conditional UPDATE."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import counters
from storage.audit import Record, append_many
from storage.database import Transaction
from storage.lifecycle import REQUEST_MOVES, RequestMove, RequestState
from storage.tables import people, request_events, requests

LIVE = (RequestState.NEW, RequestState.OPEN, RequestState.ASSIGNED)
"""The states in which somebody still has to do something."""

WATCHSTANDER = "watchstander"
"""The actor of moves that no person made."""


@dataclass(frozen=True)
class Request:
    """A service request as it stands. Times are milliseconds since 1970."""

    id: int
    key: str
    title: str
    body: str
    type: str | None
    priority: str | None
    suggestion: Mapping[str, Any] | None
    """What was suggested on creation: type, priority, why, source, confidence. None of it is more
    than a suggestion: the cycle or a person sets the type and the priority."""
    state: RequestState
    requester_id: int
    requester: str
    assignee_id: int | None
    assignee: str
    """Name; "" when nobody has it."""
    room_id: int | None
    created_at: int
    due_at: int | None
    escalated_at: int | None
    breached_at: int | None
    closed_at: int | None

    @property
    def live(self) -> bool:
        return self.state in LIVE


@dataclass(frozen=True)
class Happening:
    """One event in the life of a request."""

    at: int
    who: str
    """Name of the person; "" = Watchstander itself."""
    kind: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Note:
    """An event to be written, for the timeline and for the audit log alike."""

    request_id: int
    key: str
    kind: str
    detail: Mapping[str, Any]


_requester = people.alias("requester")
_assignee = people.alias("assignee")
_full = (
    sa.select(
        requests,
        _requester.c.name.label("requester"),
        sa.func.coalesce(_assignee.c.name, "").label("assignee"),
    )
    .join(_requester, _requester.c.id == requests.c.requester_id)
    .outerjoin(_assignee, _assignee.c.id == requests.c.assignee_id)
)


def _request(row: sa.Row[Any]) -> Request:
    return Request(
        id=row.id,
        key=row.key,
        title=row.title,
        body=row.body,
        type=row.type,
        priority=row.priority,
        suggestion=json.loads(row.suggestion) if row.suggestion else None,
        state=RequestState(row.state),
        requester_id=row.requester_id,
        requester=row.requester,
        assignee_id=row.assignee_id,
        assignee=row.assignee,
        room_id=row.room_id,
        created_at=row.created_at,
        due_at=row.due_at,
        escalated_at=row.escalated_at,
        breached_at=row.breached_at,
        closed_at=row.closed_at,
    )


async def create(
    tx: Transaction,
    *,
    title: str,
    body: str,
    suggestion: Mapping[str, Any] | None,
    requester_id: int,
    actor: str,
    room_id: int | None = None,
    origin: str | None = None,
) -> Request:
    """Write a NEW request. An ``origin`` that was used before gives the request it made then."""
    if origin is not None and (earlier := await _one(tx, requests.c.origin == origin)) is not None:
        return earlier
    key = (await counters.take(tx, "SR"))[0]
    row = await tx.one(
        tx.unless_there(requests)
        .values(
            key=key,
            title=title,
            body=body,
            suggestion=json.dumps(suggestion, ensure_ascii=False) if suggestion else None,
            state=RequestState.NEW.value,
            requester_id=requester_id,
            room_id=room_id,
            origin=origin,
            created_at=tx.now,
        )
        .on_conflict_do_nothing(index_elements=["origin"])
        .returning(requests.c.id)
    )
    if row is None:  # the same origin was committed by somebody else since we looked
        earlier = await _one(tx, requests.c.origin == origin)
        assert earlier is not None
        return earlier
    await record(tx, [Note(row.id, key, "create", {"title": title})], actor, requester_id)
    tx.wake("requests")
    made = await by_id(tx, row.id)
    assert made is not None
    return made


async def by_id(tx: Transaction, request: int) -> Request | None:
    """A request by row id."""
    return await _one(tx, requests.c.id == request)


async def by_key(tx: Transaction, key: str) -> Request | None:
    """A request by its whole key, e.g. ``SR-20261120-0001``."""
    return await _one(tx, requests.c.key == key)


async def known_keys(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Those of the keys that are the key of a request."""
    rows = await tx.all(sa.select(requests.c.key).where(requests.c.key.in_(keys)))
    return {str(row.key) for row in rows}


async def _one(tx: Transaction, condition: sa.ColumnElement[bool]) -> Request | None:
    row = await tx.one(_full.where(condition))
    return _request(row) if row else None


async def listing(
    tx: Transaction,
    *,
    states: Collection[RequestState] | None = None,
    type: str | None = None,
    assignee_id: int | None = None,
    requester_id: int | None = None,
    limit: int = 20,
    before: int | None = None,
) -> list[Request]:
    """Requests, newest first; ``before`` is the row id where the last page ended."""
    query = _full.order_by(requests.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(requests.c.state.in_([state.value for state in states]))
    wanted = {
        requests.c.type: type,
        requests.c.assignee_id: assignee_id,
        requests.c.requester_id: requester_id,
    }
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(requests.c.id < before)
    return [_request(row) for row in await tx.all(query)]


async def counts(tx: Transaction) -> dict[str, int]:
    """How many requests stand in each state."""
    query = sa.select(requests.c.state, sa.func.count().label("n")).group_by(requests.c.state)
    found = {str(row.state): int(row.n) for row in await tx.all(query)}
    return {state.value: found.get(state.value, 0) for state in RequestState}


async def timeline(tx: Transaction, request: int, limit: int = 100) -> list[Happening]:
    """The last events of a request, oldest first."""
    events = request_events
    rows = await tx.all(
        sa.select(events, sa.func.coalesce(people.c.name, "").label("who"))
        .outerjoin(people, people.c.id == events.c.person_id)
        .where(events.c.request_id == request)
        .order_by(events.c.id.desc())
        .limit(limit)
    )
    return [Happening(r.at, r.who, r.kind, json.loads(r.detail)) for r in reversed(rows)]


async def move(
    tx: Transaction,
    request: Request,
    step: RequestMove,
    *conditions: sa.ColumnElement[bool],
    actor: str,
    person_id: int | None,
    detail: Mapping[str, Any] | None = None,
    **values: Any,
) -> bool:
    """Move a request by the table, with its audit row and event. ``values`` are further columns.

    False: the request was no longer in a state that the move may start from, or one of the
    further ``conditions`` does not hold; nothing is written.
    """
    sources = REQUEST_MOVES[step]
    (target,) = set(sources.values())
    changed = await tx.change(
        requests.update()
        .where(
            requests.c.id == request.id,
            requests.c.state.in_([s.value for s in sources]),
            *conditions,
        )
        .values(state=target.value, **values)
    )
    if changed != 1:
        return False
    await record(tx, [Note(request.id, request.key, step.value, detail or {})], actor, person_id)
    return True


async def edit(
    tx: Transaction,
    request: Request,
    kind: str,
    *,
    actor: str,
    person_id: int | None,
    detail: Mapping[str, Any],
    **values: Any,
) -> bool:
    """Change columns of a live request without moving it. False: it is no longer live."""
    changed = await tx.change(
        requests.update()
        .where(requests.c.id == request.id, requests.c.state.in_([s.value for s in LIVE]))
        .values(**values)
    )
    if changed != 1:
        return False
    await record(tx, [Note(request.id, request.key, kind, detail)], actor, person_id)
    return True


async def record(
    tx: Transaction,
    notes: Sequence[Note],
    actor: str = WATCHSTANDER,
    person_id: int | None = None,
) -> None:
    """Write the notes into the timelines and the audit log."""
    if not notes:
        return
    await tx.execute(request_events.insert(), list(_event_rows(tx.now, notes, person_id)))
    await append_many(
        tx, (Record(actor, f"request.{note.kind}", note.key, note.detail) for note in notes)
    )


def _event_rows(now: int, notes: Sequence[Note], person_id: int | None) -> Iterable[dict[str, Any]]:
    packed: dict[int, str] = {}  # the notes of a batch share their details: pack each once
    for note in notes:
        detail = packed.get(id(note.detail))
        if detail is None:
            detail = json.dumps(dict(note.detail), ensure_ascii=False)
            packed[id(note.detail)] = detail
        yield {
            "request_id": note.request_id,
            "at": now,
            "person_id": person_id,
            "kind": note.kind,
            "detail": detail,
        }
