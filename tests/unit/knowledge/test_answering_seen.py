"""An answer that nobody could see completes nothing, and no question is passed over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from engine.knowledge.knowledge import Knowledge
from storage import answers, articles, cards, outbox, requests, rooms
from storage.articles import WATCHSTANDER, Kind
from storage.lifecycle import RequestState
from storage.requests import Request
from storage.tables import outbox as outbox_table
from tests.conftest import FakeClock
from tests.unit.knowledge.shelves import PRINTER, VPN, Shelves
from tests.unit.knowledge.test_answering import INQUIRY, SURE, UNSURE, answer_to, ask, now


@pytest.fixture
async def knowledge(shelves: Shelves) -> AsyncIterator[Knowledge]:
    found = Knowledge(shelves.db, desk=shelves.desk)
    await shelves.published(*PRINTER)
    await shelves.published(*VPN, questions=(SURE,))
    yield found
    await found.stop()


async def by_rest(shelves: Shelves) -> Request:
    """A request that was made in no room."""
    async with shelves.db.write() as tx:
        return await shelves.desk.create(tx, shelves.people["min"], SURE, suggestion=INQUIRY)


async def deliver(shelves: Shelves, subject: str, *, well: bool) -> None:
    """What becomes of the card in its one room."""
    async with shelves.db.write() as tx:
        (parcel,) = await outbox.waiting(tx, 10, personal=False)
        assert parcel.subject == subject
        version = await outbox.begin_try(tx, parcel.id)
        assert version is not None
        if well:
            copy = await cards.copy_in(tx, subject, parcel.room_id)
            assert copy is not None
            await cards.posted(tx, copy.id, "message-1", "x")
            await outbox.sent(tx, parcel.id, version)
        else:
            await outbox.give_up(tx, parcel.id, "the bot was removed from the room")


async def test_who_asked_in_no_room_is_answered_where_cards_are_shown(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    request = await by_rest(shelves)
    assert await knowledge.answer() == 1
    given = await answer_to(shelves, request)
    async with shelves.db.read() as tx:
        assert await cards.copy_in(tx, given.subject, shelves.room) is not None


async def test_what_nobody_would_see_is_left_to_a_person(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    async with shelves.db.write() as tx:
        await rooms.sync(tx, [])
    request = await by_rest(shelves)
    assert await knowledge.answer() == 0
    waiting, story = await now(shelves, request)
    assert waiting.live and story[-1].kind == "nearest"


async def test_an_answer_that_was_not_delivered_opens_the_request_again(
    shelves: Shelves, knowledge: Knowledge, clock: FakeClock
) -> None:
    request = await ask(shelves, SURE)
    assert await knowledge.answer() == 1
    given = await answer_to(shelves, request)
    assert await knowledge.answer() == 0
    assert (await now(shelves, request))[0].state is RequestState.DONE, "it is still on its way"
    await deliver(shelves, given.subject, well=False)
    assert await knowledge.answer() == 0
    again, story = await now(shelves, request)
    assert (again.state, again.priority) == (RequestState.OPEN, "LOW") and again.due_at
    assert (story[-1].kind, story[-1].who) == ("reopen", "")
    assert story[-1].detail == {"why": "unseen"}
    clock.forward(minutes=1)
    async with shelves.db.write() as tx:
        await shelves.desk.close(tx, shelves.people["jun"], request.key, "told by telephone")
    await knowledge.answer()
    assert (await now(shelves, request))[0].state is RequestState.DONE, "a person closed it"


async def test_an_answer_that_arrived_stands_whatever_becomes_of_a_later_edit(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    request = await ask(shelves, SURE)
    await knowledge.answer()
    given = await answer_to(shelves, request)
    await deliver(shelves, given.subject, well=True)
    async with shelves.db.write() as tx:
        await cards.refresh(tx, given.subject)
        await tx.change(outbox_table.update().values(state="GAVE_UP"))
    await knowledge.answer()
    assert (await now(shelves, request))[0].state is RequestState.DONE


async def test_what_becomes_a_question_later_is_not_passed_over(
    shelves: Shelves, knowledge: Knowledge
) -> None:
    async with shelves.db.write() as tx:
        early = await shelves.desk.create(
            tx, shelves.people["min"], SURE, suggestion=None, room_id=shelves.room
        )
        await requests.edit(
            tx,
            early,
            "type",
            actor=WATCHSTANDER,
            person_id=None,
            detail={},
            type="OTHER",
        )
    late = await ask(shelves, UNSURE)
    assert await knowledge.answer() == 0
    assert [event.kind for event in (await now(shelves, late))[1]] == ["create", "nearest"]
    async with shelves.db.write() as tx:
        await requests.edit(
            tx,
            early,
            "type",
            actor=WATCHSTANDER,
            person_id=None,
            detail={},
            type="INQUIRY",
        )
    assert await knowledge.answer() == 1
    assert (await now(shelves, early))[0].state is RequestState.DONE


async def test_a_draft_makes_nobody_ask_again(shelves: Shelves, knowledge: Knowledge) -> None:
    await ask(shelves, UNSURE)
    await knowledge.answer()
    version = knowledge.library.version
    async with shelves.db.write() as tx:
        await articles.create(
            tx, kind=Kind.ARTICLE, title="New", body="New.", language="en", actor=WATCHSTANDER
        )
    assert await knowledge.library.refresh(), "the rows have changed"
    assert knowledge.library.version == version, "what is said has not"
    await shelves.published("Canteen", "It is closed on Sundays.")
    assert await knowledge.library.refresh() and knowledge.library.version == version + 1


async def test_a_request_that_was_taken_meanwhile_is_not_completed(shelves: Shelves) -> None:
    """As on PostgreSQL, where what was read may have been changed by another since."""
    vpn = await shelves.published(*VPN)
    request = await ask(shelves, SURE)
    async with shelves.db.write() as tx:
        jun = shelves.people["jun"]
        await shelves.desk.assign(tx, jun, request.key, "jun")
        new = answers.NewAnswer(vpn.id, vpn.version, vpn.key, vpn.title, SURE, "…", 0.9, {})
        assert await answers.give(tx, request, new) is None
    assert (await now(shelves, request))[0].state is RequestState.ASSIGNED
