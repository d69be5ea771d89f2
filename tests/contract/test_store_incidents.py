"""Incidents on SQLite and PostgreSQL: their moves, their timeline, and reports side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from engine.incidents import reports
from engine.incidents.reports import Report
from engine.inventory import Inventory
from storage import audit_read, cards, incidents, outbox, people, rooms
from storage.database import Database, Transaction
from storage.incidents import Incident
from storage.lifecycle import INCIDENT_MOVES, IncidentMove, IncidentState
from storage.people import Listing, Person, Role
from storage.rooms import RoomListing
from tests.conftest import FakeClock

NOTHING = Inventory({}, {}, {})
MINUTE = 60_000


async def make(tx: Transaction, **more: Any) -> Incident:
    values: dict[str, Any] = {
        "source": "alertmanager",
        "severity": "P2",
        "summary": "결제 서버 응답 없음 %_'\"",
        "asset": "PAY-WAS-01",
        "actor": "person:robot",
    }
    return await incidents.create(tx, **values | more)


@pytest.fixture
async def jun(any_db: Database) -> Person:
    async with any_db.write() as tx:
        await people.sync(
            tx, [Listing("jun", Role.ENGINEER, "en"), Listing("min", Role.ENGINEER, "ko")]
        )
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
        person = await people.by_name(tx, "jun")
    assert person is not None
    return person


async def shown(tx: Transaction, incident: Incident) -> None:
    """Put its card into the room, and deliver it."""
    room = await rooms.find(tx, "web", "", "ops")
    assert room is not None
    await cards.place(tx, incident.subject, room.id)
    await delivered(tx)


async def delivered(tx: Transaction) -> int:
    """Deliver what waits; gives how much that was."""
    found = await outbox.waiting(tx, 100, personal=False)
    for parcel in found:
        version = await outbox.begin_try(tx, parcel.id)
        assert version is not None
        await outbox.sent(tx, parcel.id, version)
    return len(found)


async def test_what_is_written_comes_back(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        made = await make(
            tx,
            detail="줄 1\n줄 2",
            kind="TIMEOUT",
            symptom="0123456789abcdef",
            fingerprint="f1",
            labels={"job": "노드"},
        )
    assert (made.key, made.subject) == ("INC-20261120-0001", f"incident:{made.id}")
    assert (made.state, made.count, made.flaps) == (IncidentState.OPEN, 1, 0)
    assert (made.created_at, made.last_seen_at, made.heal_at) == (clock.now,) * 3
    assert (made.assignee, made.assignee_id, made.cleared_at) == ("", None, None)
    async with any_db.read() as tx:
        assert await incidents.by_id(tx, made.id) == made
        assert await incidents.must(tx, made.id) == made
        assert await incidents.by_key(tx, made.key) == made
        assert await incidents.newest(tx, "alertmanager", "f1") == made
        assert await incidents.by_id(tx, made.id + 1) is None
        assert await incidents.by_key(tx, "INC-20261120-0002") is None
        assert await incidents.newest(tx, "alertmanager", "f2") is None
        assert await incidents.newest(tx, "guard:x", "f1") is None
        [event] = await incidents.timeline(tx, made.id)
        [row] = await audit_read.latest(tx, made.key)
    assert (event.kind, event.who, event.at) == ("open", "", clock.now)
    assert event.detail["labels"] == {"job": "노드"}
    assert (row.record.kind, row.record.actor) == ("incident.open", "person:robot")
    assert row.record.detail["kind"] == "TIMEOUT"


async def test_one_that_needs_no_healer_is_never_due(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        later = await make(tx)
        now = await make(tx)
        await make(tx, heal=False)
        moved = await make(tx)
        await incidents.look_again(tx, later.id, clock.now + MINUTE)
        assert await incidents.move(tx, moved.id, IncidentMove.HEAL, "watchstander")
        assert [one.id for one in await incidents.due(tx, 10)] == [now.id]
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        # The longest waiting first.
        assert [one.id for one in await incidents.due(tx, 10)] == [now.id, later.id]
        assert [one.id for one in await incidents.due(tx, 1)] == [now.id]
        await incidents.look_again(tx, now.id, None)
        assert [one.id for one in await incidents.due(tx, 10)] == [later.id]


@pytest.mark.parametrize("step", IncidentMove)
@pytest.mark.parametrize("state", IncidentState)
async def test_only_the_tables_moves_are_made(
    any_db: Database, step: IncidentMove, state: IncidentState
) -> None:
    path = {
        IncidentState.OPEN: (),
        IncidentState.HEALING: (IncidentMove.HEAL,),
        IncidentState.ESCALATED: (IncidentMove.ESCALATE,),
        IncidentState.RESOLVED: (IncidentMove.RESOLVE,),
    }[state]
    async with any_db.write() as tx:
        made = await make(tx)
        for earlier in path:
            assert await incidents.move(tx, made.id, earlier, "watchstander")
        before = await incidents.must(tx, made.id)
        assert before.state is state
        legal = state in INCIDENT_MOVES[step]
        assert await incidents.move(tx, made.id, step, "watchstander") is legal
        after = await incidents.must(tx, made.id)
        if legal:
            assert after.state is INCIDENT_MOVES[step][state]
        else:
            assert after == before
        assert len(await incidents.timeline(tx, made.id)) == 1 + len(path) + legal


async def test_a_move_stamps_tells_and_redraws(
    any_db: Database, clock: FakeClock, jun: Person
) -> None:
    async with any_db.write() as tx:
        made = await make(tx)
        await shown(tx, made)
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        assert await incidents.move(tx, made.id, IncidentMove.ESCALATE, "watchstander")
        assert await delivered(tx) == 1
        found = await incidents.must(tx, made.id)
        assert (found.escalated_at, found.heal_at) == (clock.now, None)
        assert await incidents.move(tx, made.id, IncidentMove.RETRY, jun.actor, person=jun)
        found = await incidents.must(tx, made.id)
        assert (found.escalated_at, found.heal_at) == (None, clock.now)
        assert await incidents.move(
            tx, made.id, IncidentMove.RESOLVE, jun.actor, person=jun, detail={"why": "by hand"}
        )
        found = await incidents.must(tx, made.id)
        assert (found.resolved_at, found.heal_at) == (clock.now, None)
        assert await incidents.move(
            tx, made.id, IncidentMove.REOPEN, "watchstander", values={"severity": "P1"}
        )
        found = await incidents.must(tx, made.id)
        assert (found.resolved_at, found.heal_at) == (None, clock.now)
        assert found.severity == "P1"
        told = await incidents.timeline(tx, made.id)
        rows = await audit_read.latest(tx, made.key)
        last = await incidents.last_event(tx, made.id)
        resolved = await incidents.last_event(tx, made.id, "resolve")
        assert await incidents.last_event(tx, made.id, "no such kind") is None
    assert [(event.kind, event.who) for event in told] == [
        ("open", ""),
        ("escalate", ""),
        ("retry", "jun"),
        ("resolve", "jun"),
        ("reopen", ""),
    ]
    assert told[3].detail == {"state": "RESOLVED", "why": "by hand"}
    assert last is not None
    assert last.kind == "reopen"
    assert resolved is not None
    assert resolved.detail == told[3].detail
    kinds = {row.record.kind: row.record.actor for row in rows}
    assert kinds["incident.resolve"] == "person:jun"
    assert kinds["incident.reopen"] == "watchstander"


async def test_of_many_who_make_the_same_move_one_does(any_db: Database) -> None:
    async with any_db.write() as tx:
        made = await make(tx)

    async def heal() -> bool:
        async with any_db.write() as tx:
            return await incidents.move(tx, made.id, IncidentMove.HEAL, "watchstander")

    assert sorted(await asyncio.gather(*(heal() for _ in range(5)))) == [False] * 4 + [True]
    async with any_db.read() as tx:
        assert len(await incidents.timeline(tx, made.id)) == 2


async def test_seen_counts_and_redraws(any_db: Database, clock: FakeClock, jun: Person) -> None:
    async with any_db.write() as tx:
        made = await make(tx)
        await shown(tx, made)
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        await incidents.seen(tx, made.id, firing=True, back=False, severity="P1")
        found = await incidents.must(tx, made.id)
        assert (found.count, found.flaps, found.severity) == (2, 0, "P1")
        assert (found.last_seen_at, found.cleared_at) == (clock.now, None)
        await incidents.seen(tx, made.id, firing=False, back=False, severity="P1")
        assert (await incidents.must(tx, made.id)).cleared_at == clock.now
        await incidents.seen(tx, made.id, firing=True, back=True, severity="P1")
        found = await incidents.must(tx, made.id)
        assert (found.count, found.flaps, found.cleared_at) == (3, 1, None)
        # However much happened, the room's card is drawn once.
        assert await delivered(tx) == 1


async def test_one_person_is_responsible(any_db: Database, jun: Person) -> None:
    async with any_db.write() as tx:
        min_ = await people.by_name(tx, "min")
        assert min_ is not None
        made = await make(tx)
        assert await incidents.take(tx, made.id, jun)
        assert not await incidents.take(tx, made.id, jun)
        assert (await incidents.must(tx, made.id)).assignee == "jun"
        assert await incidents.take(tx, made.id, min_)
        assert (await incidents.must(tx, made.id)).assignee == "min"
        assert await incidents.move(tx, made.id, IncidentMove.RESOLVE, "watchstander")
        assert not await incidents.take(tx, made.id, jun)
        kinds = [event.kind for event in await incidents.timeline(tx, made.id)]
        rows = await audit_read.latest(tx, made.key)
    assert kinds == ["open", "take", "take", "resolve"]
    assert [row.record.actor for row in rows if row.record.kind == "incident.take"] == [
        "person:jun",
        "person:min",
    ]


async def test_notes_stand_in_the_timeline(any_db: Database, jun: Person) -> None:
    async with any_db.write() as tx:
        made = await make(tx)
        for number in range(5):
            await incidents.note(tx, made.id, "probe", {"number": number})
        await incidents.note(tx, made.id, "comment", {"comment": "봤습니다"}, jun)
        last = await incidents.timeline(tx, made.id, 2)
    # The newest, oldest first.
    assert [(event.kind, event.who) for event in last] == [("probe", ""), ("comment", "jun")]
    assert [dict(event.detail) for event in last] == [{"number": 4}, {"comment": "봤습니다"}]


async def test_lists_and_counts(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        first = await make(tx, severity="P3", kind="OOM", symptom="a")
        second = await make(tx, severity="P1", symptom="b")
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        third = await make(tx, severity="P1", kind="OOM", symptom="a")
        assert await incidents.move(tx, second.id, IncidentMove.RESOLVE, "watchstander")

        async def ids(**more: Any) -> list[int]:
            return [one.id for one in await incidents.listing(tx, **more)]

        assert await ids() == [third.id, second.id, first.id]
        assert await ids(limit=2) == [third.id, second.id]
        assert await ids(before=third.id) == [second.id, first.id]
        assert await ids(states=[IncidentState.OPEN]) == [third.id, first.id]
        assert await ids(states=[]) == []
        assert await ids(kind="OOM") == [third.id, first.id]
        assert await ids(symptom="b") == [second.id]
        assert await ids(since=clock.now) == [third.id]
        assert await ids(until=clock.now - MINUTE) == [second.id, first.id]
        assert await incidents.counts(tx) == {IncidentState.OPEN: 2, IncidentState.RESOLVED: 1}
        assert await incidents.unresolved(tx) == {"P1": 1, "P3": 1}


async def test_one_unresolved_incident_a_fingerprint(any_db: Database) -> None:
    async with any_db.write() as tx:
        made = await make(tx, fingerprint="f1")
        await make(tx, fingerprint="f1", source="guard:x")
        await make(tx)
        await make(tx)  # without a fingerprint nothing is joined
    with pytest.raises(sa.exc.IntegrityError):
        async with any_db.write() as tx:
            await make(tx, fingerprint="f1")
    async with any_db.write() as tx:
        assert await incidents.move(tx, made.id, IncidentMove.RESOLVE, "watchstander")
        again = await make(tx, fingerprint="f1")
        assert await incidents.newest(tx, "alertmanager", "f1") == again


async def test_reports_side_by_side_are_one_incident(any_db: Database) -> None:
    async def take(number: int) -> bool:
        found = Report("alertmanager", "P2", "down", f"f{number % 3}")
        async with any_db.write() as tx:
            return (await reports.take(tx, NOTHING, "person:robot", found)).new

    made = await asyncio.gather(*(take(number) for number in range(24)))
    assert sum(made) == 3
    async with any_db.read() as tx:
        assert [one.count for one in await incidents.listing(tx)] == [8, 8, 8]


async def test_reports_and_moves_side_by_side_end(any_db: Database) -> None:
    """Deliveries of several reports, people and the healer at once: nobody waits in a ring."""
    names = [f"f{number}" for number in range(6)]

    async def report(*, firing: bool, turn: int) -> None:
        order = names[turn % 6 :] + names[: turn % 6]
        found = [Report("alertmanager", "P2", "down", name, firing) for name in order]
        async with any_db.write() as tx:
            await reports.take_all(tx, NOTHING, "person:robot", found)

    async def heal() -> None:
        async with any_db.read() as tx:
            due = await incidents.listing(tx)
        for one in due:
            for step in (IncidentMove.HEAL, IncidentMove.PAUSE):
                async with any_db.write() as tx:
                    await incidents.move(tx, one.id, step, "watchstander")

    await report(firing=True, turn=0)
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(report(firing=turn % 3 != 0, turn=turn) for turn in range(12)),
            *(heal() for _ in range(4)),
        )
        await report(firing=True, turn=0)
        await report(firing=False, turn=0)
    async with any_db.read() as tx:
        found = await incidents.listing(tx)
    assert len(found) == 6
    assert {one.state for one in found} == {IncidentState.RESOLVED}
    assert {one.count for one in found} == {10}
