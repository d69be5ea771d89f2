"""Secrets that stand for a person."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from storage import people, tokens
from storage.database import Database
from storage.people import Listing, Person, Role
from storage.tables import tokens as table
from storage.tokens import Verdict
from tests.conftest import FakeClock

HOUR = 3_600_000
MIN = Listing("Min", Role.ENGINEER, "ko")


@pytest.fixture
async def person(db: Database) -> Person:
    async with db.write() as tx:
        await people.sync(tx, [MIN, Listing("Lee", Role.ADMIN, "en")])
        found = await people.by_name(tx, "Min")
    assert found is not None
    return found


async def make(db: Database, person: Person, kind: str, ttl: int | None, **more: bool) -> str:
    async with db.write() as tx:
        return await tokens.create(tx, person.id, kind, ttl, **more)


async def verdict(db: Database, secret: str, kind: str) -> Verdict:
    async with db.read() as tx:
        return (await tokens.examine(tx, secret, kind)).verdict


async def redeem(db: Database, secret: str) -> Verdict:
    async with db.write() as tx:
        return (await tokens.redeem(tx, secret)).verdict


async def test_a_token_stands_for_its_person_with_their_role_as_it_is_now(
    db: Database, person: Person
) -> None:
    secret = await make(db, person, "api", None)
    async with db.write() as tx:
        assert await tokens.resolve(tx, secret, "api") == person
        await people.sync(tx, [Listing("Min", Role.REQUESTER, "ko")])
        found = await tokens.resolve(tx, secret, "api")
    assert found is not None
    assert found.role is Role.REQUESTER


async def test_only_the_hash_is_kept(db: Database, person: Person) -> None:
    secret = await make(db, person, "api", None)
    assert secret.startswith("ws_")
    assert len(secret) >= 3 + 192 // 6
    async with db.read() as tx:
        [row] = await tx.all(sa.select(table))
    assert secret not in str(tuple(row))


@pytest.mark.parametrize("other", ["signin", "session"])
async def test_a_token_is_good_for_its_own_purpose_only(
    db: Database, person: Person, other: str
) -> None:
    secret = await make(db, person, "api", None)
    assert await verdict(db, secret, other) is Verdict.UNKNOWN


@pytest.mark.parametrize("secret", ["", "ws_", "ws_nobody", "\ud800", "ü" * 5000])
async def test_what_nobody_made_is_unknown(db: Database, person: Person, secret: str) -> None:
    await make(db, person, "api", None)
    assert await verdict(db, secret, "api") is Verdict.UNKNOWN


async def test_a_token_ends_at_its_time_and_not_before(
    db: Database, person: Person, clock: FakeClock
) -> None:
    secret = await make(db, person, "session", HOUR)
    clock.forward(minutes=59)
    assert await verdict(db, secret, "session") is Verdict.VALID
    clock.forward(minutes=1)
    assert await verdict(db, secret, "session") is Verdict.EXPIRED


async def test_a_revoked_token_says_so(db: Database, person: Person) -> None:
    secret = await make(db, person, "api", HOUR)
    async with db.write() as tx:
        assert await tokens.revoke(tx, secret)
        assert not await tokens.revoke(tx, secret)
    assert await verdict(db, secret, "api") is Verdict.REVOKED


async def test_revoking_all_leaves_other_people_and_other_kinds(
    db: Database, person: Person
) -> None:
    async with db.write() as tx:
        lee = await people.by_name(tx, "Lee")
    assert lee is not None
    mine = await make(db, person, "api", None)
    browser = await make(db, person, "session", None)
    once = await make(db, person, "signin", None, single_use=True)
    theirs = await make(db, lee, "api", None)
    async with db.write() as tx:
        assert await tokens.revoke_all(tx, person.id, "api") == 1
    assert await verdict(db, mine, "api") is Verdict.REVOKED
    assert await verdict(db, browser, "session") is Verdict.VALID
    async with db.write() as tx:
        assert await tokens.revoke_all(tx, person.id) == 2
    assert await verdict(db, once, "signin") is Verdict.REVOKED
    assert await verdict(db, theirs, "api") is Verdict.VALID


async def test_who_left_has_no_valid_token(db: Database, person: Person) -> None:
    secret = await make(db, person, "api", None)
    async with db.write() as tx:
        await people.sync(tx, [])
    assert await verdict(db, secret, "api") is Verdict.INACTIVE


async def test_a_sign_in_link_works_until_it_expires(
    db: Database, person: Person, clock: FakeClock
) -> None:
    link = await make(db, person, "signin", HOUR)
    assert [await redeem(db, link), await redeem(db, link)] == [Verdict.VALID] * 2
    clock.forward(minutes=60)
    assert await redeem(db, link) is Verdict.EXPIRED


async def test_a_single_use_link_works_once(db: Database, person: Person) -> None:
    link = await make(db, person, "signin", HOUR, single_use=True)
    assert [await redeem(db, link), await redeem(db, link)] == [Verdict.VALID, Verdict.USED]


async def test_other_kinds_are_refused_at_once(db: Database, person: Person) -> None:
    with pytest.raises(ValueError, match="unknown kind of token 'cookie'"):
        await make(db, person, "cookie", None)
    with pytest.raises(ValueError, match="single use"):
        await make(db, person, "api", None, single_use=True)
