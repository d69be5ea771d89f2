"""A small desk: two requesters, three engineers with skills, an admin, a program."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.requests.desk import Desk
from storage import people, rooms
from storage.database import Database
from storage.people import Listing, Person, Role
from storage.requests import Request
from storage.rooms import RoomListing


@dataclass
class Office:
    """The people by name, and the desk they work at."""

    db: Database
    desk: Desk
    min: Person  #: REQUESTER
    kim: Person  #: REQUESTER
    jun: Person  #: ENGINEER, RESTART and LOG
    lin: Person  #: ENGINEER, RESTART, on call
    wu: Person  #: ENGINEER, no skills
    ana: Person  #: ADMIN
    robot: Person  #: AGENT

    async def new(self, title: str = "Please look at the printer", body: str = "") -> Request:
        async with self.db.write() as tx:
            return await self.desk.create(tx, self.min, title, body)

    async def now(self, request: Request) -> Request:
        async with self.db.read() as tx:
            return await self.desk.find(tx, request.key)

    async def kinds(self, request: Request) -> list[str]:
        """The kinds of events in the timeline, oldest first."""
        async with self.db.read() as tx:
            return [event.kind for event in await self.desk.timeline(tx, request)]


LISTINGS = [
    Listing("min", Role.REQUESTER, "ko"),
    Listing("kim", Role.REQUESTER, "ko"),
    Listing("jun", Role.ENGINEER, "en", ("restart", "LOG")),
    Listing("lin", Role.ENGINEER, "zh-TW", ("RESTART",), on_call=True),
    Listing("wu", Role.ENGINEER, "zh-TW"),
    Listing("ana", Role.ADMIN, "en"),
    Listing("robot", Role.AGENT, "en"),
]


@pytest.fixture
async def office(db: Database) -> Office:
    async with db.write() as tx:
        await people.sync(tx, LISTINGS)
        await rooms.sync(
            tx,
            [
                RoomListing("web", "", "ops"),
                RoomListing("web", "", "approvals", cards=False, approvals=True),
            ],
        )
        everyone = {person.name: person for person in await people.everyone(tx)}
    return Office(db, Desk(), **everyone)
