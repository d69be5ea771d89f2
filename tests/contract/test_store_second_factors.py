"""Second factors and failed tries, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp

from engine.approvals.second_factor import SecondFactor, WrongCode
from engine.approvals.settings import ApprovalSettings
from engine.errors import GiveUp
from storage import failures, people, second_factors
from storage.database import Database
from storage.people import Listing, Role
from tests.conftest import FakeClock

MINUTE = 60_000


async def ana(db: Database) -> int:
    async with db.write() as tx:
        await people.sync(tx, [Listing("ana", Role.ADMIN, "en")])
        person = await people.by_name(tx, "ana")
    assert person is not None
    return person.id


async def test_a_factor_is_kept_replaced_and_removed(any_db: Database, clock: FakeClock) -> None:
    person = await ana(any_db)
    async with any_db.write() as tx:
        assert await second_factors.find(tx, person) is None
        await second_factors.enrol(tx, person, "sealed-1")
        assert await second_factors.spend(tx, person, 100)
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        await second_factors.enrol(tx, person, "sealed-2")
        found = await second_factors.find(tx, person, alone=True)
        assert found is not None
        assert (found.sealed, found.enrolled_at, found.last_step) == ("sealed-2", tx.now, 0)
        assert await second_factors.enrolled(tx) == {"ana": found}
        assert await second_factors.remove(tx, person)
        assert not await second_factors.remove(tx, person)
        assert await second_factors.enrolled(tx) == {}


async def test_of_many_who_use_one_code_at_once_one_may(any_db: Database) -> None:
    person = await ana(any_db)
    async with any_db.write() as tx:
        await second_factors.enrol(tx, person, "sealed")

    async def use() -> bool:
        async with any_db.write() as tx:
            return await second_factors.spend(tx, person, 7)

    assert sorted(await asyncio.gather(*(use() for _ in range(8)))) == [False] * 7 + [True]
    async with any_db.write() as tx:
        assert not await second_factors.spend(tx, person, 6)
        assert await second_factors.spend(tx, person, 8)


async def test_failures_lock_after_the_limit_and_for_the_window(
    any_db: Database, clock: FakeClock
) -> None:
    async def fail(who: str = "ana") -> int | None:
        async with any_db.write() as tx:
            await failures.note(tx, "code", who)
            return await failures.locked_until(tx, "code", who, 3, 10 * MINUTE)

    assert await fail() is None
    clock.forward(minutes=4)
    assert await fail() is None
    clock.forward(minutes=5)
    until = clock.now + 10 * MINUTE
    assert await fail() == until
    assert await fail("jun") is None
    clock.forward(minutes=9.9)
    async with any_db.read() as tx:
        assert await failures.locked_until(tx, "code", "ana", 3, 10 * MINUTE) == until
        assert await failures.locked_until(tx, "sign-in", "ana", 3, 10 * MINUTE) is None
    clock.forward(minutes=0.1)
    async with any_db.read() as tx:
        assert await failures.locked_until(tx, "code", "ana", 3, 10 * MINUTE) is None
    assert await fail() is None  # one more is one, not a fourth


async def test_failures_far_apart_lock_nobody(any_db: Database, clock: FakeClock) -> None:
    for _ in range(9):
        clock.forward(minutes=6)
        async with any_db.write() as tx:
            await failures.note(tx, "code", "ana")
            assert await failures.locked_until(tx, "code", "ana", 3, 10 * MINUTE) is None


async def test_success_and_time_forget_failures(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        await failures.note(tx, "code", "ana")
        await failures.note(tx, "code", "jun")
        await failures.clear(tx, "code", "ana")
        assert await failures.latest(tx, "code", "ana", 5) == []
        assert await failures.latest(tx, "code", "jun", 5) == [tx.now]
    clock.forward(minutes=24 * 60)
    async with any_db.write() as tx:
        await failures.note(tx, "code", "ana")
        assert await failures.latest(tx, "code", "jun", 5) == []


async def test_guesses_at_the_same_time_are_counted_one_after_the_other(
    any_db: Database, tmp_path: Path
) -> None:
    """As from several replicas: none looks at the count before the one before it is written."""
    person = await ana(any_db)
    factor = SecondFactor(ApprovalSettings(factor_key_file=tmp_path / "factor.key"))
    async with any_db.write() as tx:
        admin = await people.by_id(tx, person)
        assert admin is not None
        address = await factor.enrol(tx, admin)
        secret = parse_qs(urlsplit(address).query)["secret"][0]
        step = tx.now // 30_000
    good = {pyotp.TOTP(secret).generate_otp(step + off) for off in (-1, 0, 1)}
    guesses = [code for code in map("{:06d}".format, range(23)) if code not in good][:20]

    async def guess(code: str) -> str:
        async with any_db.write() as tx:
            try:
                await factor.require(tx, admin, 1, code)
            except WrongCode as wrong:
                return wrong.text.key
            except GiveUp as refused:
                return refused.text.key
        return "good"

    answers = Counter(await asyncio.gather(*map(guess, guesses)))
    assert answers == {"security_code_wrong": 4, "security_now_locked": 1, "security_locked": 15}
    assert await guess(next(iter(good))) == "security_locked"
