"""Card copies and button tokens, on both databases."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from storage import buttons, cards, outbox, rooms
from storage.database import Database
from storage.tables import cards as table
from tests.conftest import FakeClock

HOUR = 3_600_000


async def room(db: Database, address: str = "ops") -> int:
    async with db.write() as tx:
        return (await rooms.seen(tx, "web", "", address, "", "en")).id


async def test_of_many_who_place_a_card_all_succeed_and_one_copy_is_there(
    any_db: Database,
) -> None:
    where = await room(any_db)

    async def place() -> None:
        async with any_db.write() as tx:
            await cards.place(tx, "action:1", where)

    await asyncio.gather(*(place() for _ in range(8)))
    async with any_db.read() as tx:
        assert len(await tx.all(sa.select(table))) == 1
        assert len(await outbox.waiting(tx, 10, personal=False)) == 1


async def test_a_copy_remembers_its_message_and_what_it_shows(any_db: Database) -> None:
    one, two = await room(any_db), await room(any_db, "other")
    async with any_db.write() as tx:
        assert await cards.copy_in(tx, "action:1", one) is None
        await cards.place(tx, "action:1", one)
        await cards.place(tx, "action:1", two)
        copy = await cards.copy_in(tx, "action:1", one)
        assert copy is not None and (copy.message, copy.shown) == (None, None)
        await cards.posted(tx, copy.id, "171.001", "hash")
        again = await cards.by_id(tx, copy.id)
        assert again is not None and (again.message, again.shown) == ("171.001", "hash")
        await cards.place(tx, "action:1", one)  # shown once more: the same copy
        assert await cards.copy_in(tx, "action:1", one) == again
        assert await cards.by_id(tx, 999) is None


async def test_a_move_refreshes_every_room_that_shows_the_card_and_no_other(
    any_db: Database,
) -> None:
    one, two, three = [await room(any_db, name) for name in "abc"]
    async with any_db.write() as tx:
        for where, subject in ((one, "action:1"), (two, "action:1"), (three, "action:2")):
            await cards.place(tx, subject, where)
        for parcel in await outbox.waiting(tx, 10, personal=False):
            await outbox.sent(tx, parcel.id, 1)
        await cards.refresh(tx, "action:1")
        found = await outbox.waiting(tx, 10, personal=False)
    assert [(p.room_id, p.subject) for p in found] == [(one, "action:1"), (two, "action:1")]


async def test_a_token_is_unguessable_short_and_stands_for_its_verb(
    any_db: Database, clock: FakeClock
) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:
        token = await buttons.issue(tx, where, "drop", {"사유": "x"}, lifetime_ms=HOUR, person_id=7)
        other = await buttons.issue(tx, where, "drop", {"사유": "x"}, lifetime_ms=HOUR, person_id=7)
        found = await buttons.find(tx, token)
        assert await buttons.find(tx, token[:-1]) is None
        assert await buttons.find(tx, "") is None
    assert token != other
    assert token.isascii() and len(token) == 24
    assert found is not None
    assert (found.room_id, found.verb, found.payload) == (where, "drop", {"사유": "x"})
    assert (found.person_id, found.used_at) == (7, None)
    assert found.expires_at == clock.now + HOUR


async def test_a_cards_copy_keeps_its_tokens_over_edits(any_db: Database) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:
        await cards.place(tx, "action:1", where)
        copy = await cards.copy_in(tx, "action:1", where)
        assert copy is not None

        async def issue(verb: str, digest: str) -> str:
            return await buttons.issue(
                tx, where, verb, {"digest": digest}, lifetime_ms=HOUR, card_id=copy.id
            )

        first = await issue("approve", "d1")
        assert await issue("approve", "d1") == first
        assert await issue("reject", "d1") != first
        assert await issue("approve", "d2") != first


async def test_of_two_presses_of_a_one_time_button_one_counts(any_db: Database) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:
        token = await buttons.issue(tx, where, "choose", {}, lifetime_ms=HOUR)
        found = await buttons.find(tx, token)
    assert found is not None

    async def press() -> bool:
        async with any_db.write() as tx:
            return await buttons.use(tx, found.id)

    assert sorted(await asyncio.gather(press(), press(), press())) == [False, False, True]


async def test_one_answer_uses_up_the_others_to_the_same_question(any_db: Database) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:

        async def issue(question: int | None) -> int:
            token = await buttons.issue(
                tx, where, "choose", {}, lifetime_ms=HOUR, question=question
            )
            found = await buttons.find(tx, token)
            assert found is not None
            return found.id

        yes, no, another, free = await issue(1), await issue(1), await issue(2), await issue(None)
        assert await buttons.use(tx, yes)
        assert not await buttons.use(tx, no)
        assert await buttons.use(tx, another)
        assert await buttons.use(tx, free)
