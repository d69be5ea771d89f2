"""Answers in storage: one a request, votes that count once, and what is still to be answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from storage import answers, articles, cards, people, requests, rooms
from storage.answers import Answer, NewAnswer
from storage.articles import WATCHSTANDER, Article, Kind, Words
from storage.database import Database, Transaction
from storage.lifecycle import ArticleMove, RequestMove, RequestState
from storage.people import Listing, Person, Role
from storage.requests import Request
from storage.rooms import RoomListing
from tests.conftest import FakeClock

PEOPLE = [Listing("min", Role.REQUESTER, "ko"), Listing("jun", Role.ENGINEER, "en")]


@pytest.fixture
async def team(any_db: Database) -> dict[str, Person]:
    async with any_db.write() as tx:
        await people.sync(tx, PEOPLE)
        return {person.name: person for person in await people.everyone(tx)}


async def published(tx: Transaction, title: str = "Reset the VPN") -> Article:
    made = await articles.create(
        tx, kind=Kind.ARTICLE, title=title, body="Press Reset.", language="en", actor=WATCHSTANDER
    )
    assert made is not None
    await articles.move(tx, made, ArticleMove.PUBLISH, WATCHSTANDER)
    return await articles.must(tx, made.id)


async def asked(
    tx: Transaction, person: Person, title: str = "VPN?", kind: str = "INQUIRY"
) -> Request:
    return await requests.create(
        tx,
        title=title,
        body="",
        suggestion={"type": kind, "priority": "LOW", "why": ['"type": "INQUIRY"']},
        requester_id=person.id,
        actor=person.actor,
    )


def new(article: Article) -> NewAnswer:
    return NewAnswer(
        article.id,
        article.version,
        article.key,
        article.title,
        "VPN?",
        "Press “Reset”. %_'",
        0.91,
        {"share": 0.5, "near": 1.25},
    )


async def give(db: Database, request: Request, wanted: NewAnswer) -> Answer | None:
    async with db.write() as tx:
        return await answers.give(tx, request, wanted)


async def test_an_answer_completes_its_request_once(
    any_db: Database, team: dict[str, Person]
) -> None:
    async with any_db.write() as tx:
        article, request = await published(tx), await asked(tx, team["min"])
    made = await asyncio.gather(*(give(any_db, request, new(article)) for _ in range(5)))
    (kept,) = [each for each in made if each is not None]
    async with any_db.read() as tx:
        now = await requests.by_id(tx, request.id)
        events = await requests.timeline(tx, request.id)
        assert await answers.of_request(tx, request.id) == kept
        assert await answers.given(tx, article.id) == 1
    assert now is not None
    assert (now.state, now.type, now.closed_at) == (RequestState.DONE, "INQUIRY", kept.at)
    assert [(event.kind, event.who) for event in events] == [("create", "min"), ("close", "")]
    assert events[-1].detail["article"] == article.key
    assert kept.evidence == {"share": 0.5, "near": 1.25}
    assert (kept.passage, kept.solved) == ("Press “Reset”. %_'", None)


async def test_nothing_is_answered_twice_or_over_a_persons_head(
    any_db: Database, team: dict[str, Person]
) -> None:
    async with any_db.write() as tx:
        article, request = await published(tx), await asked(tx, team["min"])
    assert await give(any_db, request, new(article)) is not None
    async with any_db.write() as tx:
        await requests.move(tx, request, RequestMove.REOPEN, actor="person:min", person_id=None)
        again = await requests.by_id(tx, request.id)
    assert again is not None
    assert await give(any_db, again, new(article)) is None, "it had its answer"
    async with any_db.write() as tx:
        other = await asked(tx, team["min"])
        jun = team["jun"].id
        assign = RequestMove.ASSIGN
        await requests.move(tx, other, assign, actor="person:jun", person_id=None, assignee_id=jun)
        taken = await requests.by_id(tx, other.id)
    assert taken is not None
    assert await give(any_db, taken, new(article)) is None, "jun has it"


async def test_an_article_that_changed_since_it_was_read_answers_nothing(
    any_db: Database, team: dict[str, Person]
) -> None:
    async with any_db.write() as tx:
        article, request = await published(tx), await asked(tx, team["min"])
        await articles.edit(tx, article, Words(body="Never press Reset."), WATCHSTANDER)
    assert await give(any_db, request, new(article)) is None
    async with any_db.write() as tx:
        now = await articles.must(tx, article.id)
        await articles.move(tx, now, ArticleMove.RETIRE, WATCHSTANDER)
    assert await give(any_db, request, replace(new(now))) is None
    async with any_db.read() as tx:
        still = await requests.by_id(tx, request.id)
    assert still is not None and still.state is RequestState.NEW


async def test_votes_count_once_and_may_be_changed(
    any_db: Database, team: dict[str, Person], clock: FakeClock
) -> None:
    async with any_db.write() as tx:
        article, request = await published(tx), await asked(tx, team["min"])
    given = await give(any_db, request, new(article))
    assert given is not None

    async def say(solved: bool) -> bool:
        async with any_db.write() as tx:
            return await answers.vote(tx, given, team["min"], solved=solved)

    assert sorted(await asyncio.gather(*(say(True) for _ in range(4)))) == [False] * 3 + [True]
    async with any_db.write() as tx:
        now = await answers.must(tx, given.id)
        counted = await articles.must(tx, article.id)
        assert (now.solved, now.said_by) == (True, team["min"].id)
        assert (counted.solved, counted.unsolved) == (1, 0)
        assert not await answers.vote(tx, now, team["min"], solved=True)
        assert await answers.vote(tx, now, team["min"], solved=False)
        counted = await articles.must(tx, article.id)
        assert (counted.solved, counted.unsolved) == (0, 1)
        assert [vote.solved for vote in await answers.votes(tx, 10)] == [False]
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        related = Words(body="Press Reset. Related.")
        await articles.edit(tx, counted, related, WATCHSTANDER, same_meaning=True)
        assert len(await answers.votes(tx, 10)) == 1
        counted = await articles.must(tx, article.id)
        await articles.edit(tx, counted, Words(body="Something else."), WATCHSTANDER)
        assert await answers.votes(tx, 10) == [], "they were about other words"


async def test_what_is_still_to_be_answered(any_db: Database, team: dict[str, Person]) -> None:
    async with any_db.write() as tx:
        article = await published(tx)
        first = await asked(tx, team["min"], "First")
        await asked(tx, team["min"], "A restart", "RESTART")
        second = await asked(tx, team["min"], "Second")
        read = await asked(tx, team["min"], "Read as a log by the cycle")
        classify = RequestMove.CLASSIFY
        await requests.move(tx, read, classify, actor=WATCHSTANDER, person_id=None, type="LOG")
        assert [each.id for each in await answers.unanswered(tx, 10)] == [first.id, second.id]
        assert [each.id for each in await answers.unanswered(tx, 10, first.id)] == [second.id]
        assert await answers.give(tx, first, new(article)) is not None
        assert [each.id for each in await answers.unanswered(tx, 10)] == [second.id]
        assert not await answers.noted(tx, second.id)
        note = requests.Note(second.id, second.key, "nearest", {"articles": ["KB-1 x"]})
        await requests.record(tx, [note])
        assert await answers.noted(tx, second.id)


async def test_requests_that_people_closed_with_words(
    any_db: Database, team: dict[str, Person], clock: FakeClock
) -> None:
    min_ = team["min"]

    async def closed(tx: Transaction, title: str, words: str, person: Person | None) -> Request:
        request = await asked(tx, min_, title)
        await requests.move(
            tx,
            request,
            RequestMove.CLOSE,
            actor=WATCHSTANDER,
            person_id=person.id if person else None,
            detail={"comment": words} if words else {},
            closed_at=tx.now,
            type="INQUIRY",
        )
        return request

    async with any_db.write() as tx:
        good = await closed(tx, "Good", "It was the cable.", team["jun"])
        await closed(tx, "Without words", "", team["jun"])
        await closed(tx, "By the knowledge base", "KB-1", None)
        drafted = await closed(tx, "Drafted", "It was the plug.", team["jun"])
        await articles.create(
            tx,
            kind=Kind.ARTICLE,
            title="…",
            body="…",
            language="en",
            actor=WATCHSTANDER,
            origin=f"request:{drafted.id}",
        )
        start = tx.now
        (found,) = await answers.resolved(tx, ("INQUIRY", "OTHER"), start, 10)
        assert (found.id, found.comment, found.requester_id) == (
            good.id,
            "It was the cable.",
            min_.id,
        )
        assert await answers.resolved(tx, ("OTHER",), start, 10) == []
        assert await answers.resolved(tx, ("INQUIRY",), start + 1, 10) == []


async def test_answers_that_reached_nobody(any_db: Database, team: dict[str, Person]) -> None:
    async with any_db.write() as tx:
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
        (room,) = await rooms.with_cards(tx)
        article = await published(tx)
        made = [await asked(tx, team["min"]) for _ in range(3)]
        given = [await answers.give(tx, each, new(article)) for each in made]
        placed, waiting, gone = given
        assert placed is not None and waiting is not None and gone is not None
        for each in (placed, waiting):
            await cards.place(tx, each.subject, room.id)
        copy = await cards.copy_in(tx, placed.subject, room.id)
        assert copy is not None
        await cards.posted(tx, copy.id, "message", "shown")
        lost = await answers.unseen(tx, tx.now, 10)
        assert [each.id for each in lost] == [gone.id]
        assert await answers.unseen(tx, tx.now + 1, 10) == []
        await answers.vote(tx, gone, team["min"], solved=True)
        assert await answers.unseen(tx, tx.now, 10) == [], "somebody has seen it"


async def test_words_of_one_that_was_closed_at_once_count_too(
    any_db: Database, team: dict[str, Person]
) -> None:
    async with any_db.write() as tx:
        for kind in ("INQUIRY", "RESTART"):
            request = await asked(tx, team["min"], kind=kind)
            await requests.move(
                tx,
                request,
                RequestMove.CLOSE,
                actor=team["jun"].actor,
                person_id=team["jun"].id,
                detail={"comment": "프록시를 끄세요"},
                closed_at=tx.now,
            )
        found = await answers.resolved(tx, ("INQUIRY", "OTHER"), 0, 10, 8)
        assert [each.comment for each in found] == ["프록시를 끄세요"]
        assert await answers.resolved(tx, ("INQUIRY", "OTHER"), 0, 10, 9) == []
