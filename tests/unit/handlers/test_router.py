"""Where a delivery goes, who is turned away, and where errors end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from engine.errors import RetryLater
from engine.language.contract import Reading
from handlers.commands import freeze
from prompts.texts import say, text
from storage import inbox, people, rooms
from storage.lifecycle import State
from storage.tables import inbox as inbox_table
from storage.tables import outbox
from tests.unit.bot.conftest import until
from tests.unit.handlers.stage import LANGUAGE, LISTINGS, Stage

RUN = "/autoq run server_restart PAY-STG-01"


class SlowReader:
    """The reader with a gate before it: a model that thinks."""

    def __init__(self, real: object) -> None:
        self._real = real
        self.asked: list[str] = []
        self.free = asyncio.Event()

    async def read(self, said: str) -> Reading:
        self.asked.append(said)
        await self.free.wait()
        return await self._real.read(said)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def slow(stage: Stage) -> SlowReader:
    reader = SlowReader(stage.services.reader)
    stage.router._services = replace(stage.services, reader=reader)  # type: ignore[arg-type]
    return reader


async def test_a_stranger_hears_their_account_and_nothing_happens(stage: Stage) -> None:
    for kind, line in (("command", RUN), ("words", "restart pay-stg-01"), ("command", "/whoami")):
        card = await stage.whispered("mallory", kind, line)
        assert card.text == say(text("stranger", account="web:mallory"), "en")
    assert await stage.action_count() == 0


async def test_a_stranger_in_a_strange_room_hears_nothing(stage: Stage) -> None:
    assert await stage.does("mallory", "command", RUN, room="elsewhere") == []
    assert stage.platform.sent == []


async def test_a_known_person_in_an_unlisted_room_is_told_how_to_list_it(stage: Stage) -> None:
    for person in ("min", "jun", "ana"):
        card = await stage.whispered(person, "command", RUN, room="elsewhere")
        assert card.text == say(text("room_unlisted", room="web:elsewhere"), LANGUAGE[person])
    assert await stage.action_count() == 0


async def test_a_one_to_one_talk_needs_no_listing(stage: Stage) -> None:
    await stage.does("min", "command", RUN, room="dm-min", direct=True)
    action = await stage.action()
    async with stage.db.read() as tx:
        room = await rooms.find(tx, "web", "", "dm-min")
    assert room is not None and (action.room_id, room.language) == (room.id, "ko")


async def test_who_was_taken_off_the_list_is_a_stranger_at_the_next_word(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    async with stage.db.write() as tx:
        await people.sync(tx, [one for one in LISTINGS if one.name != "jun"])
    (card,) = await stage.does("jun", "command", "/approve 1")
    assert card.text == say(text("stranger", account="web:jun"), "en")
    assert (await stage.action()).state is State.PENDING_APPROVAL


async def test_an_agent_may_report_but_never_ask_or_decide(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    await stage.does("robot", "words", "restart pay-stg-01 now")
    token = stage.button(stage.card(1), "approve").token
    await stage.presses("robot", token)
    assert (await stage.action()).state is State.PENDING_APPROVAL
    assert await stage.action_count() == 1


@pytest.mark.parametrize("raw", [{"poison": True, "user": "min"}, {"user": "min"}])
async def test_what_cannot_be_read_is_put_aside_and_holds_nobody(
    stage: Stage, raw: dict[str, object]
) -> None:
    row = await stage.keep(raw)
    await stage.hears("ana", "command", "/unfreeze", "freeze_none")
    assert (await stage.inbox_row(row)).state == "DONE"


async def test_overheard_words_are_ignored_even_when_they_are_a_command(stage: Stage) -> None:
    for said in (RUN, "approve 1", "restart pay-was-01 now"):
        row = await stage.keep({"kind": "overheard", "user": "ana", "text": said})
        await stage.settled()
        assert (await stage.inbox_row(row)).state == "DONE"
    assert stage.platform.sent == [] and await stage.action_count() == 0


async def test_a_refusal_changes_nothing_but_ends_the_delivery(stage: Stage) -> None:
    row = await stage.keep({"kind": "command", "user": "min", "text": "/autoq run x y"})
    await stage.settled()
    assert (await stage.inbox_row(row)).state == "DONE"
    assert await stage.audited() == []
    assert [sent.kind for sent in stage.platform.sent] == ["whisper"]


def broken(error: Exception, times: int) -> Callable[[object], Awaitable[None]]:
    """A command's work that writes something and then fails so many times."""
    left = [times]
    real = freeze.run

    async def run(call: object) -> None:
        await real(call)  # type: ignore[arg-type]
        left[0] -= 1
        if left[0] >= 0:
            raise error

    return run


@pytest.fixture
def freeze_breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception, int], None]:
    def arrange(error: Exception, times: int) -> None:
        from handlers.commands import registry

        command = replace(freeze.COMMAND, run=broken(error, times))
        monkeypatch.setitem(registry.commands(), "freeze", command)

    return arrange


