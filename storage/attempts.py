"""The heal log: every attempt to repair an incident, and the one way to move it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import audit, cards, incidents
from storage.database import Transaction
from storage.incident_tables import attempt_targets, attempts
from storage.lifecycle import ATTEMPT_MOVES, FINAL, UNDER_WAY, AttemptMove, AttemptState
from storage.tables import actions

WATCHSTANDER = incidents.WATCHSTANDER


@dataclass(frozen=True)
class Attempt:
    """One row."""

    id: int
    incident_id: int
    playbook: str
    playbook_digest: str
    symptom: str
    action_type: str
    """The action type that it proposes; "" = none (ALERT_ONLY, WAIT_RETRY)."""
    targets: tuple[str, ...]
    state: AttemptState
    due_at: int
    action_id: int | None
    undo_id: int | None
    findings: dict[str, list[dict[str, Any]]]
    """``before``, ``after``, ``settled`` → what the probes found, JSON of Finding."""
    reason: dict[str, Any] | None
    """JSON of Text: why it ended as it did."""
    started_at: int
    acted_at: int | None
    finished_at: int | None
    learned_at: int | None


@dataclass(frozen=True)
class LastRun:
    """The latest attempt with a playbook."""

    state: AttemptState
    started_at: int
    tried_at: int | None
    """When the latest one that counts as a try ended, or began if it is under way."""


#: Something was proposed, or may still be. What was skipped before that costs no try.
_counts = sa.or_(attempts.c.state != AttemptState.SKIPPED.value, attempts.c.action_id.is_not(None))


def _attempt(row: sa.Row[Any]) -> Attempt:
    values = dict(row._mapping)
    values["targets"] = tuple(json.loads(values["targets"]))
    values["state"] = AttemptState(values["state"])
    values["findings"] = json.loads(values["findings"])
    values["reason"] = json.loads(values["reason"]) if values["reason"] else None
    return Attempt(**values)


async def begin(
    tx: Transaction,
    incident: incidents.Incident,
    *,
    playbook: str,
    playbook_digest: str,
    action_type: str,
    targets: Sequence[str],
) -> Attempt:
    """A new attempt in BEFORE, due now, with its lines in timeline and audit."""
    number = await tx.insert(
        attempts,
        incident_id=incident.id,
        playbook=playbook,
        playbook_digest=playbook_digest,
        symptom=incident.symptom,
        action_type=action_type,
        targets=_json(list(targets)),
        state=AttemptState.BEFORE.value,
        due_at=tx.now,
        started_at=tx.now,
    )
    for mark in marks(targets, incident.symptom):
        await tx.insert(attempt_targets, attempt_id=number, target=mark)
    told = {
        "attempt": number,
        "playbook": playbook,
        "action_type": action_type,
        "targets": list(targets),
    }
    await audit.append(tx, WATCHSTANDER, "attempt.begin", f"attempt:{number}", told)
    await incidents.note(tx, incident.id, "attempt", told)
    tx.wake("incidents")
    return await must(tx, number)


def marks(targets: Sequence[str], symptom: str) -> list[str]:
    """What tries are counted by: the targets, or the symptom where nothing is touched."""
    return list(dict.fromkeys(targets)) or [f"symptom:{symptom}"]


async def by_id(tx: Transaction, attempt_id: int) -> Attempt | None:
    """One attempt."""
    row = await tx.one(sa.select(attempts).where(attempts.c.id == attempt_id))
    return _attempt(row) if row else None


async def must(tx: Transaction, attempt_id: int) -> Attempt:
    """One attempt that is known to be there."""
    found = await by_id(tx, attempt_id)
    assert found is not None, f"attempt {attempt_id}"
    return found


async def of_incident(tx: Transaction, incident_id: int) -> list[Attempt]:
    """The attempts of an incident, oldest first."""
    query = sa.select(attempts).where(attempts.c.incident_id == incident_id)
    return [_attempt(row) for row in await tx.all(query.order_by(attempts.c.id))]


async def due(tx: Transaction, limit: int) -> list[Attempt]:
    """Attempts under way whose time has come, or whose action has ended; longest waiting first."""
    follows = sa.case(
        (attempts.c.state == AttemptState.ACTING.value, attempts.c.action_id),
        (attempts.c.state == AttemptState.UNDOING.value, attempts.c.undo_id),
    )
    query = (
        sa.select(attempts)
        .outerjoin(actions, actions.c.id == follows)
        .where(
            attempts.c.state.in_([state.value for state in UNDER_WAY]),
            sa.or_(
                attempts.c.due_at <= tx.now,
                attempts.c.due_at > tx.now + incidents.FARTHEST_MS,
                actions.c.state.in_([state.value for state in FINAL]),
            ),
        )
    )
    rows = await tx.all(query.order_by(attempts.c.due_at, attempts.c.id).limit(limit))
    return [_attempt(row) for row in rows]


async def under_way_of(tx: Transaction, incident_id: int) -> Attempt | None:
    """The attempt of an incident that is under way; there is never more than one."""
    query = sa.select(attempts).where(
        attempts.c.incident_id == incident_id,
        attempts.c.state.in_([state.value for state in UNDER_WAY]),
    )
    row = await tx.one(query.order_by(attempts.c.id).limit(1))
    return _attempt(row) if row else None


async def stands(tx: Transaction, attempt: Attempt) -> bool:
    """Whether it stands as it was read: nobody has moved or postponed it since."""
    now = await must(tx, attempt.id)
    return (now.state, now.due_at) == (attempt.state, attempt.due_at)


async def under_way_on(tx: Transaction, targets: Sequence[str]) -> Attempt | None:
    """An attempt under way that touches one of the targets."""
    query = (
        sa.select(attempts)
        .join(attempt_targets, attempt_targets.c.attempt_id == attempts.c.id)
        .where(
            attempts.c.state.in_([state.value for state in UNDER_WAY]),
            attempt_targets.c.target.in_(list(targets)),
        )
        .order_by(attempts.c.id)
        .limit(1)
    )
    row = await tx.one(query)
    return _attempt(row) if row else None


async def move(
    tx: Transaction,
    attempt: Attempt,
    step: AttemptMove,
    *,
    due_at: int | None = None,
    values: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Move an attempt that stands as it was read. False: somebody else moved it; nothing changed.

    ``due_at``: when the healer looks next; now when None.  ``values`` may hold findings and reason
    as plain JSON.
    """
    target = ATTEMPT_MOVES[step][attempt.state]
    ended = target not in UNDER_WAY
    changed = await tx.change(
        attempts.update()
        .where(
            attempts.c.id == attempt.id,
            attempts.c.state == attempt.state.value,
            attempts.c.due_at == attempt.due_at,
        )
        .values(
            state=target.value,
            due_at=tx.now if due_at is None else due_at,
            finished_at=tx.now if ended else None,
            **_columns(values or {}),
        )
    )
    if changed != 1:
        return False
    told = {"attempt": attempt.id, "state": target.value, **(detail or {})}
    await audit.append(tx, WATCHSTANDER, f"attempt.{step}", f"attempt:{attempt.id}", told)
    await incidents.note(tx, attempt.incident_id, f"attempt_{step}", told)
    tx.wake("incidents")
    if ended:
        tx.wake("learning")
    return True


