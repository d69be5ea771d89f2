"""The second factor: what counts as a code, how secrets are sealed, what decide() makes of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
import sqlalchemy as sa

from engine.approvals.proposals import Proposals, Verdict
from engine.approvals.second_factor import (
    CodeNeeded,
    FactorError,
    SecondFactor,
    WrongCode,
    load_key,
    make_key,
    open_sealed,
    seal,
    split_code,
    step_of,
)
from engine.approvals.settings import ApprovalSettings
from engine.errors import GiveUp
from storage import failures, second_factors
from storage.actions import Action
from storage.database import Database
from storage.lifecycle import State
from storage.people import Person
from storage.tables import audit
from tests.conftest import FakeClock
from tests.unit.approvals.conftest import Team

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP = 30_000


# What is a code


@pytest.mark.parametrize(
    ("typed", "code", "rest"),
    [
        ("123456", "123456", ""),
        ("123456 looks fine", "123456", "looks fine"),
        ("123456\nlooks\nfine", "123456", "looks\nfine"),
        ("123 456", "123456", ""),
        ("123 456 좋습니다", "123456", "좋습니다"),
        ("１２３４５６　沒問題", "123456", "沒問題"),
        ("", "", ""),
        ("12345", "", "12345"),
        ("1234567", "", "1234567"),
        ("looks fine 123456", "", "looks fine 123456"),
        ("12a456", "", "12a456"),
        ("١٢٣٤٥٦", "", "١٢٣٤٥٦"),
        ("123 45", "", "123 45"),
        ("12 3456", "", "12 3456"),
        ("-12345", "", "-12345"),
    ],
)
def test_a_code_is_six_digits_at_the_head(typed: str, code: str, rest: str) -> None:
    assert split_code(typed) == (code, rest)


@pytest.mark.parametrize(
    ("off", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_code_is_good_one_step_before_and_after_its_time(off: int, good: bool) -> None:
    now = 1_795_165_200_000
    code = pyotp.TOTP(SECRET).generate_otp(now // STEP + off)
    assert step_of(SECRET, code, now) == (now // STEP + off if good else None)


@pytest.mark.parametrize("code", ["", "x", "12345", "1234567", "12345６x", "' OR 1=1", "\0" * 6])
def test_what_is_no_code_is_a_wrong_one(code: str) -> None:
    assert step_of(SECRET, code, 1_795_165_200_000) is None


# How secrets are sealed


def test_a_sealed_secret_opens_with_its_key_for_its_person_alone() -> None:
    key, other = b"k" * 32, b"o" * 32
    sealed = seal(key, 7, SECRET)
    assert open_sealed(key, 7, sealed) == SECRET
    assert SECRET not in sealed and SECRET.encode() not in base64.b64decode(sealed)
    assert seal(key, 7, SECRET) != sealed
    changed = bytearray(base64.b64decode(sealed))
    changed[-1] ^= 1
    wrong = [
        (other, 7, sealed),
        (key, 8, sealed),
        (key, 7, base64.b64encode(changed).decode()),
        (key, 7, ""),
        (key, 7, "not base64 !"),
    ]
    for opener, person, text in wrong:
        with pytest.raises(FactorError, match="restore"):
            open_sealed(opener, person, text)


def test_the_key_is_its_owners_and_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "factor.key"
    with pytest.raises(FactorError, match="no such file"):
        load_key(path)
    key = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == key == make_key(path)
    path.chmod(0o644)
    with pytest.raises(FactorError, match="chmod 600"):
        load_key(path)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(FactorError, match="no key"):
        load_key(path)


@pytest.mark.parametrize(
    ("given", "says"),
    [({"second_factor": "sms"}, "totp, off"), ({"second_factor_from": "LOW"}, "HIGH or CRITICAL")],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ApprovalSettings(**given)  # type: ignore[arg-type]


# Deciding


class Desk:
    """The team's proposals with a second factor, and ana's authenticator."""

    def __init__(
        self, db: Database, team: Team, clock: FakeClock, folder: Path, least: str
    ) -> None:
        settings = ApprovalSettings(second_factor_from=least, factor_key_file=folder / "factor.key")
        self.factor = SecondFactor(settings)
        self.proposals = Proposals(team.proposals.planner, settings, self.factor)
        self.db, self.team, self.clock = db, team, clock
        self.secrets: dict[str, str] = {}

    async def enrol(self, person: Person) -> str:
        async with self.db.write() as tx:
            address = await self.factor.enrol(tx, person)
        self.secrets[person.name] = parse_qs(urlsplit(address).query)["secret"][0]
        return address

    def code(self, person: Person, off: int = 0) -> str:
        return pyotp.TOTP(self.secrets[person.name]).generate_otp(self.clock.now // STEP + off)

    def wrong(self, person: Person) -> str:
        near = {self.code(person, off) for off in range(-3, 4)}
        return next(c for c in map("{:06d}".format, range(9)) if c not in near)

    async def ask(self, asset: str = "PAY-WAS-01") -> Action:
        async with self.db.write() as tx:
            return await self.proposals.propose(tx, self.team.min, "server_restart", [asset], {})

    async def decide(
        self, who: Person, action: Action, code: str = "", verdict: Verdict = Verdict.APPROVE
    ) -> Action:
        """As the doors do it: a wrong code's transaction is committed."""
        async with self.db.write() as tx:
            try:
                return await self.proposals.decide(tx, who, action.id, verdict, code=code)
            except WrongCode as wrong:
                refused = wrong
        raise refused

    async def refused(self, who: Person, action: Action, code: str = "") -> str:
        with pytest.raises(GiveUp) as refusal:
            await self.decide(who, action, code)
        return refusal.value.text.key

    async def kinds(self) -> list[str]:
        async with self.db.read() as tx:
            return [row.kind for row in await tx.all(sa.select(audit.c.kind).order_by(audit.c.seq))]


