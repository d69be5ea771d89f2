"""The first conversation on a real PostgreSQL, with restarts in between."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.app import WORKS, App
from bot.serving import serve
from bot.settings import load_settings
from storage import audit_read
from storage.lifecycle import State
from tests.acceptance.transcript import play
from tests.acceptance.world import World
from tests.contract.conftest import postgres, postgres_url

__all__ = ("postgres", "postgres_url")


@pytest.fixture
async def world(tmp_path: Path, postgres_url: str) -> AsyncIterator[World]:
    async with World(tmp_path, database=postgres_url) as stage:
        yield stage
        assert stage.slack.violations == []
        assert stage.telegram.violations == []


async def test_from_words_to_a_restart_with_the_bot_restarted_in_between(world: World) -> None:
    await play(
        world,
        "slack",
        """
        >> min: pay-was-01 재기동해줘
        << card #1 everywhere: PAY-WAS-01 | CRITICAL | systemctl restart -- tomcat
        << card #1 everywhere: state_PENDING_APPROVAL | [approve] [reject] [details]
        << ledger is empty
        >> min presses approve on #1
        << min hears decide_own id=1
        >> jun presses approve on #1
        << jun hears decide_role id=1 risk=CRITICAL least=ADMIN
        << ledger is empty
        """,
    )
    await world.stop_bot()
    await world.start_bot()
    await play(
        world,
        "slack",
        """
        >> ana presses approve on #1
        << ledger: pay-was-01 systemctl restart -- tomcat
        << card #1 everywhere: state_SUCCEEDED | ana | []
        """,
    )
    await world.stop_bot()
    await world.start_bot()
    await play(
        world,
        "telegram",
        """
        >> jun types /approve 1
        << card #1 everywhere: state_SUCCEEDED | ana | []
        >> min: restart pay-stg-01
        << card #2 everywhere: PAY-STG-01 | HIGH | [approve] [reject] [details]
        >> jun presses reject on #2: 점검 아님
        << card #2 everywhere: state_REJECTED | jun | []
        << ledger: pay-was-01 systemctl restart -- tomcat
        """,
    )
    async with world.app.db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
    assert all(row.sound for row in rows)
    kinds = [row.record.kind for row in rows if row.record.subject == "action:1"]
    assert kinds == [f"action.{move}" for move in ("propose", "ask", "approve", "claim", "succeed")]
    assert rows[-1].record.detail["state"] == State.REJECTED


async def test_a_second_process_on_the_same_database_runs_beside_it(world: World) -> None:
    other = world.folder / "other.toml"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = world.config.read_text(encoding="utf-8")
    other.write_text(config.replace(f"port = {world.port}", f"port = {port}"), encoding="utf-8")
    started = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def ready(app: App, _: str) -> None:
        started.set_result(app)

    second = asyncio.create_task(serve(load_settings(other), ready, stop, world.clock))
    async with asyncio.timeout(20):
        beside = await started
    assert [work for work in WORKS if world.app.roles.holds(work)] == list(WORKS)
    assert [work for work in WORKS if beside.roles.holds(work)] == []
    await play(
        world,
        "telegram",
        """
        >> min: restart pay-stg-01
        << card #1 everywhere: PAY-STG-01 | HIGH | [approve] [reject] [details]
        >> jun presses approve on #1
        << ledger: pay-stg-01 systemctl restart -- tomcat
        << card #1 everywhere: state_SUCCEEDED | jun | []
        """,
    )
    stop.set()
    assert await second == 0