async def postpone(tx: Transaction, attempt: Attempt, due_at: int) -> bool:
    """Look later, in the same state. False: somebody else moved it."""
    changed = await tx.change(
        attempts.update()
        .where(
            attempts.c.id == attempt.id,
            attempts.c.state == attempt.state.value,
            attempts.c.due_at == attempt.due_at,
        )
        .values(due_at=due_at)
    )
    return changed == 1


async def follow(tx: Transaction, attempt: Attempt, column: str, action_id: int) -> None:
    """Its action was superseded: it waits for the new one. ``column``: action_id or undo_id."""
    await tx.change(
        attempts.update().where(attempts.c.id == attempt.id).values({column: action_id})
    )
    await cards.refresh(tx, incidents.subject(attempt.incident_id))


async def tries(
    tx: Transaction, playbook: str, targets: Sequence[str], symptom: str, since: int
) -> list[Attempt]:
    """Attempts of a playbook on any of the targets since a moment, oldest first.

    Those that ended before anything was proposed do not count.
    """
    query = (
        sa.select(attempts)
        .join(attempt_targets, attempt_targets.c.attempt_id == attempts.c.id)
        .where(
            attempts.c.playbook == playbook,
            attempts.c.started_at >= since,
            attempt_targets.c.target.in_(marks(targets, symptom)),
            _counts,
        )
        .distinct()
        .order_by(attempts.c.id)
    )
    return [_attempt(row) for row in await tx.all(query)]