@pytest.fixture
async def desk(db: Database, team: Team, clock: FakeClock, tmp_path: Path) -> Desk:
    found = Desk(db, team, clock, tmp_path, "CRITICAL")
    await found.enrol(team.ana)
    return found


async def test_a_critical_approval_takes_a_code(desk: Desk, team: Team) -> None:
    action = await desk.ask()
    assert action.risk == "CRITICAL"
    with pytest.raises(CodeNeeded) as needed:
        await desk.decide(team.ana, action)
    assert needed.value.text.key == "security_code_needed"
    done = await desk.decide(team.ana, action, desk.code(team.ana))
    assert (done.state, done.comment) == (State.APPROVED, "")


async def test_below_the_level_and_for_rejecting_none_is_taken(desk: Desk, team: Team) -> None:
    high = await desk.ask("PAY-STG-01")
    assert (await desk.decide(team.jun, high)).state is State.APPROVED
    rejected = await desk.decide(team.ana, await desk.ask(), verdict=Verdict.REJECT)
    assert rejected.state is State.REJECTED


async def test_high_may_be_set_to_take_one_too(
    db: Database, team: Team, clock: FakeClock, tmp_path: Path
) -> None:
    desk = Desk(db, team, clock, tmp_path, "HIGH")
    await desk.enrol(team.jun)
    high = await desk.ask("PAY-STG-01")
    assert await desk.refused(team.jun, high) == "security_code_needed"
    assert (await desk.decide(team.jun, high, desk.code(team.jun))).state is State.APPROVED


async def test_without_an_authenticator_it_says_what_to_do(
    desk: Desk, team: Team, db: Database
) -> None:
    async with db.write() as tx:
        assert await desk.factor.remove(tx, team.ana)
        assert not await desk.factor.remove(tx, team.ana)
    assert await desk.refused(team.ana, await desk.ask(), "123456") == "security_not_enrolled"


async def test_who_may_not_decide_hears_that_and_spends_nothing(desk: Desk, team: Team) -> None:
    action = await desk.ask()
    assert await desk.refused(team.jun, action, desk.code(team.ana)) == "decide_role"
    assert await desk.refused(team.min, action, desk.code(team.ana)) == "decide_own"
    assert (await desk.decide(team.ana, action, desk.code(team.ana))).state is State.APPROVED


async def test_each_code_counts_once_and_older_ones_not_at_all(desk: Desk, team: Team) -> None:
    first, second = await desk.ask(), await desk.ask("PAY-WAS-01")
    code = desk.code(team.ana)
    await desk.decide(team.ana, first, code)
    assert await desk.refused(team.ana, second, code) == "security_code_used"
    assert await desk.refused(team.ana, second, desk.code(team.ana, -1)) == "security_code_used"
    desk.clock.forward(seconds=30)
    assert (await desk.decide(team.ana, second, desk.code(team.ana))).state is State.APPROVED


