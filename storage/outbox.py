"""What is to be shown, written in the transaction that makes it true.

Kinds of rows:

``card``    the card of a subject ("action:17") in a room. It holds no words: delivery draws it
            from the rows as they are when it sends, so a late card is never an old card, and
            ten changes in a second are one edit.
``say``     words for a room.
``whisper`` words for one person in it.
``form``    a form that asks one person for a reason, opened for a button.

Cards and words keep their order within a room; whispers and forms answer somebody who waits, so
they overtake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.redaction import hidden
from storage.tables import outbox

PERSONAL = ("whisper", "form")
"""Kinds that are for one person, who waits for them."""


def _waiting(personal: bool) -> sa.Select[Any]:
    other = outbox.alias()
    now = sa.bindparam("now", type_=sa.BigInteger)
    query = sa.select(outbox).where(
        outbox.c.state == "WAITING",
        outbox.c.not_before <= now,
        outbox.c.room_id.not_in(sa.bindparam("busy", expanding=True)),
        outbox.c.kind.in_(PERSONAL) if personal else outbox.c.kind.not_in(PERSONAL),
    )
    if not personal:
        postponed = sa.select(other.c.room_id).where(
            other.c.state == "WAITING", other.c.not_before > now, other.c.kind.not_in(PERSONAL)
        )
        query = query.where(outbox.c.room_id.not_in(postponed))
    return query.order_by(outbox.c.id).limit(sa.bindparam("limit", type_=sa.Integer))


_WAITING = {personal: _waiting(personal) for personal in (True, False)}
# Built once: delivery asks after every commit.


@dataclass(frozen=True)
class Parcel:
    """One waiting row."""

    id: int
    room_id: int
    kind: str
    subject: str | None
    body: dict[str, Any]
    attempts: int
    created_at: int


async def show_card(tx: Transaction, room_id: int, subject: str) -> None:
    """The room's card of this subject has to be posted, or brought up to date."""
    statement = tx.unless_there(outbox).values(
        room_id=room_id,
        kind="card",
        subject=subject,
        body="{}",
        state="WAITING",
        created_at=tx.now,
    )
    # One statement, so that two who move the same thing at the same time cannot collide.
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=[outbox.c.room_id, outbox.c.subject],
            index_where=sa.text("kind = 'card' AND state = 'WAITING'"),
            set_={"version": outbox.c.version + 1},
        )
    )
    tx.wake("outbox")


async def say(tx: Transaction, room_id: int, body: Mapping[str, Any]) -> int:
    """Words for a room. ``body`` is what handlers/replies.py packs; gives the row id."""
    return await _put(tx, room_id, "say", body)


async def whisper(tx: Transaction, room_id: int, body: Mapping[str, Any]) -> int:
    """Words for the one person whose account id is ``body["user"]``; gives the row id."""
    return await _put(tx, room_id, "whisper", body)


async def ask_reason(tx: Transaction, room_id: int, body: Mapping[str, Any]) -> int:
    """A form for a person; ``body`` as handlers/replies.py packs it."""
    return await _put(tx, room_id, "form", body)


async def _put(tx: Transaction, room_id: int, kind: str, body: Mapping[str, Any]) -> int:
    row = await tx.insert(
        outbox,
        room_id=room_id,
        kind=kind,
        body=json.dumps(dict(body), ensure_ascii=False),
        state="WAITING",
        created_at=tx.now,
    )
    tx.wake("outbox")
    return row


async def waiting(
    tx: Transaction, limit: int, but_not: Sequence[int] = (), *, personal: bool
) -> list[Parcel]:
    """The oldest parcels that are due, for rooms other than those in ``but_not``.

    ``personal``: those for one person; else those for everybody, and then a room with a postponed
    parcel gives none: order is kept within a room.
    """
    asked = {"now": tx.now, "busy": list(but_not), "limit": limit}
    rows = await tx.execute(_WAITING[personal], asked)
    return [
        Parcel(r.id, r.room_id, r.kind, r.subject, json.loads(r.body), r.attempts, r.created_at)
        for r in rows.all()
    ]


async def begin_try(tx: Transaction, parcel: int) -> int | None:
    """Write a try down before it is made. Gives the version that is shown; None: nothing waits."""
    row = await tx.one(
        outbox.update()
        .where(outbox.c.id == parcel, outbox.c.state == "WAITING")
        .values(attempts=outbox.c.attempts + 1)
        .returning(outbox.c.version)
    )
    return int(row.version) if row else None


async def sent(tx: Transaction, parcel: int, version: int) -> bool:
    """It arrived as of this version. False: there is something newer to show, it waits again."""
    changed = await tx.change(
        outbox.update()
        .where(outbox.c.id == parcel, outbox.c.state == "WAITING", outbox.c.version == version)
        .values(state="SENT", sent_at=tx.now)
    )
    if changed == 0:
        tx.wake("outbox")
    return changed == 1


async def postpone(tx: Transaction, parcel: int, error: str, delay_ms: int) -> None:
    """Try again later."""
    await tx.change(
        outbox.update()
        .where(outbox.c.id == parcel, outbox.c.state == "WAITING")
        .values(error=hidden(error), not_before=tx.now + delay_ms)
    )
    tx.wake("outbox")


async def give_up(tx: Transaction, parcel: int, error: str) -> None:
    """It will never arrive; /pending lists it."""
    await tx.change(
        outbox.update()
        .where(outbox.c.id == parcel, outbox.c.state == "WAITING")
        .values(state="GAVE_UP", error=hidden(error))
    )


async def undelivered(tx: Transaction) -> int:
    """How many parcels were given up."""
    row = await tx.one(sa.select(sa.func.count()).where(outbox.c.state == "GAVE_UP"))
    return int(row[0]) if row else 0


async def count_waiting(tx: Transaction) -> int:
    """How many parcels are not sent yet."""
    row = await tx.one(sa.select(sa.func.count()).where(outbox.c.state == "WAITING"))
    return int(row[0]) if row else 0
