"""The loops that must never end, and the ticks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.schedule import Schedule
from bot.serving import keep_going
from storage.database import Database
from tests.conftest import FakeClock
from tests.unit.bot.conftest import until
from tests.unit.handlers.stage import Stage


@pytest.fixture
async def stage(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Stage]:
    found = Stage(db, clock, tmp_path)
    await found.start()
    yield found
    await found.stop()


@pytest.mark.parametrize("table", ["inbox", "outbox"])
async def test_a_database_that_was_away_leaves_no_deaf_bot_behind(
    stage: Stage, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The table is away for a while: the loops break off, begin again, and miss nothing."""
    for task in stage._tasks:
        task.cancel()
    await asyncio.gather(*stage._tasks, return_exceptions=True)
    stage._tasks = [
        asyncio.create_task(keep_going(stage.worker.serve, "inbox", 0.01)),
        asyncio.create_task(keep_going(stage.delivery.serve, "delivery", 0.01)),
    ]
    async with stage.db.write() as tx:
        await tx.execute(sa.text(f"ALTER TABLE {table} RENAME TO away"))
    stage.db.announce({table})
    await until(lambda: "broke off" in caplog.text)
    async with stage.db.write() as tx:
        await tx.execute(sa.text(f"ALTER TABLE away RENAME TO {table}"))
    assert (await stage.whispered("min", "command", "/whoami")).fields


@pytest.mark.parametrize("times", range(20))
async def test_a_loop_that_is_woken_and_cancelled_at_once_ends(stage: Stage, times: int) -> None:
    """On Python 3.11 wait_for would swallow the cancel, and a stop would never end."""
    for _ in range(times):
        await asyncio.sleep(0)
    stage.db.announce({"inbox", "outbox"})
    async with asyncio.timeout(2):
        for task in stage._tasks:
            task.cancel()
        await asyncio.gather(*stage._tasks, return_exceptions=True)


async def test_a_tick_that_fails_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    schedule, runs = Schedule(), [0]

    async def tick() -> None:
        runs[0] += 1
        raise ValueError("this time")

    schedule.every(0.01, "watch", tick)
    schedule.start()
    await until(lambda: runs[0] >= 2)
    schedule.stop()
    assert "tick watch failed" in caplog.text
