"""Looks and small writes that nothing else here asks for by name, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

from storage import (
    actions,
    answers,
    articles,
    attempts,
    audit,
    audit_read,
    clocks,
    expiries,
    freezes,
    health,
    holds,
    inbox,
    incident_locks,
    incidents,
    leases,
    outbox,
    people,
    presences,
    requests,
    rooms,
    tokens,
)
from storage.answers import NewAnswer
from storage.articles import WATCHSTANDER, Kind
from storage.database import Database, DatabaseSettings, Transaction
from storage.lifecycle import ArticleMove, AttemptMove, Move, RequestMove
from storage.people import ITSELF, Listing, Person, Role
from storage.tokens import Verdict
from tests.conftest import FakeClock
from tests.contract import healing
from tests.contract.test_store_actions import PLAN, propose

MINUTE = 60_000


async def jun(tx: Transaction) -> Person:
    await people.sync(tx, [Listing("jun", Role.ENGINEER, "ko")])
    person = await people.by_name(tx, "jun")
    assert person is not None
    return person


async def ran(db: Database, **more: Any) -> actions.Action:
    """An action that ran well."""
    action = await propose(db, **more)
    async with db.write() as tx:
        await run(tx, action.id)
    return action


async def run(tx: Transaction, action_id: int) -> None:
    for step in (Move.QUEUE, Move.CLAIM, Move.SUCCEED):
        values = {"started_at": tx.now} if step is Move.CLAIM else {}
        assert await actions.move(tx, action_id, step, "test", values=values)


async def test_runs_of_people_are_counted_by_type_target_and_time(
    any_db: Database, clock: FakeClock
) -> None:
    await ran(any_db, risk="MEDIUM")
    await propose(any_db)
    async with any_db.write() as tx:
        bot = await people.itself(tx)
        assert (await people.itself(tx)).id == bot.id
        own = actions.NewAction("server_restart", "", bot.id, None, None, PLAN | {"risk": "MEDIUM"})
        made = await actions.insert(tx, own, "watchstander")
        assert made is not None
        await run(tx, made.id)
    assert (bot.name, bot.role) == (ITSELF, Role.REQUESTER)
    async with any_db.read() as tx:
        count = actions.clean_runs
        assert await count(tx, "server_restart", ["PAY-01", "X"], clock.now) == 1
        assert await count(tx, "server_restart", ["X"], clock.now) == 0
        assert await count(tx, "log_collect", ["PAY-01"], clock.now) == 0
        assert await count(tx, "server_restart", ["PAY-01"], clock.now + 1) == 0


async def test_what_began_in_a_span_of_time_newest_first(
    any_db: Database, clock: FakeClock
) -> None:
    begun = clock.now
    first = await ran(any_db, risk="MEDIUM")
    await ran(any_db, risk="LOW")
    clock.forward(minutes=1)
    second = await ran(any_db, risk="MEDIUM")
    async with any_db.read() as tx:
        found = await actions.begun_between(tx, begun, clock.now, 10)
        assert [action.id for action in found] == [second.id, first.id]
        found = await actions.begun_between(tx, begun, clock.now, 1)
        assert [action.id for action in found] == [second.id]
        assert await actions.begun_between(tx, clock.now + 1, clock.now + 2, 10) == []


async def test_an_answer_and_what_was_said_of_it(any_db: Database) -> None:
    async with any_db.write() as tx:
        person = await jun(tx)
        made = await articles.create(
            tx, kind=Kind.ARTICLE, title="VPN", body="Reset.", language="en", actor=WATCHSTANDER
        )
        assert made is not None
        await articles.move(tx, made, ArticleMove.PUBLISH, WATCHSTANDER)
        asked = await requests.create(
            tx, title="VPN?", body="", requester_id=person.id, actor=person.actor,
            suggestion={"type": "INQUIRY", "priority": "LOW", "why": []},
        )  # fmt: skip
        made = await articles.must(tx, made.id)
        new = NewAnswer(
            made.id, made.version, made.key, made.title, "VPN?", "Reset.", 0.75, {"words": 0.5}
        )
        given = await answers.give(tx, asked, new)
        assert given is not None
        assert await answers.by_id(tx, given.id) == given
        assert await answers.by_id(tx, 99) is None
        await articles.voted(tx, made.id, person.actor, person, now=True, was=None)
        await articles.voted(tx, made.id, person.actor, person, now=False, was=True)
        now = await articles.must(tx, made.id)
        assert (now.solved, now.unsolved) == (0, 1)
        events = await articles.story(tx, made.id)
        assert [event.kind for event in events].count("vote") == 2


async def test_an_attempt_that_is_under_way_and_stands(any_db: Database, clock: FakeClock) -> None:
    about = await healing.incident(any_db)
    attempt = await healing.begin(any_db, about, "PAY-01")
    async with any_db.write() as tx:
        assert await attempts.under_way_of(tx, about.id) == attempt
        assert await attempts.under_way_of(tx, 99) is None
        assert await attempts.stands(tx, attempt)
        assert await attempts.postpone(tx, attempt, clock.now + MINUTE)
        assert not await attempts.stands(tx, attempt)
    async with any_db.write() as tx:
        assert await attempts.move(tx, await attempts.must(tx, attempt.id), AttemptMove.SKIP)
        assert await attempts.under_way_of(tx, about.id) is None


async def test_several_rows_of_the_chain_and_the_hash_after_each(any_db: Database) -> None:
    records = [audit.Record("test", "kind", f"x:{n}", {"말": "鎖 %"}) for n in range(3)]
    async with any_db.write() as tx:
        await audit.append_many(tx, [])
        await audit.append_many(tx, records)
    async with any_db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
        found = [await audit_read.hash_at(tx, count) for count in range(5)]
    assert found == [audit.START, *(row.hash for row in rows), None]
    assert [row.record for row in rows] == records


async def test_a_note_of_what_a_work_did(any_db: Database) -> None:
    async with any_db.write() as tx:
        assert await clocks.noted(tx, "tick:cycle") is None
        assert await clocks.due(tx, "tick:cycle", MINUTE)
        assert await clocks.noted(tx, "tick:cycle") is None
        for report in ({"말": 1}, {"말": 2}):
            await clocks.note(tx, "tick:cycle", report)
        assert await clocks.noted(tx, "tick:cycle") == {"말": 2}


async def test_one_that_ends_is_found_by_kind_and_name(any_db: Database) -> None:
    async with any_db.write() as tx:
        await expiries.looked(tx, "certificate", "결제", 5_000, None)
        found = await expiries.find(tx, "certificate", "결제")
        assert found is not None
        assert found.ends_at == 5_000
        assert await expiries.find(tx, "domain", "결제") is None


async def test_freezes_that_ended_the_latest_first(any_db: Database, clock: FakeClock) -> None:
    begun = clock.now
    async with any_db.write() as tx:
        person = await jun(tx)
    for _ in range(2):
        async with any_db.write() as tx:
            assert await freezes.begin(tx, person, "점검")
            assert not await freezes.begin(tx, person, "점검")
        clock.forward(minutes=1)
        async with any_db.write() as tx:
            assert await freezes.end(tx, person, "")
    async with any_db.read() as tx:
        found = await freezes.ended_between(tx, begun, clock.now)
        assert [(thaw.at, thaw.by) for thaw in found] == [
            (clock.now, "jun"),
            (clock.now - MINUTE, "jun"),
        ]
        assert await freezes.ended_between(tx, clock.now + 1, clock.now + 2) == []


async def test_what_waits_and_what_a_clock_set_back_held_up(
    any_db: Database, clock: FakeClock
) -> None:
    async with any_db.write() as tx:
        await health.prove(tx)
        assert await health.waits(tx) == health.Waits(0, 0)
        kept = await inbox.keep(tx, "test", "1", {})
        room = await rooms.seen(tx, "web", "", "ops", "", "en")
        await outbox.say(tx, room.id, {})
        assert kept is not None
    clock.forward(minutes=2)
    async with any_db.write() as tx:
        assert await health.waits(tx) == health.Waits(2 * MINUTE, 2 * MINUTE)
        await inbox.postpone(tx, kept, "busy", 60 * MINUTE)
        await leases.take(tx, "inbox", "me", 15_000)
        assert (await health.waits(tx)).inbox_ms == 0
    clock.forward(minutes=-30)
    async with any_db.write() as tx:
        assert await health.set_right(tx, 60 * MINUTE) == 1
        assert await health.set_right(tx, 60 * MINUTE) == 0
        assert [one.id for one in await inbox.waiting(tx, 10)] == [kept]
    clock.forward(minutes=2)
    async with any_db.write() as tx:
        assert await leases.take(tx, "inbox", "another", 15_000) == 2


async def test_the_cards_of_those_that_wait_are_drawn_anew(any_db: Database) -> None:
    first, second = await propose(any_db), await propose(any_db)
    async with any_db.write() as tx:
        for action in (first, second):
            assert await actions.move(tx, action.id, Move.QUEUE, "test")
        for parcel in await outbox.waiting(tx, 10, personal=False):
            version = await outbox.begin_try(tx, parcel.id)
            assert version is not None
            assert await outbox.sent(tx, parcel.id, version)
    async with any_db.write() as tx:
        await holds.show_line(tx, first.id)
        found = await outbox.waiting(tx, 10, personal=False)
        assert [parcel.subject for parcel in found] == [second.subject]


async def test_a_request_is_changed_while_it_lives(any_db: Database) -> None:
    async with any_db.write() as tx:
        person = await jun(tx)
        made = await requests.create(
            tx, title="느려요", body="", suggestion=None, requester_id=person.id, actor=person.actor
        )
        by: dict[str, Any] = {"actor": person.actor, "person_id": person.id}
        assert await requests.edit(tx, made, "retitle", detail={"말": 1}, title="빠르게 %", **by)
        changed = await requests.by_id(tx, made.id)
        assert changed is not None
        assert changed.title == "빠르게 %"
        assert await requests.move(tx, made, RequestMove.REJECT, **by)
        assert not await requests.edit(tx, made, "retitle", detail={}, title="spät", **by)


async def test_a_secret_is_looked_at_and_taken_back(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        person = await jun(tx)
        api = await tokens.create(tx, person.id, "api", MINUTE)
        session = await tokens.create(tx, person.id, "session", None)
        assert (await tokens.examine(tx, api, "api")).person == person
        assert (await tokens.examine(tx, api, "session")).verdict is Verdict.UNKNOWN
        assert await tokens.revoke(tx, api)
        assert not await tokens.revoke(tx, api)
        assert (await tokens.examine(tx, api, "api")).verdict is Verdict.REVOKED
        brief = await tokens.create(tx, person.id, "api", MINUTE)
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        assert (await tokens.examine(tx, brief, "api")).verdict is Verdict.EXPIRED
        assert await tokens.revoke_all(tx, person.id, "session") == 1
        assert (await tokens.examine(tx, session, "session")).verdict is Verdict.REVOKED
        assert await tokens.revoke_all(tx, person.id) == 1


async def test_locks_of_incidents_let_one_through_at_a_time(any_db: Database) -> None:
    """Whoever has it adds one to what it read; on SQLite the transaction alone does that."""
    about = await healing.incident(any_db)
    seen: list[int] = []

    async def count() -> None:
        async with any_db.write() as tx:
            await incident_locks.decide_alone(tx)
            await incident_locks.hold(tx, [(about.source, about.fingerprint)])
            mine = await incidents.locked(tx, about.id)
            seen.append(mine.count)
            await incidents.seen(tx, mine.id, firing=True, back=False, severity="P1")

    await asyncio.gather(*(count() for _ in range(4)))
    assert sorted(seen) == [1, 2, 3, 4]


async def test_who_is_present_anywhere_and_for_how_long(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        room = (await rooms.seen(tx, "web", "", "ops", "", "en")).id
        await presences.keep(tx, "one", {(room, "배포"), (room, "b")}, MINUTE)
        await presences.keep(tx, "two", {(room, "b")}, 2 * MINUTE)
        assert await presences.anywhere(tx, room, "배포")
        await presences.keep(tx, "one", set(), MINUTE)
        assert not await presences.anywhere(tx, room, "배포")
        assert await presences.anywhere(tx, room, "b")
    clock.forward(minutes=2)
    async with any_db.read() as tx:
        assert not await presences.anywhere(tx, room, "b")


async def test_one_process_at_a_time_feeds_the_queue(postgres_url: str) -> None:
    one, two = (Database.open(DatabaseSettings(postgres_url)) for _ in range(2))
    async with one.write() as first:
        assert await holds.alone_feeding(first)
        async with two.write() as second:
            assert not await holds.alone_feeding(second)
    async with two.write() as second:
        assert await holds.alone_feeding(second)
    await one.close()
    await two.close()
