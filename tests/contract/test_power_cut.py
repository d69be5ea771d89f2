"""The database and its write-ahead log as a power cut would leave them: copied at any moment.

The writer is stopped, its files are copied as they are, and it goes on.  SQLite's own promise for
``synchronous = "FULL"`` is that whatever was committed is in them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage import audit_read, inbox, migrate
from storage.database import Database, DatabaseSettings
from storage.snapshots import problems_of
from tests.integration.command import environment

CUTS = 12

WRITER = """
import asyncio, sys
from storage import audit, inbox, migrate
from storage.database import Database, DatabaseSettings

async def main(url):
    db = Database.open(DatabaseSettings(url, "FULL"))
    await migrate.upgrade(db)
    number = 0
    while True:
        async with db.write() as tx:
            for _ in range(3):
                number += 1
                await inbox.keep(tx, "load", str(number), {"body": "x" * 3000})
                await audit.append(tx, "watchstander", "load", f"inbox:{number}", {"n": number})
        # Now it is acknowledged.
        print(number, flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes and says what it has committed, a line each, into a file."""
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, f"sqlite+aiosqlite:///{tmp_path}/live.db"],
            cwd=Path(__file__).parents[2], env=environment(), stdout=said,
        )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def acknowledged(folder: Path) -> int:
    lines = (folder / "said").read_text().split("\n")[:-1]
    return int(lines[-1]) if lines else 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """Returns when it stands still."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


async def test_whatever_was_acknowledged_is_in_the_files(
    writer: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    chance = random.Random(20261120)
    deadline = time.monotonic() + 60
    for cut in range(CUTS):
        wanted = acknowledged(tmp_path) + chance.randint(1, 200)
        while acknowledged(tmp_path) < wanted:
            assert time.monotonic() < deadline, "the writer does not get on"
            assert writer.poll() is None
            time.sleep(0.001)
        stop(writer)
        promised, copy = acknowledged(tmp_path), tmp_path / f"cut{cut}.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(tmp_path / f"live.db{suffix}", f"{copy}{suffix}")
        writer.send_signal(signal.SIGCONT)
        await look_at(copy, promised)


async def look_at(copy: Path, promised: int) -> None:
    """It opens, holds all that was promised and nothing half: rows and chain are of one commit."""
    db = Database.open(DatabaseSettings(f"sqlite+aiosqlite:///{copy}", "FULL"))
    await migrate.require_current(db)
    async with db.read() as tx:
        kept = await inbox.count_waiting(tx)
        rows = [row async for row in audit_read.walk(tx)]
        newest = await tx.one(sa.text("SELECT max(id) FROM inbox"))
    async with db.write() as tx:
        # And it can be gone on with.
        assert await inbox.keep(tx, "after", "1", {}) is not None
    await db.close()
    assert kept >= promised
    assert kept % 3 == 0
    assert newest is not None
    assert len(rows) == newest[0] == kept
    assert all(row.sound for row in rows)
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert problems_of(copy) == []
