"""People, what they may do, and which account on which platform is theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.tables import identities, people

ITSELF = "Watchstander"
"""The name under which the bot itself proposes; no listed person may have it."""


class Role(IntEnum):
    """What a person may do; each role includes the ones below it."""

    AGENT = 0  #: a program: may talk and report, never ask for or decide an action
    REQUESTER = 1  #: may ask
    ENGINEER = 2  #: may decide HIGH
    ADMIN = 3  #: may decide CRITICAL


@dataclass(frozen=True)
class Person:
    """Somebody the team has listed."""

    id: int
    name: str
    role: Role
    language: str
    skills: tuple[str, ...] = ()
    on_call: bool = False

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return f"person:{self.name}"


@dataclass(frozen=True)
class Account:
    """One account of a person on one platform, by the platform's immutable id."""

    platform: str
    tenant: str
    user: str


@dataclass(frozen=True)
class Listing:
    """A person as the configuration lists them."""

    name: str
    role: Role
    language: str
    skills: tuple[str, ...] = ()
    on_call: bool = False
    accounts: tuple[Account, ...] = ()


def _person(row: sa.Row[Any]) -> Person:
    return Person(
        row.id, row.name, Role[row.role], row.language, tuple(json.loads(row.skills)), row.on_call
    )


async def by_account(tx: Transaction, account: Account) -> Person | None:
    """The active person who owns an account, with their role as it is now."""
    row = await tx.one(
        sa.select(people)
        .join(identities, identities.c.person_id == people.c.id)
        .where(
            identities.c.platform == account.platform,
            identities.c.tenant == account.tenant,
            identities.c.user == account.user,
            people.c.active,
        )
    )
    return _person(row) if row else None


async def by_id(tx: Transaction, person: int) -> Person | None:
    """An active person by row id."""
    row = await tx.one(sa.select(people).where(people.c.id == person, people.c.active))
    return _person(row) if row else None


async def by_name(tx: Transaction, name: str) -> Person | None:
    """An active person by the name in the configuration."""
    row = await tx.one(sa.select(people).where(people.c.name == name, people.c.active))
    return _person(row) if row else None


async def name_of(tx: Transaction, person: int | None) -> str:
    """A person's name even when they have left; "" for None."""
    if person is None:
        return ""
    row = await tx.one(sa.select(people.c.name).where(people.c.id == person))
    return str(row.name) if row else f"#{person}"


async def everyone(tx: Transaction) -> list[Person]:
    """All active people, oldest first; Watchstander itself is none of them."""
    query = sa.select(people).where(people.c.active, people.c.name != ITSELF)
    return [_person(row) for row in await tx.all(query.order_by(people.c.id))]


async def itself(tx: Transaction) -> Person:
    """Watchstander as the requester of what it proposes by itself.

    It may ask, never decide, has no account and no token, and so nobody can speak in its name.
    """
    values = {"role": Role.REQUESTER.name, "language": "en", "active": True}
    await tx.insert_new(people, name=ITSELF, **values)
    row = await tx.one(sa.select(people).where(people.c.name == ITSELF))
    assert row is not None
    return _person(row)


async def accounts(tx: Transaction, person: int, platform: str) -> list[Account]:
    """A person's accounts on a platform."""
    rows = await tx.all(
        sa.select(identities).where(
            identities.c.person_id == person, identities.c.platform == platform
        )
    )
    return [Account(r.platform, r.tenant, r.user) for r in rows]


async def sync(tx: Transaction, listings: list[Listing]) -> None:
    """Make the tables say what the configuration says: who left loses every right at once."""
    await tx.change(people.update().where(people.c.name != ITSELF).values(active=False))
    await tx.change(identities.delete())
    for listing in listings:
        values = {
            "role": listing.role.name,
            "language": listing.language,
            "skills": json.dumps(list(listing.skills)),
            "on_call": listing.on_call,
            "active": True,
        }
        row = await tx.one(sa.select(people.c.id).where(people.c.name == listing.name))
        if row is None:
            person = await tx.insert(people, name=listing.name, **values)
        else:
            person = row.id
            await tx.change(people.update().where(people.c.id == person).values(**values))
        for account in listing.accounts:
            await tx.insert(
                identities,
                person_id=person,
                platform=account.platform,
                tenant=account.tenant,
                user=account.user,
            )
