"""Who has a target just now, and who waits for it.

An action takes all its targets in the transaction that claims it, or none; it frees them in the
transaction that records its end.  So no two run on one target, whichever processes they run in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from storage import cards
from storage.database import Transaction
from storage.lifecycle import MOVES, Move, State
from storage.replica_tables import holds
from storage.tables import actions

SHOWN_PLACES = 10
"""Up to here a card tells the exact place in line. Further back it says only that it is further
back, so that a move at the front need not redraw a thousand cards."""

_READY = [state.value for state in MOVES[Move.CLAIM]]

_FEEDING = 0x57415446  # PostgreSQL advisory lock


@dataclass(frozen=True)
class InLine:
    """An action that may run as soon as its targets are free."""

    id: int
    targets: frozenset[str]


@dataclass(frozen=True)
class Waiting:
    """What keeps an action from beginning."""

    target: str
    """The first of its targets that somebody has, or waits for before it; "" = too far back."""
    holder: int | None
    """The action that has the target now; None: nobody, but others are before it."""
    since: int | None
    """When the holder took it."""
    place: int
    """1 = the next of those that wait; SHOWN_PLACES + 1 = further back than SHOWN_PLACES."""


async def take(tx: Transaction, action_id: int, run_id: str, targets: Collection[str]) -> bool:
    """Take every target. False: somebody has one of them, and nothing was taken."""
    # In one order everywhere: two that want the same targets never wait for each other.
    wanted = sorted(set(targets))
    rows = [
        {"target": target, "action_id": action_id, "run_id": run_id, "since": tx.now}
        for target in wanted
    ]
    statement = tx.unless_there(holds).values(rows).on_conflict_do_nothing()
    taken = await tx.all(statement.returning(holds.c.target)) if rows else []
    if len(taken) == len(wanted):
        return True
    await tx.change(holds.delete().where(holds.c.run_id == run_id))
    return False


async def free(tx: Transaction, action_id: int) -> None:
    """Give up what an action has."""
    await tx.change(holds.delete().where(holds.c.action_id == action_id))


async def free_stale(tx: Transaction) -> int:
    """Free what is held for actions that do not run; how many targets that were."""
    still = sa.select(actions.c.id).where(actions.c.state == State.RUNNING.value)
    return await tx.change(holds.delete().where(holds.c.action_id.not_in(still)))


async def held(tx: Transaction) -> set[str]:
    """Every target that somebody has."""
    return {row.target for row in await tx.all(sa.select(holds.c.target))}


async def line(
    tx: Transaction, limit: int, after: int = 0, only_risk: str | None = None
) -> list[InLine]:
    """Actions that wait for the runner and may still begin: oldest first, above a row id."""
    query = sa.select(actions.c.id, actions.c.targets).where(
        actions.c.state.in_(_READY), actions.c.run_by > tx.now, actions.c.id > after
    )
    if only_risk is not None:
        query = query.where(actions.c.risk == only_risk)
    rows = await tx.all(query.order_by(actions.c.id).limit(limit))
    return [InLine(row.id, frozenset(json.loads(row.targets))) for row in rows]


async def queue(tx: Transaction, action_id: int) -> Waiting | None:
    """Why an action that may run does not begin; None: nothing is in its way, or it does not wait.

    It is the same for every reader and at every time until a row moves: a card can show it.
    """
    query = sa.select(actions.c.targets, actions.c.state).where(actions.c.id == action_id)
    row = await tx.one(query)
    if row is None or row.state not in _READY:
        return None
    targets: list[str] = json.loads(row.targets)
    before = await _sharing(tx, targets, before=action_id, limit=SHOWN_PLACES)
    if len(before) == SHOWN_PLACES:
        return Waiting("", None, None, SHOWN_PLACES + 1)
    had = sa.select(holds).where(holds.c.target.in_(targets))
    holders = {hold.target: hold for hold in await tx.all(had)}
    wanted = {target for other in before for target in other.targets}
    busy = [t for t in targets if t in holders] or [t for t in targets if t in wanted]
    if not busy:
        return None
    hold = holders.get(busy[0])
    holder, since = (hold.action_id, hold.since) if hold else (None, None)
    return Waiting(busy[0], holder, since, len(before) + 1)


async def show_line(tx: Transaction, action_id: int) -> None:
    """An action joined the line, left it, began or ended: redraw the cards that tell of it."""
    row = await tx.one(sa.select(actions.c.targets).where(actions.c.id == action_id))
    assert row is not None
    targets: list[str] = json.loads(row.targets)
    for other in await _sharing(tx, targets, limit=SHOWN_PLACES * max(len(targets), 1)):
        if other.id != action_id:
            await cards.refresh(tx, f"action:{other.id}")


async def alone_feeding(tx: Transaction) -> bool:
    """Whether nobody else feeds the queue now; it stays so until this transaction ends."""
    row = await tx.one(sa.select(sa.func.pg_try_advisory_xact_lock(_FEEDING)))
    return row is not None and bool(row[0])


async def _sharing(
    tx: Transaction, targets: Iterable[str], *, before: int | None = None, limit: int | None = None
) -> list[InLine]:
    """Waiting actions that want one of these targets, the oldest first."""
    wanted = set(targets)
    # The column is a JSON list; what only looks alike (LIKE folds case on SQLite) goes out below.
    named = [
        actions.c.targets.contains(json.dumps(target, ensure_ascii=False), autoescape=True)
        for target in sorted(wanted)
    ]
    query = sa.select(actions.c.id, actions.c.targets).where(
        actions.c.state.in_(_READY), sa.or_(sa.false(), *named)
    )
    if before is not None:
        query = query.where(actions.c.id < before)
    rows = await tx.all(query.order_by(actions.c.id).limit(limit))
    found = [InLine(row.id, frozenset(json.loads(row.targets))) for row in rows]
    return [other for other in found if other.targets & wanted]
