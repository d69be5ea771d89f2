"""Signs of life of the actions that run, and whether their runner may still go on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from storage.database import Transaction
from storage.lifecycle import State
from storage.tables import actions

_RUNNING = actions.c.state == State.RUNNING.value


@dataclass(frozen=True)
class Beat:
    """The last sign of life of an action that runs."""

    action_id: int
    run_id: str | None
    at: int | None


async def give(tx: Transaction, action_id: int, run_id: str) -> bool:
    """A sign of life. False: the run is no longer this one, or over."""
    changed = await tx.change(
        actions.update()
        .where(actions.c.id == action_id, actions.c.run_id == run_id, _RUNNING)
        .values(beat_at=tx.now)
    )
    return changed == 1


async def called_off(tx: Transaction, run_ids: Collection[str]) -> set[str]:
    """Those of the runs of which nothing more is to be begun."""
    query = sa.select(actions.c.run_id).where(
        actions.c.run_id.in_(list(run_ids)), actions.c.cancelled_at.is_not(None)
    )
    return {row.run_id for row in await tx.all(query)}


async def last(tx: Transaction) -> list[Beat]:
    """The last sign of life of everything that runs."""
    query = sa.select(actions.c.id, actions.c.run_id, actions.c.beat_at).where(_RUNNING)
    rows = await tx.all(query.order_by(actions.c.id))
    return [Beat(row.id, row.run_id, row.beat_at) for row in rows]


async def silent_since(tx: Transaction, beat: Beat) -> bool:
    """Whether it still runs and gave no sign since; none can come until this transaction ends."""
    query = sa.select(actions.c.run_id, actions.c.beat_at).where(
        actions.c.id == beat.action_id, _RUNNING
    )
    row = await tx.one(query.with_for_update())
    return row is not None and (row.run_id, row.beat_at) == (beat.run_id, beat.at)
