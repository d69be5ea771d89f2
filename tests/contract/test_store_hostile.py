"""Characters that a database may not take, said by people, on both databases."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import inbox
from storage.database import Database
from storage.lifecycle import State
from tests.conftest import FakeClock
from tests.unit.handlers.stage import Stage

HOSTILE = (
    "\0",
    "\ud800",
    "\udfff\ud800",
    "a\0b",
    "\U0010ffff",
    "\u202e",
    "'; DROP TABLE inbox; --",
)


@pytest.fixture
async def stage(any_db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Stage]:
    found = Stage(any_db, clock, tmp_path)
    await found.start()
    yield found
    await found.stop()


@pytest.mark.parametrize("words", HOSTILE)
async def test_every_delivery_can_be_kept_without_what_no_database_takes(
    any_db: Database, words: str
) -> None:
    async with any_db.write() as tx:
        await inbox.keep(tx, "web", "1", {"text": words})
        (delivery,) = await inbox.waiting(tx, 1)
    mended = re.sub("[\0\ud800-\udfff]", "\ufffd", words)
    assert delivery.body == {"text": mended}


async def test_whatever_characters_somebody_sends_they_get_an_answer_at_once(stage: Stage) -> None:
    await stage.does("min", "command", "/autoq run server_restart PAY-STG-01")
    for hostile in HOSTILE:
        for kind, line in (
            ("words", f"restart pay-stg-01 {hostile}"),
            ("command", f"/frobnicate{hostile}"),
            ("command", f"/autoq run {hostile}"),
            ("command", f"/sr new {hostile}|{hostile}"),
            ("command", f"/freeze {hostile}"),
        ):
            assert await stage.does("min", kind, line), line
        assert await stage.presses("ana", hostile)
        await stage.does("ana", "command", f"/freeze {hostile}")
        await stage.does("ana", "command", f"/unfreeze {hostile}")
    await stage.whispered("jun", "command", f"/reject 1 {''.join(HOSTILE)}")
    assert (await stage.action()).state is State.REJECTED
