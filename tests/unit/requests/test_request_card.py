"""A request as a card: all that a person asks about, in each language; data as it was typed."""

from __future__ import annotations

import pytest

from engine.approvals.watch import WatchReport
from engine.cycle import Cycle
from handlers.card import Card, Tone
from handlers.request_card import request_card, request_line
from prompts.texts import LANGUAGES, say
from storage.requests import Request
from tests.conftest import FakeClock
from tests.unit.requests.conftest import Office


async def draw(office: Office, request: Request, language: str) -> Card:
    async with office.db.read() as tx:
        fresh = await office.desk.find(tx, request.key)
        return request_card(fresh, await office.desk.timeline(tx, fresh), language)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_event_can_be_told(office: Office, clock: FakeClock, language: str) -> None:
    async def no_actions() -> WatchReport:
        return WatchReport((), (), ())

    request = await office.new("Restart <!channel> please", "body {{ 7 * 7 }}")
    assert "RESTART" in " ".join(f.value for f in (await draw(office, request, language)).fields)
    cycle = Cycle(office.db, office.desk, no_actions)
    await cycle.run_once()
    async with office.db.write() as tx:
        await office.desk.set_priority(tx, office.jun, "1", "HIGH")
        await office.desk.comment(tx, office.kim, "1", "hello {{ 7 * 7 }}")
    clock.forward(minutes=72 * 60)
    await cycle.run_once()
    late = await draw(office, request, language)
    assert late.tone is Tone.WARNING
    async with office.db.write() as tx:
        await office.desk.close(tx, office.jun, request.key, "new toner")
        await office.desk.reopen(tx, office.min, request.key)
        await office.desk.reject(tx, office.ana, request.key, "no budget")
    card = await draw(office, request, language)
    assert card.title == f"{request.key} Restart <!channel> please"
    assert card.tone is Tone.BAD
    # One line per event, after the body: nothing that was typed is read as a template.
    lines = card.text.split("\n")
    assert lines[0] == "body {{ 7 * 7 }}"
    assert len(lines) == 1 + 10
    for word in ("hello {{ 7 * 7 }}", "new toner", "no budget", "RESTART", "HIGH"):
        assert word in card.text


async def test_a_line_of_a_list_names_all(office: Office) -> None:
    request = await office.new("Printer")
    for language in LANGUAGES:
        line = say(request_line(request), language)
        assert request.key in line
        assert "Printer" in line


async def test_a_long_body_and_a_long_story_are_cut(office: Office) -> None:
    request = await office.new("Long", "x" * 10_000)
    async with office.db.write() as tx:
        for number in range(50):
            await office.desk.comment(tx, office.kim, "1", f"comment {number}")
    card = await draw(office, request, "en")
    assert len(card.text) < 4_000
    assert "comment 49" in card.text
    assert "comment 3\n" not in card.text
