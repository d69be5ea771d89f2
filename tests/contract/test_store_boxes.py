"""What came in and what goes out, on both databases."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from storage import inbox, outbox, rooms
from storage.database import Database
from storage.outbox import Parcel
from storage.tables import outbox as outbox_table
from tests.conftest import FakeClock


async def room(db: Database, address: str = "ops") -> int:
    async with db.write() as tx:
        return (await rooms.seen(tx, "web", "", address, "", "en")).id


async def parcels(db: Database, *, personal: bool = False, but_not: tuple[int, ...] = ()) -> list:  # type: ignore[type-arg]
    async with db.read() as tx:
        found: list[Parcel] = await outbox.waiting(tx, 100, but_not, personal=personal)
    return found


async def test_of_two_who_keep_the_same_delivery_one_does(any_db: Database) -> None:
    async def keep() -> int | None:
        async with any_db.write() as tx:
            return await inbox.keep(tx, "slack", "Ev1", {"text": "재기동"}, "C1")

    rows = await asyncio.gather(*(keep() for _ in range(8)))
    assert sum(row is not None for row in rows) == 1
    async with any_db.read() as tx:
        (delivery,) = await inbox.waiting(tx, 10)
    assert (delivery.source, delivery.lane, delivery.body) == ("slack", "C1", {"text": "재기동"})


async def test_the_same_id_from_another_source_is_another_delivery(any_db: Database) -> None:
    async with any_db.write() as tx:
        assert await inbox.keep(tx, "slack", "1", {}) is not None
        assert await inbox.keep(tx, "telegram", "1", {}) is not None
        assert await inbox.keep(tx, "slack", "1", {}) is None
        assert await inbox.count_waiting(tx) == 2


async def test_a_handled_delivery_stays_known_for_good(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        row = await inbox.keep(tx, "slack", "1", {})
        assert row is not None
        assert await inbox.done(tx, row)
        assert not await inbox.done(tx, row)
    clock.forward(minutes=25 * 60)
    async with any_db.write() as tx:
        assert await inbox.keep(tx, "slack", "1", {}) is None
        assert await inbox.waiting(tx, 10) == []


async def test_of_two_who_end_a_delivery_one_does(any_db: Database) -> None:
    async with any_db.write() as tx:
        row = await inbox.keep(tx, "slack", "1", {})
    assert row is not None

    async def end() -> bool:
        async with any_db.write() as tx:
            return await inbox.done(tx, row)

    assert sorted(await asyncio.gather(end(), end(), end())) == [False, False, True]


async def test_a_postponed_delivery_comes_back_when_it_is_due(
    any_db: Database, clock: FakeClock
) -> None:
    async with any_db.write() as tx:
        first = await inbox.keep(tx, "slack", "1", {})
        second = await inbox.keep(tx, "slack", "2", {})
        assert first and second
        await inbox.postpone(tx, first, "busy", 2000)
        assert [d.id for d in await inbox.waiting(tx, 10)] == [second]
        assert await inbox.count_waiting(tx) == 2
    clock.forward(seconds=2)
    async with any_db.write() as tx:
        found = await inbox.waiting(tx, 10)
        assert [(d.id, d.attempts) for d in found] == [(first, 1), (second, 0)]
        assert [d.id for d in await inbox.waiting(tx, 10, after=first)] == [second]
        assert [d.id for d in await inbox.waiting(tx, 1)] == [first]
        await inbox.fail(tx, first, "poison")
        assert not await inbox.done(tx, first)
        await inbox.postpone(tx, first, "no", 0)
        assert [d.id for d in await inbox.waiting(tx, 10)] == [second]


async def test_deliveries_are_taken_by_source(any_db: Database, clock: FakeClock) -> None:
    async with any_db.write() as tx:
        chat = await inbox.keep(tx, "slack", "1", {})
        first = await inbox.keep(tx, "reports", "1", {})
        second = await inbox.keep(tx, "reports", "2", {})

        async def ids(**which: str) -> list[int]:
            return [delivery.id for delivery in await inbox.waiting(tx, 10, **which)]

        assert await ids() == [chat, first, second]
        assert await ids(source="reports") == [first, second]
        assert await ids(but_not="reports") == [chat]
        assert await inbox.received_at(tx, "reports", "1") == clock.now
        assert await inbox.received_at(tx, "reports", "3") is None
        assert await inbox.received_at(tx, "telegram", "1") is None


async def test_ten_changes_are_one_waiting_card(any_db: Database) -> None:
    where = await room(any_db)

    async def change() -> None:
        async with any_db.write() as tx:
            await outbox.show_card(tx, where, "action:1")

    await asyncio.gather(*(change() for _ in range(10)))
    (parcel,) = await parcels(any_db)
    assert (parcel.room_id, parcel.kind, parcel.subject) == (where, "card", "action:1")
    async with any_db.write() as tx:
        assert await outbox.begin_try(tx, parcel.id) == 10


async def test_a_change_during_a_send_is_sent_too(any_db: Database) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:
        await outbox.show_card(tx, where, "action:1")
    (parcel,) = await parcels(any_db)
    async with any_db.write() as tx:
        version = await outbox.begin_try(tx, parcel.id)
    async with any_db.write() as tx:
        await outbox.show_card(tx, where, "action:1")
    assert version is not None
    async with any_db.listen("outbox") as news:
        async with any_db.write() as tx:
            assert not await outbox.sent(tx, parcel.id, version)
        assert news.is_set()
    (again,) = await parcels(any_db)
    assert (again.id, again.attempts) == (parcel.id, 1)
    async with any_db.write() as tx:
        assert await outbox.begin_try(tx, parcel.id) == 2
        assert await outbox.sent(tx, parcel.id, 2)
        assert await outbox.begin_try(tx, parcel.id) is None
        assert await outbox.count_waiting(tx) == 0
        await outbox.show_card(tx, where, "action:1")  # a later change is a new parcel
    assert [p.attempts for p in await parcels(any_db)] == [0]


async def test_a_change_that_meets_the_end_of_a_send_is_never_lost(any_db: Database) -> None:
    """Whichever commits first: afterwards it is sent as of this change, or it waits."""
    where = await room(any_db)
    for _ in range(10):
        async with any_db.write() as tx:
            await outbox.show_card(tx, where, "action:1")
        (parcel,) = await parcels(any_db)
        async with any_db.write() as tx:
            version = await outbox.begin_try(tx, parcel.id)
        assert version is not None

        async def finish(parcel: Parcel = parcel, version: int = version) -> None:
            async with any_db.write() as tx:
                await outbox.sent(tx, parcel.id, version)

        async def change() -> None:
            async with any_db.write() as tx:
                await outbox.show_card(tx, where, "action:1")

        await asyncio.gather(finish(), change())
        (left,) = await parcels(any_db)
        async with any_db.write() as tx:
            version = await outbox.begin_try(tx, left.id)
            assert version is not None and await outbox.sent(tx, left.id, version)


async def test_a_room_with_a_postponed_parcel_gives_none_until_it_is_due(
    any_db: Database, clock: FakeClock
) -> None:
    one, two = await room(any_db), await room(any_db, "other")
    async with any_db.write() as tx:
        first = await outbox.say(tx, one, {"text": "a"})
        second = await outbox.say(tx, one, {"text": "b"})
        third = await outbox.say(tx, two, {"text": "c"})
        whisper = await outbox.whisper(tx, one, {"text": "d", "user": "U1"})
        await outbox.postpone(tx, first, "429", 1000)
    assert [p.id for p in await parcels(any_db)] == [third]
    assert [p.id for p in await parcels(any_db, personal=True)] == [whisper]
    assert await parcels(any_db, but_not=(two,)) == []
    clock.forward(seconds=1)
    assert [p.id for p in await parcels(any_db)] == [first, second, third]
    assert [p.id for p in await parcels(any_db, but_not=(one,))] == [third]


async def test_a_postponed_whisper_holds_nobody_else(any_db: Database, clock: FakeClock) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:
        first = await outbox.whisper(tx, where, {"user": "U1"})
        second = await outbox.ask_reason(tx, where, {"user": "U2"})
        said = await outbox.say(tx, where, {"text": "x"})
        await outbox.postpone(tx, first, "later", 60_000)
    assert [p.id for p in await parcels(any_db, personal=True)] == [second]
    assert [p.id for p in await parcels(any_db)] == [said]
    clock.forward(minutes=1)
    assert [p.id for p in await parcels(any_db, personal=True)] == [first, second]


async def test_what_was_given_up_is_counted_and_left_alone(any_db: Database) -> None:
    where = await room(any_db)
    async with any_db.write() as tx:
        row = await outbox.say(tx, where, {"text": "한국어 ✓"})
        assert await outbox.undelivered(tx) == 0
        await outbox.give_up(tx, row, "room gone")
        assert (await outbox.undelivered(tx), await outbox.count_waiting(tx)) == (1, 0)
        assert await outbox.begin_try(tx, row) is None
        assert not await outbox.sent(tx, row, 1)
        await outbox.postpone(tx, row, "x", 0)
        found = await tx.one(sa.select(outbox_table).where(outbox_table.c.id == row))
    assert found is not None and (found.state, found.error) == ("GAVE_UP", "room gone")
    assert "한국어" in found.body
