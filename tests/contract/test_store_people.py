"""Who may do what and where, as the configuration lists it, on both databases."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from storage import people, rooms, tokens
from storage.database import Database
from storage.people import Account, Listing, Role
from storage.rooms import RoomListing

SLACK = Account("slack", "T1", "U1")
MIN = Listing("min", Role.REQUESTER, "ko", ("linux",), accounts=(SLACK,))
ANA = Listing("ana", Role.ADMIN, "en", on_call=True, accounts=(Account("telegram", "", "333"),))


async def test_everybody_is_found_by_account_name_and_id(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN, ANA])
        one, two = await people.everyone(tx)
        assert (one.name, one.role, one.skills, one.on_call) == (
            "min", Role.REQUESTER, ("linux",), False,
        )  # fmt: skip
        assert (two.on_call, two.actor) == (True, "person:ana")
        assert await people.by_account(tx, SLACK) == one
        assert await people.by_name(tx, "ana") == two
        assert await people.by_id(tx, one.id) == one
        assert await people.accounts(tx, one.id, "slack") == [SLACK]
        assert await people.accounts(tx, one.id, "telegram") == []


@pytest.mark.parametrize(
    "account",
    [
        Account("slack", "T2", "U1"),
        Account("slack", "", "U1"),
        Account("slack", "T1", "u1"),
        Account("slack", "T1", "U1 "),
        Account("telegram", "T1", "U1"),
        Account("slack", "T1", "min"),
    ],
)
async def test_nearly_the_same_account_is_nobodys(any_db: Database, account: Account) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN])
        assert await people.by_account(tx, account) is None


async def test_who_left_the_list_loses_every_right_at_once(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN, ANA])
        ana = await people.by_name(tx, "ana")
        assert ana is not None
        token = await tokens.create(tx, ana.id, "api", None)
        assert await tokens.resolve(tx, token, "api") == ana
        await people.sync(tx, [MIN])
        assert await people.by_name(tx, "ana") is None
        assert await people.by_id(tx, ana.id) is None
        assert await people.by_account(tx, ANA.accounts[0]) is None
        assert await people.accounts(tx, ana.id, "telegram") == []
        assert await rooms.direct(tx, ana.id) == []
        assert await tokens.resolve(tx, token, "api") is None
        assert [p.name for p in await people.everyone(tx)] == ["min"]
        # The past keeps its names.
        assert await people.name_of(tx, ana.id) == "ana"
        assert await people.name_of(tx, None) == ""
        assert await people.name_of(tx, 999) == "#999"


async def test_who_comes_back_is_the_same_person_with_the_rights_of_now(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN, ANA])
        before = await people.by_name(tx, "ana")
        await people.sync(tx, [MIN])
        await people.sync(tx, [Listing("ana", Role.REQUESTER, "zh-TW"), MIN])
        after = await people.by_name(tx, "ana")
        assert before is not None and after is not None
        assert (after.id, after.role, after.language) == (before.id, Role.REQUESTER, "zh-TW")
        assert not after.on_call
        assert [p.name for p in await people.everyone(tx)] == ["min", "ana"]  # oldest first


async def test_an_account_that_moves_to_another_person_goes_with_its_rights(
    any_db: Database,
) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN, ANA])
        await people.sync(
            tx,
            [
                Listing("min", Role.REQUESTER, "ko", accounts=(Account("slack", "T1", "U9"),)),
                Listing("ana", Role.ADMIN, "en", accounts=(SLACK,)),
            ],
        )
        owner = await people.by_account(tx, SLACK)
        assert owner is not None and owner.name == "ana"
        assert await people.by_account(tx, ANA.accounts[0]) is None


async def test_a_list_that_cannot_be_stored_changes_nothing(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN])
    with pytest.raises(sa.exc.IntegrityError):
        async with any_db.write() as tx:
            await people.sync(tx, [ANA, Listing("x", Role.ADMIN, "en", accounts=ANA.accounts)])
    async with any_db.read() as tx:
        assert [p.name for p in await people.everyone(tx)] == ["min"]
        assert await people.by_account(tx, SLACK) is not None


async def test_the_list_is_never_seen_half_written(any_db: Database) -> None:
    async with any_db.write() as tx:
        await people.sync(tx, [MIN, ANA])
    async with any_db.write() as tx:
        await people.sync(tx, [MIN, ANA])
        async with any_db.read() as other:
            assert len(await people.everyone(other)) == 2
            assert await people.by_account(other, SLACK) is not None


async def test_a_room_that_is_only_seen_has_no_rights(any_db: Database) -> None:
    async def see() -> rooms.Room:
        async with any_db.write() as tx:
            return await rooms.seen(tx, "slack", "T1", "C1", "ops", "ko")

    found = await asyncio.gather(*(see() for _ in range(6)))
    assert len(set(found)) == 1
    room = found[0]
    assert (room.listed, room.cards, room.approvals, room.language) == (False, False, False, "ko")
    async with any_db.read() as tx:
        assert await rooms.by_id(tx, room.id) == room
        assert await rooms.find(tx, "slack", "T2", "C1") is None
        assert await rooms.with_cards(tx) == []


async def test_listed_rooms_get_what_the_list_says_and_unlisted_ones_lose_it(
    any_db: Database,
) -> None:
    async with any_db.write() as tx:
        seen = await rooms.seen(tx, "slack", "T1", "C1", "", "en")
        await rooms.sync(
            tx,
            [
                RoomListing("slack", "T1", "C1", "ops", "ko"),
                RoomListing("web", "", "approvals", cards=False, approvals=True),
            ],
        )
        (room,) = await rooms.with_cards(tx)
        assert (room.id, room.language, room.listed) == (seen.id, "ko", True)
        (desk,) = await rooms.for_approvals(tx)
        assert (desk.address, desk.cards) == ("approvals", False)
        await rooms.sync(tx, [])
        assert await rooms.with_cards(tx) == [] == await rooms.for_approvals(tx)
        after = await rooms.by_id(tx, seen.id)
        assert after is not None and not after.listed


async def test_a_moved_room_keeps_its_row_and_rights(any_db: Database) -> None:
    async with any_db.write() as tx:
        await rooms.sync(tx, [RoomListing("telegram", "", "-1")])
        old = await rooms.find(tx, "telegram", "", "-1")
        assert old is not None
        await rooms.move(tx, old.id, "-1001")
        assert await rooms.find(tx, "telegram", "", "-1") is None
        new = await rooms.find(tx, "telegram", "", "-1001")
        assert new is not None and (new.id, new.listed, new.cards) == (old.id, True, True)
        await rooms.move(tx, 999, "-5")  # nothing to move
        assert await rooms.find(tx, "telegram", "", "-5") is None


async def test_a_moved_room_whose_new_id_was_seen_first_takes_its_place(any_db: Database) -> None:
    async with any_db.write() as tx:
        await rooms.sync(tx, [RoomListing("telegram", "", "-1")])
        stray = await rooms.seen(tx, "telegram", "", "-1001", "", "en")
        old = await rooms.find(tx, "telegram", "", "-1")
        assert old is not None
        await rooms.move(tx, old.id, "-1001")
        found = await rooms.find(tx, "telegram", "", "-1001")
        assert found is not None and found.id == old.id
        aside = await rooms.by_id(tx, stray.id)
        assert aside is not None and aside.address != "-1001" and not aside.listed
        await rooms.move(tx, old.id, "-1001")  # told twice: nothing more happens
        again = await rooms.find(tx, "telegram", "", "-1001")
        assert again is not None and again.id == old.id


async def test_direct_rooms_are_those_where_the_account_is_the_address(any_db: Database) -> None:
    listing = Listing(
        "ana", Role.ADMIN, "ko",
        accounts=(SLACK, Account("telegram", "", "333"), Account("messenger", "m", "x")),
    )  # fmt: skip
    async with any_db.write() as tx:
        await people.sync(tx, [listing])
        (ana,) = await people.everyone(tx)
        found = await rooms.direct(tx, ana.id)
        assert sorted((r.platform, r.tenant, r.address) for r in found) == [
            ("slack", "T1", "U1"),
            ("telegram", "", "333"),
        ]
        assert await rooms.direct(tx, ana.id) == found
