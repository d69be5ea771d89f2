"""Rooms: where people talk, and what the configuration allows there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.tables import identities, rooms


@dataclass(frozen=True)
class Room:
    """A room by its full key (platform, tenant, address)."""

    id: int
    platform: str
    tenant: str
    address: str
    name: str
    language: str
    listed: bool
    """The configuration names it: known people may work here."""
    cards: bool
    """Every action card is shown here."""
    approvals: bool
    """Escalations come here."""


@dataclass(frozen=True)
class RoomListing:
    """A room as the configuration lists it."""

    platform: str
    tenant: str
    address: str
    name: str = ""
    language: str = "en"
    cards: bool = True
    approvals: bool = False


def _room(row: sa.Row[Any]) -> Room:
    return Room(
        row.id,
        row.platform,
        row.tenant,
        row.address,
        row.name,
        row.language,
        row.listed,
        row.cards,
        row.approvals,
    )


async def find(tx: Transaction, platform: str, tenant: str, address: str) -> Room | None:
    """A room that was seen or listed before."""
    row = await tx.one(
        sa.select(rooms).where(
            rooms.c.platform == platform, rooms.c.tenant == tenant, rooms.c.address == address
        )
    )
    return _room(row) if row else None


async def seen(
    tx: Transaction, platform: str, tenant: str, address: str, name: str, language: str
) -> Room:
    """The room, made on first sight. A room that is only seen has no rights."""
    room = await find(tx, platform, tenant, address)
    if room is not None:
        return room
    await tx.insert_new(
        rooms, platform=platform, tenant=tenant, address=address, name=name, language=language
    )
    room = await find(tx, platform, tenant, address)
    assert room is not None
    return room


async def by_id(tx: Transaction, room: int) -> Room | None:
    """A room by row id."""
    row = await tx.one(sa.select(rooms).where(rooms.c.id == room))
    return _room(row) if row else None


async def with_cards(tx: Transaction) -> list[Room]:
    """Rooms where every action card is shown."""
    return [_room(r) for r in await tx.all(sa.select(rooms).where(rooms.c.listed, rooms.c.cards))]


async def for_approvals(tx: Transaction) -> list[Room]:
    """Rooms that escalations go to."""
    query = sa.select(rooms).where(rooms.c.listed, rooms.c.approvals)
    return [_room(r) for r in await tx.all(query)]


async def move(tx: Transaction, room: int, address: str) -> None:
    """Give a room its new address (a Telegram group became a supergroup)."""
    old = await by_id(tx, room)
    if old is None:
        return
    other = await find(tx, old.platform, old.tenant, address)
    if other is not None:
        # The new id was seen before we were told: it gives way to the row that has the rights.
        await tx.change(
            rooms.update()
            .where(rooms.c.id == other.id)
            .values(address=f"{address}#moved-{other.id}")
        )
    await tx.change(rooms.update().where(rooms.c.id == room).values(address=address))


async def sync(tx: Transaction, listings: list[RoomListing]) -> None:
    """Make the table say what the configuration says: an unlisted room loses its rights."""
    await tx.change(rooms.update().values(listed=False, cards=False, approvals=False))
    for listing in listings:
        room = await seen(
            tx, listing.platform, listing.tenant, listing.address, listing.name, listing.language
        )
        await tx.change(
            rooms.update()
            .where(rooms.c.id == room.id)
            .values(
                name=listing.name,
                language=listing.language,
                listed=True,
                cards=listing.cards,
                approvals=listing.approvals,
            )
        )


async def direct(tx: Transaction, person: int) -> list[Room]:
    """One-to-one rooms with a person, on the platforms where their account id is an address."""
    rows = await tx.all(
        sa.select(identities).where(
            identities.c.person_id == person, identities.c.platform.in_(("slack", "telegram"))
        )
    )
    return [await seen(tx, r.platform, r.tenant, r.user, "", "en") for r in rows]
