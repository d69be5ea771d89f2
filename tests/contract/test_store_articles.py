"""Articles in storage: drafts, moves, edits and what is kept of them, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from storage import articles, attempts, audit_read, incidents, outbox, people, rooms, runbooks
from storage.articles import WATCHSTANDER, Article, Kind, Words
from storage.attempts import Attempt
from storage.cards import place
from storage.database import Database, Transaction
from storage.lifecycle import ArticleMove, ArticleState
from storage.people import Listing, Person, Role
from tests.conftest import FakeClock

HOSTILE = "'; DROP TABLE articles;-- %_\\ <b>{{ 7*7 }}</b> @everyone 결제 鎖"


@pytest.fixture
async def jun(any_db: Database) -> Person:
    async with any_db.write() as tx:
        await people.sync(tx, [Listing("jun", Role.ENGINEER, "en")])
        person = await people.by_name(tx, "jun")
    assert person is not None
    return person


async def make(tx: Transaction, title: str = "Reset the VPN", **more: Any) -> Article:
    given: dict[str, Any] = {
        "kind": Kind.ARTICLE,
        "body": "Open the portal and press Reset.",
        "language": "en",
        "actor": WATCHSTANDER,
    }
    made = await articles.create(tx, title=title, **given | more)
    assert made is not None
    return made


async def test_what_is_written_comes_back(any_db: Database, jun: Person) -> None:
    asked = ("왜 안 되나요?", HOSTILE)
    async with any_db.write() as tx:
        made = await make(tx, HOSTILE, body=HOSTILE, questions=asked, author_id=jun.id)
        other = await make(tx)
    async with any_db.read() as tx:
        assert await articles.by_key(tx, made.key) == made
        assert await articles.by_id(tx, made.id) == made
        assert await articles.listing(tx, 10) == [other, made]
        assert await articles.listing(tx, 10, before=other.id) == [made]
        assert await articles.listing(tx, 10, states=[ArticleState.PUBLISHED]) == []
    assert (made.key, other.key) == ("KB-20261120-0001", "KB-20261120-0002")
    assert (made.title, made.body, made.questions) == (HOSTILE, HOSTILE, asked)
    assert (made.author, made.reviewer, other.author) == ("jun", "", "")
    assert (made.state, made.version, made.kind) == (ArticleState.DRAFT, 1, Kind.ARTICLE)


async def test_of_many_with_one_origin_one_is_made(any_db: Database) -> None:
    async with any_db.write() as tx:
        await make(tx, "The day's first number is taken")

    async def once() -> bool:
        async with any_db.write() as tx:
            made = await articles.create(
                tx,
                kind=Kind.ARTICLE,
                title="Same",
                body="…",
                language="en",
                actor=WATCHSTANDER,
                origin="request:5",
            )
            return made is not None

    assert sorted(await asyncio.gather(*(once() for _ in range(6)))) == [False] * 5 + [True]
    async with any_db.read() as tx:
        found = await articles.by_origin(tx, "request:5")
        assert found is not None and len(await articles.story(tx, found.id)) == 1


async def test_a_move_counts_once_and_only_from_its_states(any_db: Database, jun: Person) -> None:
    async with any_db.write() as tx:
        made = await make(tx)

    async def publish() -> bool:
        async with any_db.write() as tx:
            return await articles.move(tx, made, ArticleMove.PUBLISH, jun.actor, person=jun)

    assert sorted(await asyncio.gather(*(publish() for _ in range(5)))) == [False] * 4 + [True]
    async with any_db.write() as tx:
        now = await articles.must(tx, made.id)
        assert not await articles.move(tx, now, ArticleMove.REJECT, jun.actor, person=jun)
        assert (now.state, now.reviewer) == (ArticleState.PUBLISHED, "jun")
        assert now.published_at == tx.now
        story = await articles.story(tx, made.id)
        assert [(event.kind, event.who) for event in story] == [("create", ""), ("publish", "jun")]
        rows = [row.record.kind async for row in audit_read.walk(tx)]
    assert rows == ["article.create", "article.publish"]


async def test_an_edit_keeps_what_stood_there_and_of_two_editors_one_wins(
    any_db: Database, jun: Person, clock: FakeClock
) -> None:
    async with any_db.write() as tx:
        made = await make(tx, questions=("How?",))
    clock.forward(minutes=1)

    async def edit(number: int) -> bool:
        async with any_db.write() as tx:
            new = Words(title=f"Title {number}", questions=(f"Question {number}?",))
            return await articles.edit(tx, made, new, jun.actor, person=jun)

    assert sorted(await asyncio.gather(*(edit(n) for n in range(4)))) == [False] * 3 + [True]
    async with any_db.write() as tx:
        now = await articles.must(tx, made.id)
        story = await articles.story(tx, made.id)
        assert now.version == 2 and now.body == made.body
        assert now.changed_at == made.changed_at + 60_000
        assert story[-1].detail["before"] == {"title": made.title, "questions": ["How?"]}
        # Whoever decides by the old card decides about words that are no longer there.
        assert not await articles.move(tx, made, ArticleMove.PUBLISH, jun.actor, person=jun)
        new = Words(body="One more line.")
        assert await articles.edit(tx, now, new, WATCHSTANDER, kind="related", same_meaning=True)
        again = await articles.must(tx, made.id)
        assert (again.version, again.changed_at) == (3, now.changed_at)
        rows = [row.record async for row in audit_read.walk(tx)]
    assert "Reset the VPN" not in str(rows[1].detail), "old words are kept once, not in the audit"


async def test_every_change_moves_the_marker_and_has_cards_drawn_anew(
    any_db: Database, jun: Person
) -> None:
    async with any_db.write() as tx:
        room = await rooms.seen(tx, "web", "", "ops", "", "en")
        before = await articles.marker(tx)
        made = await make(tx)
        await place(tx, made.subject, room.id)
        assert await articles.marker(tx) != before
        (parcel,) = await outbox.waiting(tx, 10, personal=False)
        await outbox.sent(tx, parcel.id, 1)
    async with any_db.write() as tx:
        before = await articles.marker(tx)
        await articles.move(tx, made, ArticleMove.PUBLISH, jun.actor, person=jun)
        assert await articles.marker(tx) != before
        (parcel,) = await outbox.waiting(tx, 10, personal=False)
        assert parcel.subject == made.subject
        assert await articles.published(tx) == {made.id: 1}
        assert [each.id for each in await articles.some(tx, [made.id, 99])] == [made.id]


async def test_drafts_that_nobody_asked_about(any_db: Database, jun: Person) -> None:
    async with any_db.write() as tx:
        bare = await make(tx, "Bare")
        await make(tx, "Asked", questions=("How?",))
        edited = await make(tx, "Emptied by a person")
        await articles.edit(tx, edited, Words(questions=()), jun.actor, person=jun)
        gone = await make(tx, "Published")
        await articles.move(tx, gone, ArticleMove.PUBLISH, WATCHSTANDER)
        assert [each.id for each in await articles.unasked(tx, 10)] == [bare.id]
        counts = await articles.counts(tx)
    assert counts[ArticleState.DRAFT] == 3 and counts[ArticleState.PUBLISHED] == 1


async def attempt(tx: Transaction, symptom: str, playbook: str, action_type: str) -> Attempt:
    incident = await incidents.create(
        tx,
        source="probe",
        severity="P2",
        summary="It is away",
        asset="PAY-WAS-01",
        actor=WATCHSTANDER,
        symptom=symptom,
    )
    return await attempts.begin(
        tx,
        incident,
        playbook=playbook,
        playbook_digest="0" * 64,
        action_type=action_type,
        targets=["PAY-WAS-01"],
    )


async def test_the_article_of_earlier_repairs_is_found(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        first = await attempt(tx, "a" * 16, "restart", "server_restart")
        other = await attempt(tx, "b" * 16, "restart", "server_restart")
        book = await make(
            tx, kind=Kind.RUNBOOK, origin=f"attempt:{first.id}", symptom=first.symptom
        )
        await make(tx, kind=Kind.RUNBOOK, origin=f"attempt:{other.id}", symptom=other.symptom)

        async def found(symptom: str, playbook: str, action: str = "") -> Article | None:
            return await runbooks.of_repairs(
                tx, Kind.RUNBOOK, symptom, playbook=playbook, action_type=action
            )

        assert await found("a" * 16, "restart") == book
        assert await found("a" * 16, "", "server_restart") == book
        assert await found("a" * 16, "another") is None
        assert await found("c" * 16, "restart") is None
        await articles.move(tx, book, ArticleMove.PUBLISH, WATCHSTANDER)
        book = await articles.must(tx, book.id)
        assert await articles.about(tx, "a" * 16, ArticleState.PUBLISHED) == [book]
        assert await articles.about(tx, "", ArticleState.PUBLISHED) == []
        assert await runbooks.came_back(tx, book) == 0
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        await attempt(tx, "a" * 16, "restart", "server_restart")
        assert await runbooks.came_back(tx, book) == 1
        await articles.move(tx, book, ArticleMove.RETIRE, WATCHSTANDER)
        assert (
            await runbooks.of_repairs(
                tx, Kind.RUNBOOK, "a" * 16, playbook="restart", action_type=""
            )
            is None
        )