async def test_a_code_of_a_decision_that_fails_is_not_spent(
    desk: Desk, team: Team, db: Database
) -> None:
    action, code = await desk.ask(), desk.code(team.ana)
    with pytest.raises(RuntimeError):
        async with db.write() as tx:
            await desk.proposals.decide(tx, team.ana, action.id, Verdict.APPROVE, code=code)
            raise RuntimeError("the process ends before the commit")
    assert (await desk.decide(team.ana, action, code)).state is State.APPROVED


async def test_a_wrong_code_changes_nothing_but_its_count(
    desk: Desk, team: Team, db: Database
) -> None:
    action = await desk.ask()
    assert await desk.refused(team.ana, action, desk.wrong(team.ana)) == "security_code_wrong"
    async with db.read() as tx:
        assert len(await failures.latest(tx, "code", team.ana.actor, 9)) == 1
        factor = await second_factors.find(tx, team.ana.id)
        assert factor is not None and factor.last_step == 0
        row = await tx.one(sa.select(audit).where(audit.c.kind == "factor.wrong"))
    assert row is not None and (row.subject, row.detail) == (f"action:{action.id}", "{}")
    assert (await desk.decide(team.ana, action, desk.code(team.ana))).state is State.APPROVED


async def test_five_wrong_codes_lock_the_persons_codes_for_ten_minutes(
    desk: Desk, team: Team
) -> None:
    action = await desk.ask()
    answers = [await desk.refused(team.ana, action, desk.wrong(team.ana)) for _ in range(6)]
    assert answers == ["security_code_wrong"] * 4 + ["security_now_locked", "security_locked"]
    desk.clock.forward(minutes=9.9)
    assert await desk.refused(team.ana, action, desk.code(team.ana)) == "security_locked"
    desk.clock.forward(minutes=0.1)
    assert (await desk.decide(team.ana, action, desk.code(team.ana))).state is State.APPROVED
    assert (await desk.kinds()).count("factor.wrong") == 5


async def test_a_right_code_forgets_the_wrong_ones(desk: Desk, team: Team) -> None:
    for _ in range(3):
        action = await desk.ask()
        for _ in range(4):
            assert await desk.refused(team.ana, action, desk.wrong(team.ana)) == (
                "security_code_wrong"
            )
        await desk.decide(team.ana, action, desk.code(team.ana))
        desk.clock.forward(seconds=30)


async def test_a_key_that_is_gone_lets_nobody_through_and_is_not_replaced(
    desk: Desk, team: Team, tmp_path: Path, db: Database
) -> None:
    (tmp_path / "factor.key").unlink()
    code = desk.code(team.ana)
    assert await desk.refused(team.ana, await desk.ask(), code) == "security_unreadable"
    with pytest.raises(FactorError, match="restore it"):
        async with db.write() as tx:
            await desk.factor.enrol(tx, team.jun)
    assert not (tmp_path / "factor.key").exists()


async def test_a_row_taken_from_another_person_opens_nothing(
    desk: Desk, team: Team, db: Database
) -> None:
    """Whoever can write the database cannot give an admin their own authenticator."""
    await desk.enrol(team.jun)
    async with db.write() as tx:
        own = await second_factors.find(tx, team.jun.id)
        assert own is not None
        await second_factors.enrol(tx, team.ana.id, own.sealed)
    code = desk.code(team.jun)
    assert await desk.refused(team.ana, await desk.ask(), code) == "security_unreadable"


async def test_an_enrolment_names_the_person_and_is_on_record(desk: Desk, team: Team) -> None:
    address = await desk.enrol(team.ana)
    assert unquote(urlsplit(address).path) == f"/Watchstander:{team.ana.name}"
    assert (await desk.kinds())[-1] == "factor.enrol"


def test_every_level_that_takes_a_code() -> None:
    make: Callable[..., ApprovalSettings] = ApprovalSettings
    assert make().coded == ("CRITICAL",)
    assert make(second_factor_from="HIGH").coded == ("HIGH", "CRITICAL")
    assert make(second_factor="off", second_factor_from="HIGH").coded == ()
