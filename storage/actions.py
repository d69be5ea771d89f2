"""Actions: the rows, and the one way to move them.

A move is one conditional UPDATE that names the old states (from lifecycle.MOVES) and whatever else
must still hold; it counts only if one row changed.  The audit row and the cards of the move are
written in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import audit, cards, holds
from storage.database import Transaction
from storage.lifecycle import MOVES, Move, State
from storage.people import ITSELF
from storage.tables import actions, people

WATCHSTANDER = "watchstander"
"""The actor of moves that no person made."""

_IN_LINE = set(Move) - {Move.ASK, Move.REJECT, Move.SETTLE_RAN, Move.SETTLE_NOT_RUN}
"""Moves after which others wait for something else than before."""


@dataclass(frozen=True)
class Action:
    """One row."""

    id: int
    type: str
    targets: tuple[str, ...]
    params: dict[str, Any]
    description: str
    requester_id: int
    room_id: int | None
    origin: str | None
    risk: str
    reasons: list[dict[str, Any]]
    """JSON of Text, one a reason."""
    plan: dict[str, Any]
    digest: str
    policy_version: str
    state: State
    created_at: int
    decide_by: int | None
    escalated_at: int | None
    decided_by: int | None
    decided_at: int | None
    comment: str
    run_by: int | None
    run_id: str | None
    started_at: int | None
    finished_at: int | None
    result: dict[str, Any] | None
    superseded_by: int | None
    beat_at: int | None
    """The runner's last sign of life."""
    progress: dict[str, Any] | None
    """What each host is at, while it runs."""
    cancelled_by: int | None
    cancelled_at: int | None

    @property
    def subject(self) -> str:
        return subject(self.id)

    @property
    def approved(self) -> bool:
        """A person said yes to it."""
        return self.decided_by is not None and self.state is not State.REJECTED


@dataclass(frozen=True)
class NewAction:
    """What an action begins with."""

    type: str
    description: str
    requester_id: int
    room_id: int | None
    origin: str | None
    plan: Mapping[str, Any]
    """Plan.to_json(): it holds targets, params, risk, reasons, policy version and digest."""


@dataclass(frozen=True)
class Guard:
    """What must still hold in the row for a move to count."""

    digest: str | None = None
    run_id: str | None = None
    decide_by: bool = False
    """The time to decide is not over."""
    run_by: bool = False
    """The time to run is not over."""
    overdue: bool = False
    """The time to decide or to run is over (for EXPIRE)."""


def subject(action_id: int) -> str:
    """The name of an action in cards, outbox and audit."""
    return f"action:{action_id}"


def _action(row: sa.Row[Any]) -> Action:
    values = dict(row._mapping)
    for column in ("targets", "params", "reasons", "plan"):
        values[column] = json.loads(values[column])
    values["targets"] = tuple(values["targets"])
    values["state"] = State(values["state"])
    for column in ("result", "progress"):
        values[column] = json.loads(values[column]) if values[column] else None
    return Action(**values)


async def insert(tx: Transaction, new: NewAction, actor: str) -> Action | None:
    """A new action in PROPOSED, with its audit row; None: its origin has made one already."""
    plan = new.plan
    key = await tx.insert_new(
        actions,
        type=new.type,
        targets=_json(plan["targets"]),
        params=_json(plan["params"]),
        description=new.description,
        requester_id=new.requester_id,
        room_id=new.room_id,
        origin=new.origin,
        risk=plan["risk"],
        reasons=_json(plan["reasons"]),
        plan=_json(plan),
        digest=plan["digest"],
        policy_version=plan["policy_version"],
        state=State.PROPOSED.value,
        created_at=tx.now,
    )
    if key is None:
        return None
    detail = {
        "type": new.type,
        "targets": list(plan["targets"]),
        "risk": plan["risk"],
        "digest": plan["digest"],
        "steps": [{"host": s["host"], "argv": list(s["argv"])} for s in plan["steps"]],
    }
    await audit.append(tx, actor, "action.propose", subject(key), detail)
    return await _must(tx, key)