async def test_a_bug_is_tried_three_times_then_put_aside_with_an_apology(
    stage: Stage,
    freeze_breaks: Callable[[Exception, int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    freeze_breaks(ValueError("bug"), 3)
    row = await stage.keep({"kind": "command", "user": "jun", "text": "/freeze"})
    for attempt, delay in ((1, 2), (2, 4)):
        await stage.settled()
        found = await stage.inbox_row(row)
        assert (found.state, found.attempts) == ("NEW", attempt)
        assert found.not_before == stage.clock.now + delay * 1000
        assert stage.platform.sent == [] and await stage.audited() == []
        stage.clock.forward(seconds=delay)
        stage.db.announce({"inbox"})
    await stage.settled()
    found = await stage.inbox_row(row)
    assert (found.state, found.error) == ("FAILED", "ValueError: bug")
    (sent,) = stage.platform.sent
    assert sent.card.text == say(text("stumbled", id=row), "zh-TW")
    assert await stage.audited() == []
    assert len([r for r in caplog.records if "could not be handled" in r.message]) == 3


@pytest.mark.parametrize("error", [ValueError("once"), RetryLater("busy", 2.0)])
async def test_what_works_the_second_time_happens_once(
    stage: Stage, freeze_breaks: Callable[[Exception, int], None], error: Exception
) -> None:
    freeze_breaks(error, 1)
    row = await stage.keep({"kind": "command", "user": "jun", "text": "/freeze"})
    await stage.settled()
    assert (await stage.inbox_row(row)).state == "NEW"
    stage.clock.forward(seconds=2)
    stage.db.announce({"inbox"})
    await stage.settled()
    assert await stage.audited() == ["freeze.begin"]
    assert len(stage.platform.sent) == 1


async def test_a_delivery_that_is_handled_twice_has_one_effect(stage: Stage) -> None:
    raw = {"kind": "command", "user": "min", "text": RUN}
    async with stage.db.write() as tx:
        row = await inbox.keep(tx, "web", "twice", raw)
        (delivery,) = await inbox.waiting(tx, 10)
    event = stage.platform.translate(raw)
    await asyncio.gather(*(stage.router.handle(delivery, event) for _ in range(5)))
    await stage.settled()
    assert row == delivery.id and await stage.action_count() == 1
    async with stage.db.read() as tx:
        said = await tx.all(sa.select(outbox.c.id).where(outbox.c.kind == "whisper"))
    assert len(said) == 1


async def test_a_moved_room_takes_its_rights_along(stage: Stage) -> None:
    await stage.does("min", "moved", "ops-2")
    assert (await stage.whispered("ana", "command", "/whoami", room="ops-2")).fields
    card = await stage.whispered("ana", "command", "/whoami", room="ops")
    assert card.text == say(text("room_unlisted", room="web:ops"), "en")
    await stage.does("min", "moved", "x", room="never-seen")


async def test_a_model_that_thinks_holds_up_nobody_else(stage: Stage, slow: SlowReader) -> None:
    await stage.keep({"kind": "words", "user": "min", "text": "pay-stg-01 재기동해줘"})
    await until(lambda: slow.asked)
    await stage.keep({"kind": "command", "user": "jun", "text": "/whoami"})
    await until(lambda: len(stage.platform.sent) == 1)
    assert stage.platform.sent[0].user == "jun"
    slow.free.set()
    await stage.settled()
    assert await stage.action_count() == 1


async def test_one_speaker_in_one_room_is_served_in_order(stage: Stage, slow: SlowReader) -> None:
    await stage.keep({"kind": "words", "user": "min", "text": "pay-stg-01 재기동해줘"})
    await stage.keep({"kind": "command", "user": "min", "text": "/autoq list"})
    await until(lambda: slow.asked)
    await stage.keep(
        {"kind": "command", "user": "min", "text": "/whoami", "room": "dm", "direct": True}
    )
    await until(lambda: len(stage.platform.sent) == 1)
    assert stage.platform.sent[0].room == "dm"  # another room is another conversation
    slow.free.set()
    await stage.settled()
    listed = [s.card.text for s in stage.platform.sent if s.user == "min" and s.room == "ops"]
    assert "#1" in listed[0] and "PAY-STG-01" in listed[1]


async def test_a_speaker_who_floods_takes_no_place_from_others(
    stage: Stage, slow: SlowReader
) -> None:
    for _ in range(100):
        await stage.keep({"kind": "words", "user": "min", "text": "뭐해"})
    await until(lambda: slow.asked)
    await stage.keep({"kind": "command", "user": "jun", "text": "/whoami"})
    await until(lambda: any(sent.user == "jun" for sent in stage.platform.sent))
    assert len(slow.asked) == 1
    slow.free.set()
    await stage.settled()
    assert len(slow.asked) == 100


async def test_the_reader_is_asked_only_for_words_of_people_who_are_listed(
    stage: Stage, slow: SlowReader
) -> None:
    slow.free.set()
    await stage.does("mallory", "words", "restart pay-stg-01")
    await stage.does("min", "words", "status")
    await stage.does("min", "words", "x" * 4001)
    await stage.does("min", "overheard", "restart pay-stg-01")
    await stage.does("min", "command", "/whoami")
    assert slow.asked == []


async def test_a_drained_worker_leaves_the_rest_in_the_inbox(
    stage: Stage, slow: SlowReader
) -> None:
    row = await stage.keep({"kind": "words", "user": "min", "text": "pay-stg-01 재기동해줘"})
    await until(lambda: slow.asked)
    ending = asyncio.create_task(stage.worker.drain())
    await asyncio.sleep(0)
    late = await stage.keep({"kind": "command", "user": "jun", "text": RUN})
    slow.free.set()
    await ending
    assert (await stage.inbox_row(row)).state == "DONE"
    assert (await stage.inbox_row(late)).state == "NEW"
    async with stage.db.write() as tx:
        await tx.execute(inbox_table.delete().where(inbox_table.c.id == late))
