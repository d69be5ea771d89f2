"""The desk: what people can do with a request, and what everybody else hears."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import GiveUp, Why
from engine.language.classify import Suggestion
from engine.requests.desk import DeskSettings
from prompts.texts import LANGUAGES, say
from storage import audit_read, requests
from storage.lifecycle import RequestState
from tests.conftest import FakeClock
from tests.unit.requests.conftest import Office

HOUR = 3_600_000


async def test_a_new_request_has_a_key_a_suggestion_and_a_first_event(office: Office) -> None:
    request = await office.new("예산시스템 WAS 재기동 부탁드립니다", "09시부터\n느립니다")
    assert request.key == "SR-20261120-0001"
    assert request.state is RequestState.NEW
    assert request.type is None
    assert request.suggestion is not None
    assert request.suggestion["type"] == "RESTART"
    assert request.body == "09시부터\n느립니다"
    assert await office.kinds(request) == ["create"]


async def test_the_same_delivery_makes_it_once(office: Office) -> None:
    for _ in range(3):
        async with office.db.write() as tx:
            request = await office.desk.create(tx, office.min, "Once", origin="inbox:5")
    async with office.db.read() as tx:
        assert [r.key for r in await office.desk.listing(tx)] == [request.key]
    assert await office.kinds(request) == ["create"]


@pytest.mark.parametrize(("title", "body"), [("", "x"), ("x" * 201, ""), ("ok", "y" * 10_001)])
async def test_text_out_of_bounds_makes_nothing(office: Office, title: str, body: str) -> None:
    with pytest.raises(GiveUp) as refusal:
        await office.new(title, body)
    assert refusal.value.why is Why.INVALID
    async with office.db.read() as tx:
        assert await office.desk.listing(tx, states=None) == []


async def test_the_way_from_new_to_done(office: Office, clock: FakeClock) -> None:
    request = await office.new()
    async with office.db.write() as tx:
        assigned = await office.desk.assign(tx, office.jun, "1", "lin")
    assert (assigned.state, assigned.assignee) == (RequestState.ASSIGNED, "lin")
    # Assigned by hand before the cycle saw it: it still has a type, a priority and a deadline.
    assert assigned.type is not None
    assert assigned.priority is not None
    assert assigned.due_at == request.created_at + DeskSettings().due_after(assigned.priority)
    clock.forward(minutes=5)
    async with office.db.write() as tx:
        await office.desk.comment(tx, office.kim, "0001", "Same on the 2nd floor")
        done = await office.desk.close(tx, office.lin, request.key, "new toner")
    assert (done.state, done.closed_at) == (RequestState.DONE, clock.now)
    assert await office.kinds(request) == ["create", "assign", "comment", "close"]


async def test_every_move_is_in_the_audit_log(office: Office) -> None:
    request = await office.new()
    async with office.db.write() as tx:
        await office.desk.assign(tx, office.jun, "1", "me")
        await office.desk.close(tx, office.min, "1")
        await office.desk.reopen(tx, office.min, "1")
        await office.desk.reject(tx, office.ana, "1", "no budget")
    async with office.db.read() as tx:
        rows = await audit_read.latest(tx, request.key)
    assert [(row.record.actor, row.record.kind) for row in rows] == [
        ("person:min", "request.create"),
        ("person:jun", "request.assign"),
        ("person:min", "request.close"),
        ("person:min", "request.reopen"),
        ("person:ana", "request.reject"),
    ]


async def test_who_may_not_hears_why_and_nothing_changes(office: Office) -> None:
    request = await office.new()
    desk = office.desk
    attempts = [
        lambda tx: desk.assign(tx, office.min, "1", "jun"),
        lambda tx: desk.close(tx, office.kim, "1"),
        lambda tx: desk.reject(tx, office.min, "1"),
        lambda tx: desk.set_priority(tx, office.kim, "1", "LOW"),
        lambda tx: desk.close(tx, office.robot, "1"),
    ]
    for attempt in attempts:
        with pytest.raises(GiveUp) as refusal:
            async with office.db.write() as tx:
                await attempt(tx)
        assert refusal.value.why is Why.FORBIDDEN
    assert await office.now(request) == request
    assert await office.kinds(request) == ["create"]


async def test_the_second_close_hears_who_and_when(office: Office, clock: FakeClock) -> None:
    await office.new()
    async with office.db.write() as tx:
        await office.desk.close(tx, office.jun, "1")
    clock.forward(minutes=10)
    with pytest.raises(GiveUp) as refusal:
        async with office.db.write() as tx:
            await office.desk.close(tx, office.lin, "1")
    assert refusal.value.why is Why.CONFLICT
    assert refusal.value.text.values["who"] == "jun"
    assert refusal.value.text.values["at"] == clock.now - 600_000
    for language in LANGUAGES:
        assert "jun" in say(refusal.value.text, language)


async def test_of_twenty_who_close_at_once_one_does(office: Office) -> None:
    request = await office.new()

    async def close() -> bool:
        try:
            async with office.db.write() as tx:
                await office.desk.close(tx, office.jun, "1")
        except GiveUp as refusal:
            assert refusal.why is Why.CONFLICT
            return False
        return True

    assert sum(await asyncio.gather(*(close() for _ in range(20)))) == 1
    assert await office.kinds(request) == ["create", "close"]


async def test_reopening_starts_a_new_deadline(office: Office, clock: FakeClock) -> None:
    await office.new()
    async with office.db.write() as tx:
        await office.desk.set_priority(tx, office.jun, "1", "LOW")
        await office.desk.close(tx, office.min, "1")
    clock.forward(minutes=60 * 24 * 30)
    async with office.db.write() as tx:
        again = await office.desk.reopen(tx, office.min, "SR-20261120-0001")
    assert again.state is RequestState.OPEN
    assert again.due_at == clock.now + 72 * HOUR
    assert (again.closed_at, again.assignee_id) == (None, None)


async def test_a_new_priority_moves_the_deadline(office: Office) -> None:
    request = await office.new()
    async with office.db.write() as tx:
        changed = await office.desk.set_priority(tx, office.jun, "1", "critical")
    assert changed.due_at == request.created_at + 2 * HOUR
    assert changed.state is RequestState.NEW


async def test_a_priority_of_a_closed_request_stays(office: Office) -> None:
    await office.new()
    with pytest.raises(GiveUp) as refusal:
        async with office.db.write() as tx:
            await office.desk.close(tx, office.jun, "1")
            await office.desk.set_priority(tx, office.jun, "1", "LOW")
    assert refusal.value.why is Why.CONFLICT


@pytest.mark.parametrize("name", ["min", "robot", "nobody", "", "jun; rm", "J" * 5000])
async def test_only_engineers_can_be_given_requests(office: Office, name: str) -> None:
    await office.new()
    with pytest.raises(GiveUp) as refusal:
        async with office.db.write() as tx:
            await office.desk.assign(tx, office.jun, "1", name)
    assert refusal.value.why is Why.INVALID
    assert "ana, jun, lin, wu" in say(refusal.value.text, "en")


async def test_giving_it_to_who_has_it_changes_nothing(office: Office) -> None:
    request = await office.new()
    async with office.db.write() as tx:
        await office.desk.assign(tx, office.jun, "1", "@LIN")
    with pytest.raises(GiveUp) as refusal:
        async with office.db.write() as tx:
            await office.desk.assign(tx, office.jun, "1", "lin")
    assert refusal.value.why is Why.CONFLICT
    assert await office.kinds(request) == ["create", "assign"]


async def test_an_unknown_id_is_missing(office: Office) -> None:
    with pytest.raises(GiveUp) as refusal:
        async with office.db.read() as tx:
            await office.desk.find(tx, "77")
    assert refusal.value.why is Why.MISSING
    assert "SR-20261120-0077" in say(refusal.value.text, "ko")


async def test_lists_filter_and_page(office: Office) -> None:
    for number in range(5):
        await office.new(f"Request {number}")
    async with office.db.write() as tx:
        await office.desk.assign(tx, office.jun, "2", "jun")
        await office.desk.close(tx, office.jun, "3")
        first = await office.desk.listing(tx, limit=2)
        rest = await office.desk.listing(tx, limit=10, before=first[-1].id)
        mine = await office.desk.listing(tx, assignee_id=office.jun.id)
        done = await office.desk.listing(tx, states=[RequestState.DONE])
        counts = await requests.counts(tx)
    assert [r.title for r in first] == ["Request 4", "Request 3"]
    assert [r.title for r in rest] == ["Request 1", "Request 0"]
    assert [r.title for r in mine] == ["Request 1"]
    assert [r.title for r in done] == ["Request 2"]
    assert counts == {"NEW": 3, "OPEN": 0, "ASSIGNED": 1, "DONE": 1, "REJECTED": 0}


MODELS = Suggestion("LOG", "CRITICAL", (), "model", 0.93)


async def test_a_suggestion_of_the_model_is_kept_and_followed(office: Office) -> None:
    async with office.db.write() as tx:
        made = await office.desk.create(tx, office.min, "Restart the WAS", suggestion=MODELS)
    assert made.suggestion == {
        "type": "LOG",
        "priority": "CRITICAL",
        "why": [],
        "source": "model",
        "confidence": 0.93,
    }
    assert (made.type, made.priority) == (None, None)
    async with office.db.write() as tx:
        assigned = await office.desk.assign(tx, office.jun, "1", "lin")
    assert (assigned.type, assigned.priority) == ("LOG", "CRITICAL")
    assert assigned.due_at == made.created_at + 2 * HOUR


async def test_without_the_model_the_keywords_suggest(office: Office) -> None:
    made = await office.new("Restart the WAS, urgent")
    assert made.suggestion is not None
    assert (made.suggestion["source"], made.suggestion["confidence"]) == ("keywords", None)
    assert made.suggestion["why"] == ["restart", "urgent"]