async def by_id(tx: Transaction, action_id: int) -> Action | None:
    """One action."""
    row = await tx.one(sa.select(actions).where(actions.c.id == action_id))
    return _action(row) if row else None


async def by_origin(tx: Transaction, origin: str) -> Action | None:
    """The action that was made from a delivery."""
    row = await tx.one(sa.select(actions).where(actions.c.origin == origin))
    return _action(row) if row else None


async def listing(
    tx: Transaction,
    *,
    states: Iterable[State] | None = None,
    limit: int = 50,
    before: int | None = None,
    oldest_first: bool = False,
    undecided: bool = False,
) -> list[Action]:
    """Actions, newest first unless said otherwise; ``before`` is a row id to page from.

    ``undecided``: only those that no person decided.
    """
    query = sa.select(actions).limit(limit)
    query = query.order_by(actions.c.id.asc() if oldest_first else actions.c.id.desc())
    if states is not None:
        query = query.where(actions.c.state.in_([state.value for state in states]))
    if before is not None:
        query = query.where(actions.c.id < before)
    if undecided:
        query = query.where(actions.c.decided_by.is_(None))
    return [_action(row) for row in await tx.all(query)]


async def counts(tx: Transaction) -> dict[State, int]:
    """How many actions stand in each state."""
    rows = await tx.all(sa.select(actions.c.state, sa.func.count()).group_by(actions.c.state))
    return {State(state): int(count) for state, count in (tuple(row) for row in rows)}


