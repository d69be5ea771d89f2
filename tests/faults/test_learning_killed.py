"""kill -9 before and after every commit of learning: a block and its warning, each once."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from pathlib import Path

import pytest

from engine.knowledge.learning import Learning
from engine.knowledge.writing import Writer
from storage import articles, blocks
from storage.all_tables import metadata
from storage.articles import Kind
from storage.database import Database, DatabaseSettings
from storage.lifecycle import ArticleState
from tests.faults.repair_process import Mortal, Orders, clock_in, url
from tests.unit.knowledge.shelves import Shelves, furnish

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.faults.test_learning_killed"])


def learn(orders: Orders) -> None:
    """The whole process: it learns from what has ended, until it dies or is done."""
    asyncio.run(_learn(orders))


async def _learn(orders: Orders) -> None:
    clock = clock_in(orders.folder)
    settings = DatabaseSettings(url(orders.folder), "NORMAL")
    db = Mortal.open(settings, lambda: int(clock.read_text()))
    assert isinstance(db, Mortal)
    db.orders = orders
    await Learning(db, Writer()).run_once()
    await db.close()


async def _run(orders: Orders) -> int:
    process = _PROCESSES.Process(target=learn, args=(orders,))
    process.start()
    async with asyncio.timeout(60):
        while process.is_alive():
            await asyncio.sleep(0.01)
    assert process.exitcode is not None
    return process.exitcode


async def _fresh(folder: Path) -> None:
    """A failure with its block and a success, both just ended."""
    for name in ("repair.db", "repair.db-wal", "repair.db-shm"):
        (folder / name).unlink(missing_ok=True)
    clock_in(folder).write_text("1795165200000")
    db = Database.open(
        DatabaseSettings(url(folder), "NORMAL"), lambda: int(clock_in(folder).read_text())
    )
    async with db.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    shelves = await furnish(db)
    await shelves.repair(good=False)
    await shelves.repair(good=True, symptom="b" * 16)
    await db.close()


@pytest.mark.parametrize("before", [True, False])
async def test_killed_at_every_commit(tmp_path: Path, before: bool) -> None:
    deaths = 0
    for die_at in range(1, 20):
        await _fresh(tmp_path)
        status = await _run(Orders(tmp_path, die_at, before))
        where = f"killed {'before' if before else 'after'} commit {die_at}"
        if status != 0:
            assert status == -signal.SIGKILL, where
            deaths += 1
            assert await _run(Orders(tmp_path)) == 0, where
        await _holds(tmp_path, where)
        if status == 0:
            break  # it has no more commits than that
    assert deaths == 2


async def _holds(folder: Path, where: str) -> None:
    db = Database.open(
        DatabaseSettings(url(folder), "NORMAL"), lambda: int(clock_in(folder).read_text())
    )
    async with db.read() as tx:
        made = {each.kind: each for each in await articles.listing(tx)}
        count = sum((await articles.counts(tx)).values())
        (block,) = await blocks.standing(tx)
    shelves = Shelves(db, {}, 0, None)  # type: ignore[arg-type]  # no clock: time is in a file here
    said, shown = await shelves.said(), await shelves.cards()
    await db.close()
    bad, book = made[Kind.ANTI_PATTERN], made[Kind.RUNBOOK]
    assert count == 2, where
    assert (bad.state, book.state) == (ArticleState.PUBLISHED, ArticleState.DRAFT), where
    assert block.article_id == bad.id, where
    assert len(said) == 1 and sorted(shown) == sorted([bad.subject, book.subject]), where
