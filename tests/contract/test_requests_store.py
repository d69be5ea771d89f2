"""Requests, the backlog and incidents in storage: the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from engine.approvals.watch import WatchReport
from engine.cycle import Cycle, CycleSettings
from engine.requests.desk import Desk
from storage import audit_read, backlog, incidents, people, requests
from storage.backlog import Fresh, Reading
from storage.database import Database, Transaction
from storage.lifecycle import RequestMove, RequestState
from storage.people import Listing, Person, Role
from storage.requests import Request
from tests.conftest import FakeClock

RESTART = Reading("RESTART", "HIGH", 4 * 3_600_000)
HOUR = 3_600_000


@pytest.fixture
async def min_(any_db: Database) -> Person:
    async with any_db.write() as tx:
        await people.sync(
            tx,
            [Listing("min", Role.REQUESTER, "ko"), Listing("jun", Role.ENGINEER, "en")],
        )
        person = await people.by_name(tx, "min")
    assert person is not None
    return person


async def make(tx: Transaction, person: Person, title: str, origin: str | None = None) -> Request:
    return await requests.create(
        tx,
        title=title,
        body="",
        suggestion={"type": "LOG", "priority": "LOW", "why": ["로그"]},
        requester_id=person.id,
        actor=person.actor,
        origin=origin,
    )


async def fill(db: Database, person: Person, count: int) -> list[Fresh]:
    async with db.write() as tx:
        for number in range(count):
            await make(tx, person, f"Request {number}")
        return await backlog.fresh(tx, 1000)


async def test_what_is_written_comes_back(any_db: Database, min_: Person) -> None:
    async with any_db.write() as tx:
        made = await make(tx, min_, "로그를 보내 주세요 %_'\"")
    async with any_db.read() as tx:
        assert await requests.by_key(tx, made.key) == made
        assert await requests.by_id(tx, made.id) == made
    assert made.suggestion == {"type": "LOG", "priority": "LOW", "why": ["로그"]}
    assert (made.requester, made.assignee, made.state) == ("min", "", RequestState.NEW)


async def test_an_origin_makes_one_request(any_db: Database, min_: Person) -> None:
    async with any_db.write() as tx:
        first = await make(tx, min_, "First", "inbox:1")
        again = await make(tx, min_, "Again", "inbox:1")
        other = await make(tx, min_, "Other")
        another = await make(tx, min_, "Another")
    assert again == first
    assert len({first.key, other.key, another.key}) == 3


async def test_one_origin_from_many_at_once(any_db: Database, min_: Person) -> None:
    async with any_db.write() as tx:
        await make(tx, min_, "The day's first number is taken")

    async def once() -> str:
        async with any_db.write() as tx:
            return (await make(tx, min_, "Same", "rest:1:abc")).key

    keys = await asyncio.gather(*(once() for _ in range(8)))
    assert len(set(keys)) == 1
    async with any_db.read() as tx:
        assert len(await requests.listing(tx)) == 2


async def test_a_move_counts_once_and_only_from_its_states(any_db: Database, min_: Person) -> None:
    async with any_db.write() as tx:
        made = await make(tx, min_, "Once")

    async def close() -> bool:
        async with any_db.write() as tx:
            return await requests.move(
                tx, made, RequestMove.CLOSE, actor="person:min", person_id=min_.id, closed_at=tx.now
            )

    assert sorted(await asyncio.gather(*(close() for _ in range(6)))) == [False] * 5 + [True]
    async with any_db.write() as tx:
        assert not await requests.move(
            tx, made, RequestMove.ASSIGN, actor="person:min", person_id=min_.id
        )
        events = await requests.timeline(tx, made.id)
    assert [(event.kind, event.who) for event in events] == [("create", "min"), ("close", "min")]


async def test_the_batch_counts_only_what_was_still_new(any_db: Database, min_: Person) -> None:
    fresh = await fill(any_db, min_, 5)
    async with any_db.write() as tx:
        first = await requests.by_id(tx, fresh[0].id)
        assert first is not None
        await requests.move(tx, first, RequestMove.CLOSE, actor="person:min", person_id=min_.id)
    async with any_db.write() as tx:
        assert await backlog.classify(tx, {RESTART: fresh}) == 4
        assert await backlog.classify(tx, {RESTART: fresh}) == 0
        second = await requests.by_id(tx, fresh[1].id)
        events = await requests.timeline(tx, fresh[0].id)
    assert second is not None
    assert (second.state, second.type, second.priority) == (RequestState.OPEN, "RESTART", "HIGH")
    assert second.due_at == second.created_at + 4 * HOUR
    assert [event.kind for event in events] == ["create", "close"]


async def test_two_batches_at_once_classify_each_request_once(
    any_db: Database, min_: Person
) -> None:
    fresh = await fill(any_db, min_, 30)

    async def classify() -> int:
        async with any_db.write() as tx:
            return await backlog.classify(tx, {RESTART: fresh})

    assert sum(await asyncio.gather(*(classify() for _ in range(4)))) == 30
    async with any_db.read() as tx:
        for request in fresh:
            kinds = [event.kind for event in await requests.timeline(tx, request.id)]
            assert kinds == ["create", "classify"]


async def test_assigning_and_loads(any_db: Database, min_: Person) -> None:
    fresh = await fill(any_db, min_, 4)
    async with any_db.write() as tx:
        jun = await people.by_name(tx, "jun")
        assert jun is not None
        await backlog.classify(tx, {RESTART: fresh})
        waiting = await backlog.unassigned(tx, 3)
        assert await backlog.unassigned(tx, 3, types=["LOG"]) == []
        assert await backlog.unassigned(tx, 3, types=[]) == []
        assert await backlog.assign(tx, {(jun.id, jun.name): waiting}) == 3
        assert await backlog.assign(tx, {(jun.id, jun.name): waiting}) == 0
        assert await backlog.loads(tx) == {jun.id: 3}
        assert [request.id for request in await backlog.unassigned(tx, 3)] == [fresh[3].id]


async def test_deadlines_are_marked_once(any_db: Database, min_: Person, clock: FakeClock) -> None:
    fresh = await fill(any_db, min_, 3)
    async with any_db.write() as tx:
        await backlog.classify(tx, {RESTART: fresh})
        assert await backlog.escalate(tx, HOUR // 2, 10) == []
    clock.forward(minutes=3 * 60 + 30)
    async with any_db.write() as tx:
        late = await backlog.escalate(tx, HOUR // 2, 2)
        assert [item.id for item in late] == [fresh[0].id, fresh[1].id]
        assert len(await backlog.escalate(tx, HOUR // 2, 2)) == 1
        assert await backlog.escalate(tx, HOUR // 2, 2) == []
        assert await backlog.breach(tx, 10) == []
    clock.forward(minutes=30)
    async with any_db.write() as tx:
        assert len(await backlog.breach(tx, 10)) == 3
        assert await backlog.breach(tx, 10) == []


async def test_the_whole_cycle(any_db: Database, min_: Person, clock: FakeClock) -> None:
    """Two cycles at once on one database: each request is moved, and each deadline told, once."""

    async def no_actions() -> WatchReport:
        return WatchReport((), (), ())

    async with any_db.write() as tx:
        await people.sync(
            tx,
            [Listing("min", Role.REQUESTER, "ko"), Listing("jun", Role.ENGINEER, "en", (), True)],
        )
    await fill(any_db, min_, 20)
    both = [Cycle(any_db, Desk(), no_actions, CycleSettings(batch=6)) for _ in range(2)]
    first = await asyncio.gather(*(cycle.run_once() for cycle in both))
    clock.forward(minutes=72 * 60)
    second = await asyncio.gather(*(cycle.run_once() for cycle in both))
    assert [report.failed for report in (*first, *second)] == [{}] * 4
    assert sum(report.classified for report in first) == 20
    assert sum(report.assigned for report in first) == 20
    assert sum(report.escalated for report in second) == 20
    assert sum(report.breached for report in second) == 20
    async with any_db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
    assert len(rows) == 20 * 5
    assert all(row.sound for row in rows)


async def test_known_keys_and_counts(any_db: Database, min_: Person) -> None:
    fresh = await fill(any_db, min_, 2)
    async with any_db.read() as tx:
        known = await requests.known_keys(tx, [fresh[0].key, "SR-19990101-0001"])
        counts = await requests.counts(tx)
    assert known == {fresh[0].key}
    assert counts == {"NEW": 2, "OPEN": 0, "ASSIGNED": 0, "DONE": 0, "REJECTED": 0}


async def test_incidents_have_the_days_next_key(any_db: Database) -> None:
    async with any_db.write() as tx:
        made = [
            await incidents.create(
                tx,
                source="probe",
                severity="HIGH",
                summary=f"장애 {number}",
                asset=None,
                actor="person:robot",
            )
            for number in range(2)
        ]
        assert [incident.key for incident in made] == ["INC-20261120-0001", "INC-20261120-0002"]
        assert await incidents.listing(tx) == list(reversed(made))
