"""A card is posted once, edited when it changed, and always shows how things stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.platforms.port import SendGone, SendRetry
from storage import actions, cards
from storage.database import Database
from storage.lifecycle import Move
from tests.conftest import FakeClock
from tests.doubles.room_double import Gate
from tests.unit.bot.conftest import until
from tests.unit.handlers.stage import Stage

RUN = "/autoq run server_restart PAY-STG-01"


@pytest.fixture
async def stage(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Stage]:
    found = Stage(db, clock, tmp_path)
    await found.start()
    await found.does("min", "command", RUN)
    found.platform.sent = [s for s in found.platform.sent if s.kind != "whisper"]
    yield found
    await found.stop()


async def refresh(stage: Stage, times: int = 1) -> None:
    for _ in range(times):
        async with stage.db.write() as tx:
            await cards.refresh(tx, "action:1")


def kinds(stage: Stage) -> list[str]:
    return [sent.kind for sent in stage.platform.sent]


async def test_a_card_that_did_not_change_is_not_sent_again(stage: Stage) -> None:
    assert kinds(stage) == ["post"]
    await refresh(stage)
    await stage.settled()
    assert kinds(stage) == ["post"]


async def test_a_card_carries_what_programs_want_to_know(stage: Stage) -> None:
    assert stage.platform.sent[0].draft.context == {
        "itsm_ticket_id": "1",
        "asset_code": "PAY-STG-01",
        "severity": "HIGH",
    }


async def test_ten_changes_during_a_send_are_one_edit_that_shows_the_newest(stage: Stage) -> None:
    gate = Gate()
    stage.platform.next.append(gate)
    await stage.keep({"kind": "command", "user": "jun", "text": "/approve 1 yes"})
    await until(lambda: kinds(stage).count("edit") == 1)
    await refresh(stage, 9)
    async with stage.db.write() as tx:
        assert await actions.move(tx, 1, Move.SUPERSEDE, "test")
    gate.opened.set()
    await stage.settled()
    assert kinds(stage).count("edit") == 2 and kinds(stage).count("post") == 1
    assert stage.card(1).buttons == ()


async def test_a_card_that_was_deleted_is_posted_anew_and_its_new_copy_answers(
    stage: Stage,
) -> None:
    stage.platform.next.append(SendGone("deleted"))
    stage.clock.forward(minutes=31)
    async with stage.db.write() as tx:
        assert await actions.escalated(tx, 1)
    await stage.settled()
    assert kinds(stage) == ["post", "edit", "post"]
    del stage.platform.shown["m1"]
    token = stage.button(stage.card(1), "approve").token
    await stage.presses("jun", token, message="m1")
    assert (await stage.action()).decided_by is None  # the old copy answers no more
    (message,) = stage.platform.shown
    await stage.presses("jun", token, message=message)
    assert (await stage.action()).decided_by is not None


async def test_an_edit_that_fails_is_made_later_with_what_is_true_then(stage: Stage) -> None:
    stage.platform.next.append(SendRetry("429", delay=10))
    async with stage.db.write() as tx:
        assert await actions.escalated(tx, 1)
    await until(lambda: kinds(stage) == ["post", "edit"])
    await stage.does("jun", "command", "/reject 1 no")
    assert len(stage.card(1).buttons) == 3  # the room is postponed: it shows the old card yet
    stage.clock.forward(seconds=10)
    stage.db.announce({"outbox"})
    await stage.settled()
    assert stage.card(1).buttons == ()
    assert kinds(stage).count("edit") == 2


async def test_the_tokens_of_a_card_stay_the_same_over_edits(stage: Stage) -> None:
    before = [button.token for button in stage.card(1).buttons]
    stage.clock.forward(minutes=31)
    async with stage.db.write() as tx:
        assert await actions.escalated(tx, 1)
    await stage.settled()
    assert [button.token for button in stage.card(1).buttons] == before


async def test_a_card_of_nothing_is_given_up(stage: Stage) -> None:
    action = await stage.action()
    assert action.room_id is not None
    async with stage.db.write() as tx:
        await cards.place(tx, "action:999", action.room_id)
        await cards.place(tx, "nonsense:1", action.room_id)
        await cards.place(tx, action.subject, action.room_id)
    for _ in range(3):
        await stage.settled()
        stage.clock.forward(seconds=5)
        stage.db.announce({"outbox"})
    await stage.settled()
    card = await stage.whispered("ana", "command", "/pending")
    assert "2" in card.text.splitlines()[-1]
