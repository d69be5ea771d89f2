"""Incidents: what a machine reported that somebody has to look at, and the one way to move them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import audit, cards, counters
from storage.database import Transaction
from storage.incident_tables import incident_events, incidents
from storage.lifecycle import INCIDENT_MOVES, IncidentMove, IncidentState
from storage.people import Person
from storage.tables import people

WATCHSTANDER = "watchstander"
"""The actor of what no person did."""


FARTHEST_MS = 8 * 24 * 3_600_000
"""No wait is as long: a time that lies farther off was written while the clock was wrong."""


@dataclass(frozen=True)
class Incident:
    """One row. ``asset`` is an inventory code, or what the reporter named and nothing acts on."""

    id: int
    key: str
    source: str
    """Who reported it: "alertmanager", "check:NAME", "guard:TASK", "rest:PERSON" …"""
    severity: str
    """P1, the worst, to P3."""
    summary: str
    """One line."""
    detail: str
    """What else was reported: log lines, the tail of stderr. May be many lines."""
    asset: str | None
    state: IncidentState
    kind: str
    """Its class, one of engine.incidents.classify.CLASSES."""
    symptom: str
    """16 hexadecimal characters, see engine/incidents/symptom.py."""
    fingerprint: str
    """The same for each report of the same thing by the same source; "" = never joined."""
    count: int
    """Reports that it fires."""
    flaps: int
    """Times that it came back after the source said it was over."""
    created_at: int
    last_seen_at: int
    cleared_at: int | None
    """When the source said that it is over; None = it still fires, or never says."""
    heal_at: int | None
    """When the healer looks at it next; None = it need not."""
    assignee_id: int | None
    assignee: str
    """Name of whoever took it; "" = nobody."""
    escalated_at: int | None
    resolved_at: int | None

    @property
    def subject(self) -> str:
        """Its name in cards and outbox."""
        return subject(self.id)


@dataclass(frozen=True)
class IncidentEvent:
    """One line of a timeline. ``who`` is "" for Watchstander itself."""

    id: int
    at: int
    who: str
    kind: str
    detail: Mapping[str, Any]


def subject(incident_id: int) -> str:
    """The name of an incident in cards and outbox."""
    return f"incident:{incident_id}"


_LOOKED_AT = (IncidentState.OPEN.value, IncidentState.ESCALATED.value)

_full = sa.select(incidents, sa.func.coalesce(people.c.name, "").label("assignee")).outerjoin(
    people, people.c.id == incidents.c.assignee_id
)


def _incident(row: sa.Row[Any]) -> Incident:
    values = dict(row._mapping)
    values["state"] = IncidentState(values["state"])
    return Incident(**values)


async def create(
    tx: Transaction,
    *,
    source: str,
    severity: str,
    summary: str,
    asset: str | None,
    actor: str,
    detail: str = "",
    kind: str = "UNKNOWN",
    symptom: str = "",
    fingerprint: str = "",
    labels: Mapping[str, str] | None = None,
    heal: bool = True,
) -> Incident:
    """Open an incident under the day's next key ``INC-YYYYMMDD-NNNN``, with its audit row.

    ``labels`` stand in the first line of its timeline. ``heal``: the healer is to look at it at
    once.
    """
    key = (await counters.take(tx, "INC"))[0]
    number = await tx.insert(
        incidents,
        key=key,
        source=source,
        severity=severity,
        summary=summary,
        detail=detail,
        asset=asset,
        state=IncidentState.OPEN.value,
        kind=kind,
        symptom=symptom,
        fingerprint=fingerprint,
        created_at=tx.now,
        last_seen_at=tx.now,
        heal_at=tx.now if heal else None,
    )
    told = {
        "source": source,
        "severity": severity,
        "summary": summary,
        "asset": asset,
        "kind": kind,
        "symptom": symptom,
    }
    await _event(tx, number, "open", told | ({"labels": dict(labels)} if labels else {}), None)
    await audit.append(tx, actor, "incident.open", key, told)
    tx.wake("incidents")
    return await must(tx, number)


async def by_id(tx: Transaction, incident_id: int) -> Incident | None:
    """One incident."""
    row = await tx.one(_full.where(incidents.c.id == incident_id))
    return _incident(row) if row else None


async def must(tx: Transaction, incident_id: int) -> Incident:
    """One incident that is known to be there."""
    found = await by_id(tx, incident_id)
    assert found is not None, f"incident {incident_id}"
    return found


async def locked(tx: Transaction, incident_id: int) -> Incident:
    """One incident that is known to be there, and that nobody else moves until this ends.

    To be taken before anything is written, so that nobody waits for it who holds the audit chain.
    """
    query = _full.where(incidents.c.id == incident_id)
    row = await tx.one(query.with_for_update(of=incidents, key_share=True))
    assert row is not None, f"incident {incident_id}"
    return _incident(row)


async def by_key(tx: Transaction, key: str) -> Incident | None:
    """An incident by its key."""
    row = await tx.one(_full.where(incidents.c.key == key))
    return _incident(row) if row else None


async def newest(tx: Transaction, source: str, fingerprint: str) -> Incident | None:
    """The last incident of a fingerprint, whatever became of it."""
    query = _full.where(incidents.c.source == source, incidents.c.fingerprint == fingerprint)
    row = await tx.one(query.order_by(incidents.c.id.desc()).limit(1))
    return _incident(row) if row else None


async def listing(
    tx: Transaction,
    limit: int = 50,
    *,
    states: Iterable[IncidentState] | None = None,
    before: int | None = None,
    kind: str | None = None,
    symptom: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> list[Incident]:
    """The newest incidents; ``before`` is a row id to page from.

    ``since`` and ``until`` are about when they began, both included.
    """
    query = _full.order_by(incidents.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(incidents.c.state.in_([state.value for state in states]))
    if before is not None:
        query = query.where(incidents.c.id < before)
    if kind is not None:
        query = query.where(incidents.c.kind == kind)
    if symptom is not None:
        query = query.where(incidents.c.symptom == symptom)
    if since is not None:
        query = query.where(incidents.c.created_at >= since)
    if until is not None:
        query = query.where(incidents.c.created_at <= until)
    return [_incident(row) for row in await tx.all(query)]


async def due(tx: Transaction, limit: int) -> list[Incident]:
    """What the healer has to look at now, the longest waiting first.

    OPEN incidents, and ESCALATED ones that became worse since a person was called.
    """
    query = _full.where(
        incidents.c.state.in_(_LOOKED_AT),
        sa.or_(incidents.c.heal_at <= tx.now, incidents.c.heal_at > tx.now + FARTHEST_MS),
    )
    rows = await tx.all(query.order_by(incidents.c.heal_at, incidents.c.id).limit(limit))
    return [_incident(row) for row in rows]


async def counts(tx: Transaction) -> dict[IncidentState, int]:
    """How many incidents stand in each state."""
    query = sa.select(incidents.c.state, sa.func.count()).group_by(incidents.c.state)
    rows = await tx.all(query)
    return {IncidentState(state): int(count) for state, count in (tuple(row) for row in rows)}


async def unresolved(tx: Transaction) -> dict[str, int]:
    """How many incidents that are not over have each severity, the worst first."""
    query = sa.select(incidents.c.severity, sa.func.count())
    query = query.where(incidents.c.state != IncidentState.RESOLVED.value)
    rows = await tx.all(query.group_by(incidents.c.severity).order_by(incidents.c.severity))
    return {str(severity): int(count) for severity, count in (tuple(row) for row in rows)}


async def move(
    tx: Transaction,
    incident_id: int,
    step: IncidentMove,
    actor: str,
    *,
    values: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
    person: Person | None = None,
) -> bool:
    """Move an incident. False: it stood elsewhere, and nothing changed.

    Writes the timeline and the audit row, and has its cards drawn anew.
    """
    target = next(iter(INCIDENT_MOVES[step].values()))
    stamps: dict[str, Any] = {
        IncidentMove.ESCALATE: {"escalated_at": tx.now, "heal_at": None},
        IncidentMove.RESOLVE: {"resolved_at": tx.now, "heal_at": None},
        IncidentMove.REOPEN: {"resolved_at": None, "escalated_at": None, "heal_at": tx.now},
        IncidentMove.RETRY: {"escalated_at": None, "heal_at": tx.now},
    }.get(step, {})
    changed = await tx.change(
        incidents.update()
        .where(
            incidents.c.id == incident_id,
            incidents.c.state.in_([state.value for state in INCIDENT_MOVES[step]]),
        )
        .values(state=target.value, **{**stamps, **(values or {})})
    )
    if changed != 1:
        return False
    found = await must(tx, incident_id)
    told = {"state": target.value, **(detail or {})}
    await _event(tx, incident_id, step.value, told, person.id if person else None)
    await audit.append(tx, actor, f"incident.{step}", found.key, told)
    await cards.refresh(tx, found.subject)
    tx.wake("incidents")
    return True


async def seen(
    tx: Transaction, incident_id: int, *, firing: bool, back: bool, severity: str
) -> None:
    """Count a report: that it fires, once more (``back``: after it was over), or that it is over.

    ``severity`` is the worst so far.
    """
    if firing:
        values: dict[str, Any] = {
            "count": incidents.c.count + 1,
            "flaps": incidents.c.flaps + int(back),
            "cleared_at": None,
            "last_seen_at": tx.now,
            "severity": severity,
        }
    else:
        values = {"cleared_at": tx.now}
    await tx.change(incidents.update().where(incidents.c.id == incident_id).values(**values))
    await cards.refresh(tx, subject(incident_id))
    tx.wake("incidents")


async def look_again(tx: Transaction, incident_id: int, at: int | None) -> None:
    """When the healer is to look at it next, if it is OPEN or ESCALATED; None = it need not."""
    mine = (incidents.c.id == incident_id, incidents.c.state.in_(_LOOKED_AT))
    await tx.change(incidents.update().where(*mine).values(heal_at=at))


async def take(tx: Transaction, incident_id: int, person: Person) -> bool:
    """Make a person responsible. False: it is theirs already, or over."""
    changed = await tx.change(
        incidents.update()
        .where(
            incidents.c.id == incident_id,
            incidents.c.state != IncidentState.RESOLVED.value,
            sa.or_(incidents.c.assignee_id.is_(None), incidents.c.assignee_id != person.id),
        )
        .values(assignee_id=person.id)
    )
    if changed != 1:
        return False
    found = await must(tx, incident_id)
    await _event(tx, incident_id, "take", {"by": person.name}, person.id)
    await audit.append(tx, person.actor, "incident.take", found.key, {"by": person.name})
    await cards.refresh(tx, found.subject)
    return True


async def note(
    tx: Transaction,
    incident_id: int,
    kind: str,
    detail: Mapping[str, Any],
    person: Person | None = None,
) -> None:
    """A line of the timeline that is no move: a probe, an attempt, a comment."""
    await _event(tx, incident_id, kind, detail, person.id if person else None)
    await cards.refresh(tx, subject(incident_id))


async def timeline(tx: Transaction, incident_id: int, limit: int = 200) -> list[IncidentEvent]:
    """The newest lines of its timeline, oldest first."""
    query = (
        sa.select(incident_events, sa.func.coalesce(people.c.name, "").label("who"))
        .outerjoin(people, people.c.id == incident_events.c.person_id)
        .where(incident_events.c.incident_id == incident_id)
        .order_by(incident_events.c.id.desc())
        .limit(limit)
    )
    rows = await tx.all(query)
    return [
        IncidentEvent(row.id, row.at, row.who, row.kind, json.loads(row.detail))
        for row in reversed(rows)
    ]


async def last_event(
    tx: Transaction, incident_id: int, kind: str | None = None
) -> IncidentEvent | None:
    """The newest line of its timeline, of a kind or of any."""
    query = sa.select(incident_events).where(incident_events.c.incident_id == incident_id)
    if kind is not None:
        query = query.where(incident_events.c.kind == kind)
    row = await tx.one(query.order_by(incident_events.c.id.desc()).limit(1))
    return IncidentEvent(row.id, row.at, "", row.kind, json.loads(row.detail)) if row else None


async def _event(
    tx: Transaction, incident_id: int, kind: str, detail: Mapping[str, Any], person: int | None
) -> None:
    await tx.insert(
        incident_events,
        incident_id=incident_id,
        at=tx.now,
        person_id=person,
        kind=kind,
        detail=json.dumps(detail, ensure_ascii=False, sort_keys=True),
    )
