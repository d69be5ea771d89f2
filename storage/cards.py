"""Which room shows which card, and the message that carries it there."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from storage import outbox
from storage.database import Transaction
from storage.tables import cards


@dataclass(frozen=True)
class CardCopy:
    """One room's copy of a card."""

    id: int
    subject: str
    room_id: int
    message: str | None
    """The platform's id; None until it is posted."""
    shown: str | None
    """Hash of what the room last saw."""


async def place(tx: Transaction, subject: str, room_id: int) -> None:
    """From now on this room shows the card."""
    await tx.insert_new(cards, subject=subject, room_id=room_id)
    await outbox.show_card(tx, room_id, subject)


async def refresh(tx: Transaction, subject: str) -> None:
    """The subject moved: every room that shows its card has to be brought up to date."""
    placed = sa.select(cards.c.room_id).where(cards.c.subject == subject)
    # In one order everywhere: two who move the same thing never wait for each other.
    for row in await tx.all(placed.order_by(cards.c.room_id)):
        await outbox.show_card(tx, row.room_id, subject)


async def copy_in(tx: Transaction, subject: str, room_id: int) -> CardCopy | None:
    """This room's copy."""
    return await _one(tx, sa.and_(cards.c.subject == subject, cards.c.room_id == room_id))


async def by_id(tx: Transaction, card: int) -> CardCopy | None:
    """A copy by row id."""
    return await _one(tx, cards.c.id == card)


async def _one(tx: Transaction, condition: sa.ColumnElement[bool]) -> CardCopy | None:
    row = await tx.one(sa.select(cards).where(condition))
    return CardCopy(row.id, row.subject, row.room_id, row.message, row.shown) if row else None


async def posted(tx: Transaction, card: int, message: str, shown: str) -> None:
    """The platform took it."""
    await tx.change(cards.update().where(cards.c.id == card).values(message=message, shown=shown))
