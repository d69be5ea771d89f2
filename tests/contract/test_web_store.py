"""The history and the secrets of the web room, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio

from storage import messages, people, rooms, tokens
from storage.database import Database
from storage.messages import Message, SenderType
from storage.people import Listing, Role
from storage.rooms import RoomListing
from storage.tokens import Verdict


async def place(db: Database) -> int:
    async with db.write() as tx:
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
        room = await rooms.find(tx, "web", "", "ops")
    assert room is not None
    return room.id


async def add(
    db: Database, room: int, text: str, dedupe: str | None = None, to: int | None = None
) -> Message:
    body = {"msg_type": "CHAT", "content": text}
    async with db.write() as tx:
        added = await messages.add(
            tx, room, "Min", SenderType.HUMAN, body, to_person=to, dedupe=dedupe
        )
    return added.message


async def test_the_same_message_added_by_many_at_once_is_one(any_db: Database) -> None:
    room = await place(any_db)
    same = [add(any_db, room, "hello", "outbox:1") for _ in range(10)]
    other = [add(any_db, room, f"line {number}") for number in range(10)]
    added = await asyncio.gather(*same, *other)
    assert len({message.key for message in added[:10]}) == 1
    assert len({message.key for message in added}) == 11
    async with any_db.read() as tx:
        assert len(await messages.since(tx, room, 0, 100)) == 11


async def test_a_room_is_read_on_from_a_message_by_who_may_see_it(any_db: Database) -> None:
    room = await place(any_db)
    first = await add(any_db, room, "1")
    await add(any_db, room, "for 7", to=7)
    await add(any_db, room, "2")
    last = await add(any_db, room, "3")
    async with any_db.read() as tx:
        everything = await messages.since(tx, room, first.id, 100)
        for_seven = await messages.since(tx, room, first.id, 2, 7)
        for_eight = await messages.latest(tx, room, 2, 8, last.id)
    assert [m.body["content"] for m in everything] == ["for 7", "2", "3"]
    assert [m.body["content"] for m in for_seven] == ["for 7", "2"]
    assert [m.body["content"] for m in for_eight] == ["1", "2"]


async def test_a_message_is_rewritten_in_place_or_taken_back(any_db: Database) -> None:
    room = await place(any_db)
    message = await add(any_db, room, "beföre 전 前")
    body = {"msg_type": "CHAT", "content": "åfter 후 後"}
    async with any_db.write() as tx:
        changed = await messages.change(tx, message.key, body)
        assert await messages.change(tx, "MSG-20260101-0001", body) is None
    assert changed is not None
    assert (changed.id, changed.body) == (message.id, body)
    async with any_db.write() as tx:
        await messages.withdraw(tx, message.key)
        assert await messages.by_key(tx, message.key) is None


async def test_a_single_use_link_opened_by_many_at_once_lets_one_in(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [Listing("Min", Role.REQUESTER, "ko")])
        person = await people.by_name(tx, "Min")
        assert person is not None
        link = await tokens.create(tx, person.id, "signin", 60_000, single_use=True)

    async def open_link() -> Verdict:
        async with any_db.write() as tx:
            return (await tokens.redeem(tx, link)).verdict

    verdicts = await asyncio.gather(*(open_link() for _ in range(10)))
    assert sorted(verdicts) == [Verdict.USED] * 9 + [Verdict.VALID]