async def move(
    tx: Transaction,
    action_id: int,
    step: Move,
    actor: str,
    *,
    only: Guard | None = None,
    values: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Move an action. False: it stood elsewhere, or the guard no longer held; nothing changed."""
    targets = set(MOVES[step].values())
    assert len(targets) == 1, f"{step} leads to more than one state"
    new_state = targets.pop()
    changed = await tx.change(
        actions.update()
        .where(actions.c.id == action_id, *_conditions(tx, step, only or Guard()))
        .values(state=new_state.value, **_columns(values or {}))
    )
    if changed != 1:
        return False
    await audit.append(
        tx,
        actor,
        f"action.{step}",
        subject(action_id),
        {"state": new_state.value, **(detail or {})},
    )
    await cards.refresh(tx, subject(action_id))
    if step in _IN_LINE:
        await holds.show_line(tx, action_id)
    tx.wake("actions")
    return True


def _conditions(tx: Transaction, step: Move, only: Guard) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [
        actions.c.state.in_([state.value for state in MOVES[step]])
    ]
    if only.digest is not None:
        found.append(actions.c.digest == only.digest)
    if only.run_id is not None:
        found.append(actions.c.run_id == only.run_id)
    if only.decide_by:
        found.append(actions.c.decide_by > tx.now)
    if only.run_by:
        found.append(actions.c.run_by > tx.now)
    if only.overdue:
        pending = actions.c.state == State.PENDING_APPROVAL.value
        found.append(
            sa.or_(
                sa.and_(pending, actions.c.decide_by <= tx.now),
                sa.and_(~pending, actions.c.run_by <= tx.now),
            )
        )
    return found


async def overdue(tx: Transaction) -> list[Action]:
    """Actions whose time to decide or to run is over."""
    states = [state.value for state in MOVES[Move.EXPIRE]]
    query = sa.select(actions).where(
        actions.c.state.in_(states), *_conditions(tx, Move.EXPIRE, Guard(overdue=True))
    )
    return [_action(row) for row in await tx.all(query)]


async def clean_runs(tx: Transaction, action_type: str, targets: Iterable[str], since: int) -> int:
    """How many actions of a type that a person asked for ran well on any of the targets."""
    wanted = set(targets)
    query = (
        sa.select(actions.c.targets)
        .join(people, people.c.id == actions.c.requester_id)
        .where(
            actions.c.type == action_type,
            actions.c.state == State.SUCCEEDED.value,
            actions.c.started_at >= since,
            people.c.name != ITSELF,
        )
    )
    return sum(bool(wanted & set(json.loads(row.targets))) for row in await tx.all(query))


async def begun_between(tx: Transaction, since: int, until: int, limit: int) -> list[Action]:
    """The latest actions above LOW that a runner began in a span of time, newest first."""
    query = sa.select(actions).where(
        actions.c.started_at >= since, actions.c.started_at <= until, actions.c.risk != "LOW"
    )
    query = query.order_by(actions.c.started_at.desc(), actions.c.id.desc()).limit(limit)
    return [_action(row) for row in await tx.all(query)]


async def unanswered(tx: Transaction, since: int) -> list[Action]:
    """Pending actions older than a moment that nobody was alarmed about yet."""
    query = sa.select(actions).where(
        actions.c.state == State.PENDING_APPROVAL.value,
        actions.c.created_at <= since,
        actions.c.escalated_at.is_(None),
    )
    return [_action(row) for row in await tx.all(query)]


async def escalated(tx: Transaction, action_id: int) -> bool:
    """Mark as escalated. False: somebody else did, or it was decided meanwhile."""
    changed = await tx.change(
        actions.update()
        .where(
            actions.c.id == action_id,
            actions.c.state == State.PENDING_APPROVAL.value,
            actions.c.escalated_at.is_(None),
        )
        .values(escalated_at=tx.now)
    )
    if changed == 1:
        await audit.append(tx, WATCHSTANDER, "action.escalate", subject(action_id))
        await cards.refresh(tx, subject(action_id))
    return changed == 1


async def cancel(
    tx: Transaction,
    action_id: int,
    person_id: int,
    actor: str,
    reason: str,
    detail: Mapping[str, Any],
) -> bool:
    """Call an action off. False: it is over, or somebody called it off before.

    One that has not begun never will; of one that runs nothing more is begun, which its runner
    hears at once.  The reason takes the place of the approver's comment, which is in the audit log.
    """
    who = {"cancelled_by": person_id, "cancelled_at": tx.now, "comment": reason}
    detail = {**detail, "reason": reason}
    if await move(tx, action_id, Move.CANCEL, actor, values=who, detail=detail):
        return True
    changed = await tx.change(
        actions.update()
        .where(
            actions.c.id == action_id,
            actions.c.state == State.RUNNING.value,
            actions.c.cancelled_at.is_(None),
        )
        .values(**who)
    )
    if changed != 1:
        return False
    told = {"state": State.RUNNING.value, **detail}
    await audit.append(tx, actor, f"action.{Move.CANCEL}", subject(action_id), told)
    await cards.refresh(tx, subject(action_id))
    tx.wake("actions")
    return True


async def progress(
    tx: Transaction, action_id: int, run_id: str, standing: Mapping[str, Any]
) -> bool:
    """Keep what each host of a run is at, and show it. False: the run is no longer this one."""
    changed = await tx.change(
        actions.update()
        .where(
            actions.c.id == action_id,
            actions.c.run_id == run_id,
            actions.c.state == State.RUNNING.value,
        )
        .values(progress=_json(standing))
    )
    if changed == 1:
        await cards.refresh(tx, subject(action_id))
    return changed == 1


async def link_successor(tx: Transaction, action_id: int, successor: int) -> None:
    """Tell a superseded action which one took its place."""
    await tx.change(
        actions.update().where(actions.c.id == action_id).values(superseded_by=successor)
    )


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _json(v) if isinstance(v, dict | list | tuple) else v for k, v in values.items()}


async def _must(tx: Transaction, action_id: int) -> Action:
    action = await by_id(tx, action_id)
    assert action is not None
    return action


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
