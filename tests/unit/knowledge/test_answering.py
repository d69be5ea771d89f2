"""Questions are answered from articles when that is sure, else handed on with what is nearest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.approvals.watch import WatchReport
from engine.cycle import Cycle
from engine.errors import GiveUp, Why
from engine.knowledge.answering import vote
from engine.knowledge.knowledge import Knowledge
from engine.language.classify import Suggestion
from storage import answers, articles, requests
from storage.answers import Answer
from storage.articles import Kind
from storage.lifecycle import RequestState
from storage.requests import Happening, Request
from tests.unit.knowledge.shelves import PRINTER, VPN, Shelves

SURE = "How do I reset my VPN password?"
UNSURE = "When is the canteen open on Sundays?"
INQUIRY = Suggestion("INQUIRY", "LOW", (), "model", 0.9)


@pytest.fixture
async def knowledge(shelves: Shelves) -> AsyncIterator[Knowledge]:
    found = Knowledge(shelves.db)
    await shelves.published(*PRINTER)
    yield found
    await found.stop()


async def ask(shelves: Shelves, title: str, body: str = "") -> Request:
    async with shelves.db.write() as tx:
        return await shelves.desk.create(
            tx, shelves.people["min"], title, body, suggestion=INQUIRY, room_id=shelves.room
        )


async def now(shelves: Shelves, request: Request) -> tuple[Request, list[Happening]]:
    async with shelves.db.read() as tx:
        found = await requests.by_id(tx, request.id)
        assert found is not None
        return found, await requests.timeline(tx, request.id)


async def answer_to(shelves: Shelves, request: Request) -> Answer:
    async with shelves.db.read() as tx:
        found = await answers.of_request(tx, request.id)
    assert found is not None
    return found


async def test_a_sure_answer_quotes_the_article_and_completes_the_request(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    vpn = await shelves.published(*VPN, questions=(SURE,))
    request = await ask(shelves, SURE)
    assert await knowledge.answer() == 1
    done, story = await now(shelves, request)
    assert (done.state, done.type) == (RequestState.DONE, "INQUIRY")
    assert (story[-1].kind, story[-1].who) == ("close", "")
    assert vpn.key in story[-1].detail["comment"]
    given = await answer_to(shelves, request)
    assert given.article == vpn.key and given.passage in vpn.body and given.passage
    assert given.confidence >= 0.75
    assert await shelves.cards() == [given.subject]
    assert await knowledge.answer() == 0


async def test_what_is_not_sure_goes_to_a_person_with_the_nearest(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    request = await ask(shelves, "Where is the paper, in which cupboard of the moon?", "x")
    other = await ask(shelves, UNSURE)
    assert await knowledge.answer() == 0
    waiting, story = await now(shelves, request)
    assert waiting.state is RequestState.NEW
    assert [event.kind for event in story] == ["create", "nearest"]
    assert story[-1].detail["articles"][0].startswith("KB-20261120-0001 ")
    await shelves.published("Something new", "Entirely.")
    assert await knowledge.answer() == 0, "the library changed: it was asked again"
    assert len((await now(shelves, request))[1]) == 2, "and the note was not written twice"
    assert (await now(shelves, other))[0].live


async def test_a_new_article_answers_what_was_open(shelves: Shelves, knowledge: Knowledge) -> None:
    request = await ask(shelves, SURE)
    assert await knowledge.answer() == 0
    await shelves.published(*VPN, questions=(SURE,))
    assert await knowledge.answer() == 1
    assert (await now(shelves, request))[0].state is RequestState.DONE


async def test_a_warning_is_never_an_answer(shelves: Shelves, knowledge: Knowledge) -> None:
    await shelves.published(*VPN, kind=Kind.ANTI_PATTERN)
    await ask(shelves, SURE)
    assert await knowledge.answer() == 0


async def test_what_is_no_question_is_left_alone(shelves: Shelves, knowledge: Knowledge) -> None:
    await shelves.published(*VPN, questions=(SURE,))
    async with shelves.db.write() as tx:
        restart = Suggestion("RESTART", "HIGH", ())
        made = await shelves.desk.create(tx, shelves.people["min"], SURE, suggestion=restart)
    assert await knowledge.answer() == 0
    assert (await now(shelves, made))[0].live


async def test_of_two_that_answer_at_once_one_does(shelves: Shelves) -> None:
    await shelves.published(*VPN, questions=(SURE,))
    await shelves.published(*PRINTER)
    made = [await ask(shelves, SURE) for _ in range(5)]
    both = [Knowledge(shelves.db) for _ in range(2)]
    counts = await asyncio.gather(*(one.answer() for one in both))
    assert sum(counts) == 5
    for request in made:
        assert [event.kind for event in (await now(shelves, request))[1]] == ["create", "close"]
    for one in both:
        await one.stop()


async def test_the_cycle_answers_before_it_gives_requests_to_people(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    async def no_actions() -> WatchReport:
        return WatchReport((), (), ())

    await shelves.published(*VPN, questions=(SURE,))
    sure, unsure = await ask(shelves, SURE), await ask(shelves, UNSURE)
    cycle = Cycle(shelves.db, shelves.desk, no_actions, answer=knowledge.answer)
    report = await cycle.run_once()
    assert (report.failed, report.classified, report.answered) == ({}, 2, 1)
    assert (await now(shelves, sure))[0].state is RequestState.DONE
    assert (await now(shelves, unsure))[0].live


async def test_not_solved_opens_the_request_again_and_it_gets_no_second_answer(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    vpn = await shelves.published(*VPN, questions=(SURE,))
    request = await ask(shelves, SURE)
    await knowledge.answer()
    given = await answer_to(shelves, request)
    min_, jun = shelves.people["min"], shelves.people["jun"]
    async with shelves.db.write() as tx:
        said = await vote(tx, shelves.desk, min_, given.id, solved=False)
    assert said.solved is False
    again, story = await now(shelves, request)
    assert (again.state, story[-1].kind, story[-1].who) == (RequestState.OPEN, "reopen", "min")
    assert again.due_at is not None and again.assignee == ""
    assert await knowledge.answer() == 0
    async with shelves.db.write() as tx:
        with pytest.raises(GiveUp) as refused:
            await vote(tx, shelves.desk, min_, given.id, solved=False)
        assert refused.value.why is Why.CONFLICT
        # An engineer may say it for them; the request is open already and stays so.
        await vote(tx, shelves.desk, jun, given.id, solved=True)
        counted = await articles.must(tx, vpn.id)
    assert (counted.solved, counted.unsolved) == (1, 0)
    assert (await now(shelves, request))[0].state is RequestState.OPEN


async def test_only_who_asked_or_an_engineer_says_whether_it_helped(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    await shelves.published(*VPN, questions=(SURE,))
    async with shelves.db.write() as tx:
        lin = shelves.people["lin"]
        request = await shelves.desk.create(tx, lin, SURE, suggestion=INQUIRY)
    await knowledge.answer()
    given = await answer_to(shelves, request)
    async with shelves.db.write() as tx:
        for name in ("min", "robot"):
            with pytest.raises(GiveUp) as refused:
                await vote(tx, shelves.desk, shelves.people[name], given.id, solved=False)
            assert refused.value.why is Why.FORBIDDEN
        with pytest.raises(GiveUp) as missing:
            await vote(tx, shelves.desk, lin, 999, solved=True)
        assert missing.value.why is Why.MISSING
        assert (await vote(tx, shelves.desk, lin, given.id, solved=True)).solved
    assert (await now(shelves, request))[0].state is RequestState.DONE
