"""Secrets that stand for a person: API tokens, sign-in links, browser sessions.

Only hashes are kept. A secret has 256 random bits, so one round of SHA-256 is enough: there is
nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from storage import people
from storage.database import Transaction
from storage.people import Person
from storage.tables import tokens

_BYTES = 32
_PREFIX = {"api": "ws_", "signin": "", "session": ""}
_ONCE = "signin_once"


class Verdict(StrEnum):
    """What became of a secret."""

    VALID = "valid"
    UNKNOWN = "unknown"  #: never made here, or made for another purpose
    EXPIRED = "expired"  #: its time is over
    REVOKED = "revoked"  #: somebody took it back
    USED = "used"  #: a single-use link, opened before
    INACTIVE = "inactive"  #: its person is no longer listed


@dataclass(frozen=True)
class Finding:
    """A secret that was looked at. ``person`` is set only when the verdict is VALID."""

    verdict: Verdict
    person: Person | None = None
    token_id: int = 0
    """Row id, to revoke by; 0 when unknown."""


async def create(
    tx: Transaction, person_id: int, kind: str, ttl_ms: int | None, *, single_use: bool = False
) -> str:
    """Make a secret of a kind (api, signin, session) and give it: it cannot be read back later.

    ``ttl_ms`` is its life in milliseconds; None = until it is revoked. ``single_use`` is for
    sign-in links only. Raises ValueError for an unknown kind.
    """
    if kind not in _PREFIX:
        raise ValueError(f"unknown kind of token {kind!r}; one of {', '.join(_PREFIX)}")
    if single_use and kind != "signin":
        raise ValueError("only a sign-in token can be for a single use")
    secret = _PREFIX[kind] + secrets.token_urlsafe(_BYTES)
    await tx.insert(
        tokens,
        person_id=person_id,
        kind=_ONCE if single_use else kind,
        hash=_hash(secret),
        created_at=tx.now,
        expires_at=None if ttl_ms is None else tx.now + ttl_ms,
    )
    return secret


async def resolve(tx: Transaction, secret: str, kind: str) -> Person | None:
    """The person a secret stands for, with their role as it is now; None when it is not valid."""
    return (await examine(tx, secret, kind)).person


async def examine(tx: Transaction, secret: str, kind: str) -> Finding:
    """As ``resolve``, and why not. Changes nothing."""
    kinds = (kind, _ONCE) if kind == "signin" else (kind,)
    row = await tx.one(
        sa.select(tokens).where(tokens.c.hash == _hash(secret), tokens.c.kind.in_(kinds))
    )
    if row is None:
        return Finding(Verdict.UNKNOWN)
    if row.revoked_at is not None:
        return Finding(Verdict.REVOKED, token_id=row.id)
    if row.expires_at is not None and row.expires_at <= tx.now:
        return Finding(Verdict.EXPIRED, token_id=row.id)
    if row.kind == _ONCE and row.used_at is not None:
        return Finding(Verdict.USED, token_id=row.id)
    person = await people.by_id(tx, row.person_id)
    if person is None:
        return Finding(Verdict.INACTIVE, token_id=row.id)
    return Finding(Verdict.VALID, person, row.id)


async def redeem(tx: Transaction, secret: str) -> Finding:
    """Use a sign-in link. Of several who open a single-use one at the same time, one gets in."""
    found = await examine(tx, secret, "signin")
    if found.verdict is not Verdict.VALID:
        return found
    # A plain link may be used again; a single-use one only if nobody was first.
    unspent = sa.or_(tokens.c.kind != _ONCE, tokens.c.used_at.is_(None))
    spent = await tx.change(
        tokens.update().where(tokens.c.id == found.token_id, unspent).values(used_at=tx.now)
    )
    return found if spent == 1 else Finding(Verdict.USED, token_id=found.token_id)


async def revoke(tx: Transaction, secret: str) -> bool:
    """Take one secret back. False: it is unknown or was taken back before."""
    changed = await tx.change(
        tokens.update()
        .where(tokens.c.hash == _hash(secret), tokens.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )
    return changed == 1


async def revoke_all(tx: Transaction, person_id: int, kind: str | None = None) -> int:
    """Take back every secret of a person (of one kind, or all); gives how many."""
    query = tokens.update().where(tokens.c.person_id == person_id, tokens.c.revoked_at.is_(None))
    if kind is not None:
        query = query.where(tokens.c.kind.in_((kind, _ONCE) if kind == "signin" else (kind,)))
    return await tx.change(query.values(revoked_at=tx.now))


def _hash(secret: str) -> str:
    # "surrogatepass": a hostile header may hold anything, and must only ever be unknown.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