async def told_since(tx: Transaction, playbook: str, symptom: str, since: int) -> bool:
    """Whether a playbook was used for a symptom since a moment, whatever came of it."""
    query = sa.select(attempts.c.id).where(
        attempts.c.playbook == playbook,
        attempts.c.symptom == symptom,
        attempts.c.started_at >= since,
    )
    return await tx.one(query.limit(1)) is not None


async def begun_since(
    tx: Transaction, since: int, *, target: str | None = None, symptom: str | None = None
) -> int:
    """How many attempts began since a moment: on a target, for a symptom, or at all."""
    query = sa.select(sa.func.count()).select_from(attempts)
    if target is not None:
        query = query.join(attempt_targets, attempt_targets.c.attempt_id == attempts.c.id)
        query = query.where(attempt_targets.c.target == target)
    if symptom is not None:
        query = query.where(attempts.c.symptom == symptom)
    row = await tx.one(query.where(attempts.c.started_at >= since, _counts))
    assert row is not None
    return int(row[0])


async def results(tx: Transaction) -> dict[str, dict[AttemptState, int]]:
    """How many attempts of each playbook stand in each state."""
    query = sa.select(attempts.c.playbook, attempts.c.state, sa.func.count()).group_by(
        attempts.c.playbook, attempts.c.state
    )
    found: dict[str, dict[AttemptState, int]] = {}
    for playbook, state, count in (tuple(row) for row in await tx.all(query)):
        found.setdefault(playbook, {})[AttemptState(state)] = int(count)
    return found


async def last_runs(tx: Transaction) -> dict[str, LastRun]:
    """The latest attempt of each playbook that was ever used."""
    ended = sa.func.coalesce(attempts.c.finished_at, attempts.c.started_at)
    newest = (
        sa.select(
            attempts.c.playbook,
            sa.func.max(attempts.c.id).label("id"),
            sa.func.max(sa.case((_counts, ended))).label("tried_at"),
        )
        .group_by(attempts.c.playbook)
        .subquery()
    )
    query = sa.select(
        attempts.c.playbook, attempts.c.state, attempts.c.started_at, newest.c.tried_at
    ).join(newest, newest.c.id == attempts.c.id)
    return {
        row.playbook: LastRun(AttemptState(row.state), row.started_at, row.tried_at)
        for row in await tx.all(query)
    }


async def unlearned(tx: Transaction, limit: int) -> list[Attempt]:
    """SUCCEEDED and FAILED attempts that have not become knowledge yet, oldest first."""
    ended = (AttemptState.SUCCEEDED.value, AttemptState.FAILED.value)
    query = sa.select(attempts).where(attempts.c.state.in_(ended), attempts.c.learned_at.is_(None))
    return [_attempt(row) for row in await tx.all(query.order_by(attempts.c.id).limit(limit))]


async def learned(tx: Transaction, attempt_id: int) -> bool:
    """Mark as learned from. False: somebody else did."""
    changed = await tx.change(
        attempts.update()
        .where(attempts.c.id == attempt_id, attempts.c.learned_at.is_(None))
        .values(learned_at=tx.now)
    )
    return changed == 1


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _json(v) if isinstance(v, dict | list | tuple) else v for k, v in values.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
