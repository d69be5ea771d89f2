"""When a room was last offered a check, and where people do not want offers. No words are kept."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from storage import audit
from storage.database import Transaction
from storage.incident_tables import nudges
from storage.people import Person

EVERY = ""
"""In place of a rule's name: all rules of the room."""


@dataclass(frozen=True)
class Standing:
    """How a rule stands in a room."""

    off: bool
    offered_at: int | None


async def standing(tx: Transaction, room_id: int) -> dict[str, Standing]:
    """By rule, what is known of a room; a rule that is not here was never offered nor switched."""
    rows = await tx.all(sa.select(nudges).where(nudges.c.room_id == room_id))
    return {row.rule: Standing(row.off, row.offered_at) for row in rows}


async def is_off(tx: Transaction, room_id: int, rule: str) -> bool:
    """Whether the rule, or every rule, is switched off in the room."""
    query = sa.select(nudges.c.id).where(
        nudges.c.room_id == room_id, nudges.c.rule.in_((EVERY, rule)), nudges.c.off
    )
    return await tx.one(query.limit(1)) is not None


async def claim(tx: Transaction, room_id: int, rule: str, cooldown_ms: int) -> bool:
    """Take the right to offer now. False: it was offered less than ``cooldown_ms`` ago.

    By database time and in one statement at a time: of two processes one gets it.
    """
    if await tx.insert_new(nudges, room_id=room_id, rule=rule, offered_at=tx.now) is not None:
        return True
    offered = nudges.c.offered_at
    rested = sa.or_(
        offered.is_(None),
        offered <= tx.now - cooldown_ms,
        # The clock was put back: waiting for that moment could take years.
        offered > tx.now + cooldown_ms,
    )
    mine = sa.and_(nudges.c.room_id == room_id, nudges.c.rule == rule)
    return await tx.change(nudges.update().where(mine, rested).values(offered_at=tx.now)) == 1


async def switch(tx: Transaction, room_id: int, rule: str, person: Person, *, off: bool) -> bool:
    """Switch a rule, or EVERY rule, for a room. False: it stood so before."""
    before = (await standing(tx, room_id)).get(rule)
    if (before.off if before else False) is off:
        return False
    statement = tx.unless_there(nudges).values(room_id=room_id, rule=rule, off=off)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=[nudges.c.room_id, nudges.c.rule], set_={"off": off}
        )
    )
    kind = "nudges.off" if off else "nudges.on"
    await audit.append(tx, person.actor, kind, f"room:{room_id}", {"rule": rule or "*"})
    return True
