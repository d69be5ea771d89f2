"""A copy taken while people talk and things run: it verifies, and a bot starts on it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from engine.audit import verify
from storage import inbox, outbox
from tests.acceptance.transcript import play
from tests.acceptance.world import World
from tests.contract.conftest import any_url, postgres, postgres_url
from tests.integration.command import watchstander

__all__ = ("any_url", "postgres", "postgres_url")

COPIES = 2


@pytest.fixture
async def world(tmp_path: Path, any_url: str) -> AsyncIterator[World]:
    async with World(tmp_path, database=any_url) as stage:
        yield stage


@contextlib.asynccontextmanager
async def load(world: World) -> AsyncIterator[list[int]]:
    """People ask for things again and again, in two rooms; gives how much was acknowledged."""
    said = [0]

    async def talk(person: str) -> None:
        while True:
            await world.seats["slack"].says(person, "docker ps SHOP-APP")
            await world.seats["telegram"].says(person, "status pay-stg-01")
            said[0] += 1
            await asyncio.sleep(0.1)

    talkers = [asyncio.create_task(talk(person)) for person in ("min", "jun", "ana")]
    try:
        yield said
    finally:
        for talker in talkers:
            talker.cancel()
        ended = await asyncio.gather(*talkers, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)


async def take(world: World, folder: Path) -> None:
    done = await asyncio.to_thread(watchstander, "backup", "--config", world.config, "--to", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("ok: ")


async def restore(world: World, copy: Path, postgres: str) -> None:
    """As docs/how-to/backup.md says it."""
    shutil.copyfile(copy / "audit.checkpoints", world.folder / "audit.checkpoints")
    file = copy / "watchstander.db"
    if world.database.startswith("sqlite"):
        kept = Path(world.database.partition("///")[2])
        for old in kept.parent.glob(f"{kept.name}*"):
            old.unlink()
        shutil.copyfile(file, kept)
        return
    name = f"r{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    old = psycopg.conninfo.conninfo_to_dict(world.database.replace("+psycopg", ""))["dbname"]
    target = world.database.replace(str(old), name)
    done = await asyncio.to_thread(
        watchstander, "migrate", "--from", f"sqlite+aiosqlite:///{file}", "--to", target
    )
    assert done.returncode == 0, done.stderr
    text = world.config.read_text(encoding="utf-8")
    world.config.write_text(text.replace(world.database, target), encoding="utf-8")


async def quiet(world: World) -> None:
    """Wait until what the copy had left to do is done."""
    async with asyncio.timeout(60):
        while True:
            async with world.app.db.read() as tx:
                if not await inbox.count_waiting(tx) + await outbox.count_waiting(tx):
                    return
            await asyncio.sleep(0.05)


async def test_a_bot_starts_on_a_copy_that_was_taken_under_load(
    world: World, postgres: str, tmp_path: Path
) -> None:
    await play(
        world,
        "slack",
        """
        >> min: restart pay-was-01
        << card #1 everywhere: PAY-WAS-01 | CRITICAL | [approve] [reject] [details]
        """,
    )
    async with load(world) as said:
        for number in range(COPIES):
            before = said[0]
            while said[0] < before + 5:
                await asyncio.sleep(0.01)
            await take(world, tmp_path / f"copy{number}")
            assert said[0] > before
    await world.stop_bot()
    ran = len(world.ledger())
    assert ran > 0
    await restore(world, tmp_path / f"copy{COPIES - 1}", postgres)
    await world.start_bot()
    await quiet(world)
    await play(
        world,
        "slack",
        """
        >> ana presses approve on #1
        << card #1 everywhere: state_SUCCEEDED | ana | []
        """,
    )
    assert "pay-was-01 systemctl restart -- tomcat" in world.ledger()[ran:]
    async with world.app.db.read() as tx:
        verdict = await verify(tx, world.app.settings.audit)
    assert verdict.lines[0].startswith("ok: ")
