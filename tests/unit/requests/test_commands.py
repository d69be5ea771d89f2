"""/sr and /bulk as people call them: what they hear, and what stands in the tables after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.errors import GiveUp, Why
from handlers import replies
from handlers.card import Card
from handlers.commands import bulk, sr
from handlers.commands.call import Call, Command
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from handlers.services import Services
from prompts.texts import LANGUAGES, say
from storage import actions, rooms
from storage.database import Transaction
from storage.lifecycle import RequestState, State
from storage.people import Person
from storage.tables import outbox
from tests.unit.requests.conftest import Office
from tests.unit.requests.parts import build_services


class Room:
    """A room with people who type commands."""

    def __init__(self, office: Office, services: Services) -> None:
        self.office = office
        self._services = services
        self._count = 0

    async def hears(self, person: Person, line: str) -> Card:
        """What the person's command is answered with, in their language."""
        name, _, arguments = line.removeprefix("/").partition(" ")
        command: Command = {"sr": sr.COMMAND, "bulk": bulk.COMMAND}[name]
        self._count += 1
        async with self.office.db.write() as tx:
            await command.run(await self._call(tx, person, line, arguments.strip()))
            row = await tx.one(
                sa.select(outbox.c.body)
                .where(outbox.c.kind.in_(("say", "whisper")))
                .order_by(outbox.c.id.desc())
            )
        assert row is not None
        return replies.draw(json.loads(row.body), person.language, [])

    async def _call(self, tx: Transaction, person: Person, line: str, arguments: str) -> Call:
        where = RoomAddress("web", "", "ops")
        event = Event(EventKind.COMMAND, where, Speaker("web", "", person.name), line)
        room = await rooms.find(tx, "web", "", "ops")
        assert room is not None
        return Call(tx, self._services, person, room, event, f"inbox:{self._count}", arguments)

    async def refuses(self, person: Person, line: str) -> GiveUp:
        with pytest.raises(GiveUp) as refusal:
            await self.hears(person, line)
        for language in LANGUAGES:
            assert say(refusal.value.text, language)
        return refusal.value


@pytest.fixture
def room(office: Office, tmp_path: Path) -> Room:
    return Room(office, build_services(office.db, tmp_path))


async def test_a_request_from_asking_to_closing(room: Room) -> None:
    office = room.office
    created = await room.hears(office.min, "/sr new WAS 재기동 부탁드립니다 | 09시부터 느립니다")
    assert "SR-20261120-0001" in created.title
    assert "RESTART" in " ".join(field.value for field in created.fields)
    listed = await room.hears(office.jun, "/sr list")
    assert "SR-20261120-0001 · new" in listed.text
    assert "lin" in (await room.hears(office.jun, "/sr assign 1 lin")).text
    await room.hears(office.kim, "/sr comment 20261120-0001 저도 그렇습니다\n두 번째 줄")
    shown = await room.hears(office.lin, "/sr show 1")
    assert "09시부터 느립니다" in shown.text
    assert "저도 그렇습니다\n두 번째 줄" in shown.text
    assert "SR-20261120-0001" in (await room.hears(office.lin, "/sr mine")).text
    assert "已結案" in (await room.hears(office.lin, "/sr close 1 已重新啟動")).text
    assert (await room.hears(office.lin, "/sr mine")).text == "沒有符合的請求。"
    assert "SR-20261120-0001" in (await room.hears(office.lin, "/sr list done")).text


async def test_the_title_ends_at_the_first_line(room: Room) -> None:
    await room.hears(room.office.min, "/sr new First line\nthe rest | with a bar")
    async with room.office.db.read() as tx:
        request = await room.office.desk.find(tx, "1")
    assert (request.title, request.body) == ("First line", "the rest | with a bar")


async def test_a_delivery_handled_twice_makes_one_request(room: Room) -> None:
    await room.hears(room.office.min, "/sr new Once")
    room._count -= 1
    await room.hears(room.office.min, "/sr new Once")
    async with room.office.db.read() as tx:
        assert len(await room.office.desk.listing(tx)) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/sr frobnicate 1", Why.INVALID),
        ("/sr new", Why.INVALID),
        ("/sr new | only a body", Why.INVALID),
        ("/sr new " + "x" * 100_000, Why.INVALID),
        ("/sr show", Why.INVALID),
        ("/sr show one", Why.INVALID),
        ("/sr show 99", Why.MISSING),
        ("/sr show 1 2", Why.INVALID),
        ("/sr assign 1", Why.INVALID),
        ("/sr comment 1", Why.INVALID),
        ("/sr list urgent", Why.INVALID),
        ("/sr mine too", Why.INVALID),
        ("/sr close ' OR 1=1 --", Why.INVALID),
        ("/sr assign 1 nobody", Why.INVALID),
        ("/bulk", Why.INVALID),
        ("/bulk drop 1", Why.INVALID),
        ("/bulk close 1 99", Why.MISSING),
    ],
)
async def test_bad_input_says_what_to_write_and_changes_nothing(
    room: Room, line: str, why: Why
) -> None:
    request = await room.office.new()
    assert (await room.refuses(room.office.jun, line)).why is why
    async with room.office.db.read() as tx:
        assert await room.office.desk.listing(tx, states=None) == [request]
        assert await actions.listing(tx) == []
        assert (await tx.one(sa.select(sa.func.count()).select_from(outbox)))[0] == 0  # type: ignore[index]


async def test_a_program_may_report_a_request_but_not_close_it(room: Room) -> None:
    await room.hears(room.office.robot, "/sr new Backup failed")
    await room.office.new()
    assert (await room.refuses(room.office.robot, "/sr close 2")).why is Why.FORBIDDEN


async def test_a_bulk_change_is_one_action_that_waits(room: Room) -> None:
    made = [await room.office.new(f"Request {number}") for number in range(3)]
    said = await room.hears(room.office.min, "/bulk close 1 2 3 : moved")
    assert "#1" in said.text
    async with room.office.db.read() as tx:
        (action,) = await actions.listing(tx)
        states = {r.state for r in await room.office.desk.listing(tx)}
    assert action.state is State.PENDING_APPROVAL
    assert action.targets == tuple(request.key for request in made)
    assert [step["argv"] for step in action.plan["steps"]] == [
        ["request", "close", request.key, "moved"] for request in made
    ]
    assert states == {RequestState.NEW}


async def test_every_bulk_operation_can_be_planned(room: Room) -> None:
    await room.office.new()
    for line in ("assign lin 1", "priority high 1", "comment 1 : 내일 점검", "close 1"):
        await room.hears(room.office.jun, f"/bulk {line}")
    async with room.office.db.read() as tx:
        assert len(await actions.listing(tx)) == 4
