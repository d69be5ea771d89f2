"""F11: the disk is full, or only to be read. Nothing is acknowledged that is not kept."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.settings import Settings, load_settings
from engine.audit import verify
from storage import people, tables, tokens
from storage.database import Database
from tests.acceptance.test_restart import Process
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM, World
from tests.doubles.slack_delivery import Delivery
from tests.doubles.small_disk import SmallDisk, small_disk

CONFIG = """
[model]
shipped = false
[health]
least_free_mb = 2
"""
PATIENCE_S = 20
LOCK = "watchstander.db.lock"
DRAFT = ".audit.checkpoints.new"

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Stage:
    """The bot as a process, with its database or its checkpoints on the small disk."""

    def __init__(self, world: World, disk: SmallDisk) -> None:
        self.world = world
        self.disk = disk
        self.bot = Process(world)
        self.sent: list[Delivery] = []
        self._headers: dict[str, str] = {}

    @property
    def settings(self) -> Settings:
        return load_settings(self.world.config)

    async def start(self) -> None:
        await self.bot.start()
        assert self.bot._process is not None
        self.disk.pid = self.bot._process.pid
        db = Database.open(self.settings.database)
        async with db.write() as tx:
            person = await people.by_name(tx, "ana")
            assert person is not None
            token = await tokens.create(tx, person.id, "api", None)
        await db.close()
        self._headers = {"Authorization": f"Bearer {token}"}

    async def command(self, patience: float) -> bool:
        """Somebody types a command in Slack; gives whether it was acknowledged."""
        self.sent.append(await self.world.slack.user("UMIN").command(SLACK_ROOM, "/whoami"))
        try:
            await self.sent[-1].acknowledged(patience)
        except TimeoutError:
            return False
        return True

    async def rest(self) -> httpx.Response:
        body = {"title": "Something is slow", "body": "since noon"}
        async with httpx.AsyncClient(base_url=self.world.address, timeout=10) as http:
            return await http.post("/api/requests", json=body, headers=self._headers)

    async def health(self, path: str = "/readyz") -> tuple[int, dict[str, Any]]:
        begun = time.monotonic()
        async with httpx.AsyncClient(base_url=self.world.address, timeout=10) as http:
            answer = await http.get(path)
        assert time.monotonic() - begun < 2
        return answer.status_code, answer.json()

    async def until_ready(self, wanted: int) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                status, found = await self.health()
                if status == wanted:
                    return dict(found.get("checks", {}))
                await asyncio.sleep(0.2)

    async def rows(self, table: sa.Table) -> list[sa.Row[Any]]:
        db = Database.open(self.settings.database)
        try:
            async with db.read() as tx:
                return await tx.all(sa.select(table))
        finally:
            await db.close()

    async def whole(self) -> None:
        """The file is sound, the chain too, and whatever was acknowledged is in it once."""
        db = Database.open(self.settings.database)
        async with db.read() as tx:
            assert await tx.connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"
            verdict = await verify(tx, self.settings.audit)
        await db.close()
        assert verdict.ok, verdict.lines
        kept = [row.delivery_id for row in await self.rows(tables.inbox)]
        assert len(kept) == len(set(kept))
        acked = sum(one.acked for one in self.sent)
        assert sum("slack" in row.source for row in await self.rows(tables.inbox)) >= acked


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("small") / "disk") as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, disk: SmallDisk) -> AsyncIterator[World]:
    url = f"sqlite+aiosqlite:///{disk.folder}/watchstander.db"
    folder = tmp_path_factory.mktemp("world")
    async with World(folder, database=url, config=CONFIG) as found:
        await found.stop_bot()
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def stage(world: World, disk: SmallDisk) -> AsyncIterator[Stage]:
    """Everything on the small disk, and nothing in it yet."""
    for folder in (disk.folder, world.folder):
        for file in [*folder.glob("watchstander.db*"), *folder.glob("audit.*")]:
            file.unlink()
    world.telegram.updates.pending.clear()
    found = Stage(world, disk)
    try:
        yield found
    finally:
        if found.bot._process is not None:
            await found.bot.kill()
        disk.open_again(LOCK)
        disk.pid = 0
        disk.free()


async def _refused_everywhere(stage: Stage) -> None:
    """No acknowledgement, no confirmation, and a clear no where somebody waits for one."""
    telegram = stage.world.telegram
    telegram.user(111).says(TELEGRAM_ROOM, "/whoami")
    answer = await stage.rest()
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"] == "unavailable"
    assert "cannot be used just now" in answer.json()["message"]
    assert telegram.updates.pending, "it was confirmed to Telegram without a row"
    assert (await stage.health("/healthz"))[0] == 200
    checks = await stage.until_ready(503)
    assert not checks["database"]["ok"]


async def _well_again(stage: Stage) -> None:
    """Without a restart, and with all that waited."""
    await stage.until_ready(200)
    await stage.world.telegram.until(lambda: not stage.world.telegram.updates.pending, PATIENCE_S)
    await stage.world.slack.forward(4)  # Slack sends what was not acknowledged once more
    await stage.sent[-1].acknowledged(10)
    assert (await stage.rest()).status_code == 201
    assert await stage.command(10)


async def test_a_full_disk_refuses_and_recovers_by_itself(stage: Stage) -> None:
    await stage.start()
    assert await stage.command(10)
    requests = len(await stage.rows(tables.requests))
    stage.disk.fill()
    # What the write-ahead log has room for may still be kept, and is then acknowledged rightly.
    async with asyncio.timeout(60):
        while await stage.command(3):
            pass
    await _refused_everywhere(stage)
    stage.disk.free()
    await _well_again(stage)
    await stage.bot.kill()
    await stage.whole()
    assert len(await stage.rows(tables.requests)) == requests + 1


async def test_space_for_half_a_transaction_leaves_no_half(stage: Stage) -> None:
    """The disk fills up in the middle of writes, again and again, then the process dies."""
    await stage.start()
    assert await stage.command(10)
    for leave in (0, 5_000, 9_000, 17_000, 33_000):
        stage.disk.fill(leave=leave)
        await asyncio.gather(*(stage.command(1.0) for _ in range(4)), stage.rest())
        stage.disk.free()
    stage.disk.fill()
    await stage.bot.kill()
    stage.disk.pid = 0
    stage.disk.free()
    await stage.whole()


async def test_on_a_disk_that_takes_nothing_it_does_not_start_and_says_why(stage: Stage) -> None:
    stage.disk.shut(LOCK)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "--config", str(stage.world.config),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode != 0
    assert "[database] url: " in told.decode().strip().splitlines()[-1], told.decode()
    assert "Traceback" not in told.decode()


async def test_checkpoints_on_a_full_disk_stop_nothing_and_are_told(stage: Stage) -> None:
    """The other way round: the database has room, the file of checkpoints has none."""
    text = stage.world.config.read_text()
    file = stage.disk.folder / "audit.checkpoints"
    there = f'[audit]\ncheckpoint_file = "{file}"\nsign_every_s = 1\n'
    moved = text.replace(f"{stage.disk.folder}/watchstander.db", "watchstander.db") + there
    stage.world.config.write_text(moved)
    try:
        await stage.start()
        assert await stage.command(10)
        if stage.disk.mounted:
            stage.disk.fill()
        else:
            stage.disk.shut(DRAFT)
        assert (await stage.rest()).status_code == 201
        async with asyncio.timeout(PATIENCE_S):
            while "audit checkpoints" not in (checks := (await stage.health())[1]["checks"]):
                await asyncio.sleep(0.1)
        assert not checks["audit checkpoints"]["ok"]
        assert (await stage.health())[0] == 200
        assert await stage.command(10)
        stage.disk.open_again(DRAFT)
        stage.disk.free()
        async with asyncio.timeout(PATIENCE_S):
            while "audit checkpoints" in (await stage.health())[1]["checks"]:
                await asyncio.sleep(0.1)
        await stage.bot.kill()
        await stage.whole()
    finally:
        stage.world.config.write_text(text)
