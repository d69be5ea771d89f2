"""Blocks: what a failed repair keeps from being tried again, and the ways out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import audit
from storage.attempts import WATCHSTANDER, Attempt
from storage.database import Transaction
from storage.incident_tables import blocks
from storage.people import Person


@dataclass(frozen=True)
class Block:
    """One row: this action type is not tried for this symptom by itself."""

    id: int
    symptom: str
    action_type: str
    attempt_id: int
    """The run that failed."""
    article_id: int | None
    """Its anti-pattern, once that is written."""
    created_at: int
    expires_at: int
    lifted_at: int | None
    lifted_by: int | None
    lifted_why: str | None
    avoided: int
    """How many attempts it stopped."""


def _block(row: sa.Row[Any]) -> Block:
    return Block(**row._mapping)


async def put(tx: Transaction, attempt: Attempt, expires_at: int) -> None:
    """Block the attempt's action for its symptom; once an attempt, however often it is called."""
    number = await tx.insert_new(
        blocks,
        symptom=attempt.symptom,
        action_type=attempt.action_type,
        attempt_id=attempt.id,
        created_at=tx.now,
        expires_at=expires_at,
    )
    if number is not None:
        detail = {"symptom": attempt.symptom, "action_type": attempt.action_type}
        told = {**detail, "attempt": attempt.id, "expires_at": expires_at}
        await audit.append(tx, WATCHSTANDER, "block.put", f"block:{number}", told)


async def in_force(tx: Transaction, symptom: str, action_type: str) -> Block | None:
    """The block that stands in the way now, the latest first."""
    query = sa.select(blocks).where(
        blocks.c.symptom == symptom, blocks.c.action_type == action_type, *_standing(tx)
    )
    row = await tx.one(query.order_by(blocks.c.id.desc()).limit(1))
    return _block(row) if row else None


async def standing(tx: Transaction) -> list[Block]:
    """Every block in force, oldest first."""
    query = sa.select(blocks).where(*_standing(tx))
    return [_block(row) for row in await tx.all(query.order_by(blocks.c.id))]


async def by_id(tx: Transaction, block_id: int) -> Block | None:
    """One block."""
    row = await tx.one(sa.select(blocks).where(blocks.c.id == block_id))
    return _block(row) if row else None


async def of_attempt(tx: Transaction, attempt_id: int) -> Block | None:
    """The block that a failed attempt left."""
    row = await tx.one(sa.select(blocks).where(blocks.c.attempt_id == attempt_id))
    return _block(row) if row else None


async def stopped_one(tx: Transaction, block_id: int) -> None:
    """Count an attempt that it stopped."""
    await tx.change(
        blocks.update().where(blocks.c.id == block_id).values(avoided=blocks.c.avoided + 1)
    )


async def lift(tx: Transaction, block: Block, person: Person | None, why: str) -> bool:
    """Lift every block in force for its symptom and action. False: none was in force.

    ``person`` is None when Watchstander lifts it itself, after clean manual runs.
    """
    changed = await tx.change(
        blocks.update()
        .where(
            blocks.c.symptom == block.symptom,
            blocks.c.action_type == block.action_type,
            *_standing(tx),
        )
        .values(lifted_at=tx.now, lifted_by=person.id if person else None, lifted_why=why)
    )
    if changed == 0:
        return False
    actor = person.actor if person else WATCHSTANDER
    await audit.append(tx, actor, "block.lift", f"block:{block.id}", {"why": why})
    tx.wake("incidents")
    return True


async def told_by(tx: Transaction, attempt_id: int, article_id: int) -> None:
    """The anti-pattern that was written of a failed attempt."""
    await tx.change(
        blocks.update().where(blocks.c.attempt_id == attempt_id).values(article_id=article_id)
    )


def _standing(tx: Transaction) -> tuple[sa.ColumnElement[bool], ...]:
    return (blocks.c.lifted_at.is_(None), blocks.c.expires_at > tx.now)
