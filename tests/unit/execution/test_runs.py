"""How one action is carried out while its process, its database and its people come and go."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa

from engine.execution.dispatch import DispatchSettings
from handlers.action_card import action_card, view
from prompts.texts import LANGUAGES
from storage.lifecycle import State
from tests.unit.execution.conftest import Yard


async def sent(yard: Yard) -> None:
    """Wait until the first command reached its host."""
    async with asyncio.timeout(10):
        while not yard.ledger():
            await asyncio.sleep(0.005)


async def fresh(yard: Yard, **settings: float) -> None:
    """Start anew, one host at a time."""
    await yard.kill()
    yard.settings = DispatchSettings(**settings)  # type: ignore[arg-type]
    yard.parallel = 1
    await yard.start()


async def test_without_signs_of_life_no_further_command_is_sent(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    """The database takes no writes: others may think by now that it is over."""
    await fresh(yard, beat_s=0.2, lost_after_s=1.5)
    yard.hosts.delay_s = 2.5
    await yard.propose("disk_status", "ONE", "TWO", "THREE")
    await sent(yard)
    other = sqlite3.connect(yard.db.writer.url.database or "")
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(10):
        while "it stops" not in caplog.text:
            await asyncio.sleep(0.01)
    other.rollback()
    other.close()
    action = await yard.ends(1, State.FAILED)
    assert action.result is not None
    outcomes = sorted(step["outcome"] for step in action.result["steps"])
    assert outcomes == ["DONE", "SKIPPED", "SKIPPED"]
    assert len(yard.ledger()) == 1


async def test_an_end_is_recorded_when_the_database_is_back(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    yard.hosts.delay_s = 0.6
    await yard.propose("disk_status", "ONE")
    await yard.ends(1, State.RUNNING)
    async with yard.db.write() as tx:
        await tx.execute(sa.text("PRAGMA query_only = ON"))  # as on a disk that went bad
    async with asyncio.timeout(10):
        while "not recorded yet" not in caplog.text:
            await asyncio.sleep(0.01)
    async with yard.db._writer.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("PRAGMA query_only = OFF")
    await yard.ends(1, State.SUCCEEDED)
    assert len(yard.ledger()) == 1


async def test_what_each_host_is_at_is_kept_while_it_runs(yard: Yard) -> None:
    await fresh(yard)
    yard.hosts.delay_s = 1.1
    await yard.propose("disk_status", "ONE", "TWO")
    async with asyncio.timeout(10):
        while (await yard.action()).progress is None:
            await asyncio.sleep(0.02)
    progress = (await yard.action()).progress
    assert progress is not None
    assert sorted(progress["done"] + progress["running"] + progress["waiting"]) == ["one", "two"]
    assert len(progress["waiting"]) <= 1
    await yard.ends(1, State.SUCCEEDED)


async def test_whoever_waits_for_a_run_may_be_cancelled(yard: Yard) -> None:
    await yard.kill()
    await yard.start()
    assert yard._task is not None
    yard._task.cancel()  # nobody else begins it
    yard.hosts.delay_s = 0.2
    await yard.propose("disk_status", "ONE")
    waiter = asyncio.create_task(yard.runs.carry(1))
    await sent(yard)
    assert await yard.runs.carry(1) is False  # it is under way
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    await yard.ends(1, State.SUCCEEDED)
    assert await yard.runs.carry(1) is False
    assert await yard.runs.carry(999) is False
    assert len(yard.ledger()) == 1


async def test_the_card_tells_what_an_action_waits_for(yard: Yard) -> None:
    yard.hosts.delay_s = 1.5
    for _ in range(2):
        await yard.propose("disk_status", "ONE")
    await yard.ends(1, State.RUNNING)
    fields = []
    async with yard.db.read() as tx:
        for number in (1, 2):
            shown = await view(tx, await yard.action(number))
            for language in LANGUAGES:
                card = action_card(shown, language, {"cancel": "t"})
                fields.append([field.value for field in card.fields if "ONE" in field.value][1:])
    yard.hosts.delay_s = 0
    assert fields[:3] == [[], [], []]
    assert fields[3][0].startswith("ONE: #1 has it since ")
    assert fields[3][0].endswith("place 1 in line")
    assert all(len(found) == 1 and "#1" in found[0] for found in fields[3:])
    await yard.ends(2, State.SUCCEEDED)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"at_once": 0}, "at_once"),
        ({"look_every_s": 0}, "look_every_s"),
        ({"beat_s": 0}, "beat_s"),
        ({"beat_s": 10}, "lost_after_s"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        DispatchSettings(**settings)  # type: ignore[arg-type]


def test_one_process_on_sqlite_does_not_load_the_queue() -> None:
    code = "import bot.app, sys; print('procrastinate' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
