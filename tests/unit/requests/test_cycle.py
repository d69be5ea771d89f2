"""The cycle: classify, assign, escalate, breach, expire; each once, none in another's way."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
import sqlalchemy as sa

from engine.approvals.watch import WatchReport
from engine.cycle import CYCLE, Cycle, CycleSettings
from engine.language.classify import Suggestion
from engine.requests.desk import DeskSettings
from prompts.texts import LANGUAGES, Text, say
from storage import audit_read, clocks, people
from storage.lifecycle import RequestState
from storage.people import Account, Listing, Role
from storage.tables import audit, outbox, requests
from tests.conftest import FakeClock
from tests.unit.requests.conftest import LISTINGS, Office


async def no_actions() -> WatchReport:
    return WatchReport((), (), ())


def cycle_of(office: Office, batch: int = 500) -> Cycle:
    return Cycle(office.db, office.desk, no_actions, CycleSettings(batch=batch))


async def said(office: Office) -> list[tuple[int, dict[str, object]]]:
    async with office.db.read() as tx:
        rows = await tx.all(sa.select(outbox.c.room_id, outbox.c.body).order_by(outbox.c.id))
    return [(row.room_id, json.loads(row.body)) for row in rows]


async def test_new_requests_are_classified_and_given_to_people(office: Office) -> None:
    restart = await office.new("Restart the WAS please")
    other = await office.new("The printer makes a noise")
    report = await cycle_of(office).run_once()
    assert (report.classified, report.assigned, report.failed) == (2, 2, {})
    restart, other = await office.now(restart), await office.now(other)
    assert (restart.type, restart.state) == ("RESTART", RequestState.ASSIGNED)
    assert restart.assignee == "lin"  # jun can do it too: equal load, lin is on call
    assert other.assignee == "lin"  # nobody has the skill: on call
    assert restart.due_at == restart.created_at + office.desk.settings.due_after(
        restart.priority or ""
    )
    assert await office.kinds(restart) == ["create", "classify", "assign"]


async def test_what_the_model_suggested_is_followed_and_the_rest_goes_by_keywords(
    office: Office,
) -> None:
    by_model = Suggestion("LOG", "CRITICAL", (), "model", 0.93)
    async with office.db.write() as tx:
        one = await office.desk.create(tx, office.min, "Restart the WAS", suggestion=by_model)
    two = await office.new("Restart the WAS")
    odd = [await office.new(f"Restart the WAS {n}") for n in range(3)]
    kept = [None, '{"type": "PIZZA", "priority": "HIGH", "source": "model"}', '{"source": "model"}']
    async with office.db.write() as tx:  # by hand, or by a version to come
        for request, stored in zip(odd, kept, strict=True):
            await tx.execute(
                requests.update().where(requests.c.id == request.id).values(suggestion=stored)
            )
    report = await cycle_of(office).run_once()
    assert (report.classified, report.failed) == (5, {})
    read = [(await office.now(request)) for request in (one, two, *odd)]
    assert [(r.type, r.priority) for r in read] == [
        ("LOG", "CRITICAL"),
        *[("RESTART", "MEDIUM")] * 4,
    ]
    assert read[0].due_at == read[0].created_at + office.desk.settings.due_after("CRITICAL")


async def test_a_second_cycle_finds_nothing_to_do(office: Office) -> None:
    await office.new()
    cycle = cycle_of(office)
    await cycle.run_once()
    again = await cycle.run_once()
    assert (again.classified, again.assigned, again.escalated, again.breached) == (0, 0, 0, 0)
    async with office.db.read() as tx:
        assert await clocks.noted(tx, CYCLE) == again.to_json()


async def test_work_is_shared_over_batches(office: Office) -> None:
    for number in range(25):
        await office.new(f"Restart server {number}")
    report = await cycle_of(office, batch=4).run_once()
    assert (report.classified, report.assigned) == (25, 25)
    async with office.db.read() as tx:
        jun = await office.desk.listing(tx, assignee_id=office.jun.id, limit=100)
        lin = await office.desk.listing(tx, assignee_id=office.lin.id, limit=100)
    assert {len(jun), len(lin)} == {12, 13}


async def test_nobody_to_take_it_leaves_it_open_and_in_nobodys_way(office: Office) -> None:
    async with office.db.write() as tx:
        await people.sync(tx, [*LISTINGS[:3], Listing("lin", Role.ENGINEER, "en")])
    stuck = [await office.new("The printer makes a noise") for _ in range(5)]
    fine = await office.new("Restart the WAS please")
    report = await cycle_of(office, batch=2).run_once()
    assert (report.classified, report.assigned) == (6, 1)
    assert {(await office.now(request)).state for request in stuck} == {RequestState.OPEN}
    assert (await office.now(fine)).assignee == "jun"


async def test_a_priority_set_by_a_person_stands(office: Office) -> None:
    request = await office.new("The printer makes a noise")
    async with office.db.write() as tx:
        set_by_hand = await office.desk.set_priority(tx, office.jun, request.key, "CRITICAL")
    await cycle_of(office).run_once()
    after = await office.now(request)
    assert (after.priority, after.due_at) == ("CRITICAL", set_by_hand.due_at)


async def test_the_deadline_is_announced_once_before_and_recorded_once_after(
    office: Office, clock: FakeClock
) -> None:
    request = await office.new("The printer makes a noise")
    cycle = cycle_of(office)
    await cycle.run_once()
    due_at = (await office.now(request)).due_at
    assert due_at is not None
    clock.now = due_at - 30 * 60_000 - 1
    assert (await cycle.run_once()).escalated == 0
    assert await said(office) == []
    clock.forward(seconds=1)
    assert [(await cycle.run_once()).escalated for _ in range(3)] == [1, 0, 0]
    clock.now = due_at
    assert [(await cycle.run_once()).breached for _ in range(3)] == [1, 0, 0]
    assert (await office.kinds(request))[-2:] == ["escalate", "breach"]
    notices = await said(office)
    async with office.db.read() as tx:
        approvals = await tx.one(sa.text("SELECT id FROM rooms WHERE address = 'approvals'"))
    assert approvals is not None
    assert [room for room, _ in notices] == [approvals.id, approvals.id]
    for language in LANGUAGES:
        for _, body in notices:
            lines = [say(Text.from_json(line), language) for line in body["lines"]]  # type: ignore[attr-defined]
            assert request.key in lines[0]
            assert "lin" in say(Text.from_json(body["note"]), language)  # type: ignore[arg-type]


async def test_the_person_on_call_hears_it_directly(office: Office, clock: FakeClock) -> None:
    lin = Listing("lin", Role.ENGINEER, "zh-TW", (), True, (Account("telegram", "", "4242"),))
    async with office.db.write() as tx:
        await people.sync(tx, [*LISTINGS[:3], lin])
    await office.new()
    cycle = cycle_of(office)
    await cycle.run_once()
    clock.forward(minutes=72 * 60)
    await cycle.run_once()
    async with office.db.read() as tx:
        direct = await tx.one(sa.text("SELECT id FROM rooms WHERE address = '4242'"))
    assert direct is not None
    told = [body for room, body in await said(office) if room == direct.id]
    assert [body["language"] for body in told] == ["zh-TW", "zh-TW"]


async def test_many_late_requests_are_one_notice(office: Office, clock: FakeClock) -> None:
    for number in range(30):
        await office.new(f"Restart server {number}")
    cycle = cycle_of(office)
    await cycle.run_once()
    clock.forward(minutes=72 * 60)
    report = await cycle.run_once()
    assert (report.escalated, report.breached) == (30, 30)
    notices = await said(office)
    assert len(notices) == 2
    lines = [say(Text.from_json(line), "en") for line in notices[0][1]["lines"]]  # type: ignore[attr-defined]
    assert len(lines) == 11
    assert "20 more" in lines[-1]


async def test_a_closed_request_is_never_late(office: Office, clock: FakeClock) -> None:
    await office.new()
    cycle = cycle_of(office)
    await cycle.run_once()
    async with office.db.write() as tx:
        await office.desk.close(tx, office.jun, "1")
    clock.forward(minutes=72 * 60)
    report = await cycle.run_once()
    assert (report.escalated, report.breached) == (0, 0)


async def test_a_step_that_fails_is_named_and_stops_no_other(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> WatchReport:
        raise OSError("disk full")

    await office.new()
    report = await Cycle(office.db, office.desk, broken).run_once()
    assert report.failed == {"expired": "OSError: disk full"}
    assert (report.classified, report.assigned) == (1, 1)
    assert "expired" in caplog.text


async def test_what_a_failing_step_committed_is_counted(office: Office) -> None:
    """The audit table refuses the third batch: it stays NEW, and the two before it go on."""
    for number in range(6):
        await office.new(f"Restart server {number}")
    async with office.db.writer.begin() as connection:
        await connection.execute(
            sa.text(
                "CREATE TRIGGER full BEFORE INSERT ON audit "
                "WHEN NEW.subject = 'SR-20261120-0005' BEGIN SELECT RAISE(ABORT, 'full'); END"
            )
        )
    report = await cycle_of(office, batch=2).run_once()
    assert "full" in report.failed["classified"]
    assert (report.classified, report.assigned) == (4, 4)
    async with office.db.read() as tx:
        new = await office.desk.listing(tx, states=[RequestState.NEW])
    assert [request.key[-4:] for request in new] == ["0006", "0005"]


async def test_two_callers_share_one_run(office: Office) -> None:
    for _ in range(5):
        await office.new()
    cycle = cycle_of(office)
    first, second = await asyncio.gather(cycle.run_once(), cycle.run_once())
    assert first is second
    assert not cycle.running


async def test_a_caller_who_goes_away_does_not_stop_the_run(office: Office) -> None:
    request = await office.new()
    cycle = cycle_of(office)
    caller = asyncio.create_task(cycle.run_once())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await cycle.run_once()
    assert (await office.now(request)).state is RequestState.ASSIGNED
    assert await office.kinds(request) == ["create", "classify", "assign"]


async def test_a_person_who_is_faster_wins(office: Office) -> None:
    """Two cycles and a person at once: every request has one classify and one assign at most."""
    made = [await office.new(f"Restart server {number}") for number in range(40)]

    async def by_hand() -> None:
        for request in made[:10]:
            async with office.db.write() as tx:
                await office.desk.close(tx, office.jun, request.key)

    reports = await asyncio.gather(
        cycle_of(office, 3).run_once(), cycle_of(office, 7).run_once(), by_hand()
    )
    assert reports[0].failed == reports[1].failed == {}
    for request in made:
        kinds = await office.kinds(request)
        assert kinds.count("classify") <= 1
        assert kinds.count("assign") <= 1
    for request in made[:10]:
        assert (await office.now(request)).state is RequestState.DONE


async def test_every_move_is_in_the_audit_chain(office: Office) -> None:
    for number in range(7):
        await office.new(f"Restart server {number}")
    await cycle_of(office, batch=3).run_once()
    async with office.db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
        count = await tx.one(sa.select(sa.func.count()).select_from(audit))
    kinds = [row.record.kind for row in rows]
    assert kinds.count("request.classify") == kinds.count("request.assign") == 7
    assert count is not None
    assert len(rows) == count[0]
    assert all(row.sound for row in rows)
    assert all(a.hash == b.previous for a, b in pairwise(rows))


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (CycleSettings, "minutes", 0),
        (CycleSettings, "batch", 0),
        (CycleSettings, "batch", 5_001),
        (DeskSettings, "critical_hours", 0),
        (DeskSettings, "low_hours", -72),
        (DeskSettings, "escalate_minutes", -1),
        (DeskSettings, "title_limit", 0),
    ],
)
def test_settings_out_of_range_are_refused_by_name(
    settings: type[CycleSettings] | type[DeskSettings], name: str, value: int
) -> None:
    with pytest.raises(ValueError, match=name):
        settings(**{name: value})
