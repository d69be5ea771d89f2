"""kill -9 and start again: nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from storage import actions
from storage.database import Database
from storage.lifecycle import State
from tests.acceptance.transcript import play
from tests.acceptance.world import World
from tests.doubles.telegram import Fail


class Process:
    """The bot as a process of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(self._world.config),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        deadline = asyncio.get_running_loop().time() + 20
        async with httpx.AsyncClient(base_url=self._world.address) as client:
            while not await self._ready(client):
                assert self._process.returncode is None, "the bot ended while it started"
                assert asyncio.get_running_loop().time() < deadline, "the bot did not start"
                await asyncio.sleep(0.05)

    async def _ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get("/readyz", timeout=1)).status_code == 200
        except httpx.TransportError:
            return False

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as stage:
        await stage.stop_bot()
        yield stage


@pytest.fixture
async def process(world: World) -> AsyncIterator[Process]:
    bot = Process(world)
    await bot.start()
    yield bot
    await bot.kill()


async def state(world: World, action: int) -> State:
    """As the database file has it."""
    db = Database.open(world.app.settings.database)
    async with db.read() as tx:
        found = await actions.by_id(tx, action)
    await db.close()
    assert found is not None
    return found.state


async def until_state(world: World, action: int, wanted: State) -> None:
    deadline = asyncio.get_running_loop().time() + 15
    while (found := await state(world, action)) is not wanted:
        assert asyncio.get_running_loop().time() < deadline, f"#{action} stands at {found}"
        await asyncio.sleep(0.05)


async def test_pending_approvals_and_unsent_cards_survive(world: World, process: Process) -> None:
    world.telegram.faults.next("sendMessage", Fail(503), times=1000)
    await play(
        world,
        "slack",
        """
        >> min: restart pay-was-01
        << card #1: PAY-WAS-01 | [approve] [reject] [details]
        << ledger is empty
        """,
    )
    assert await world.seats["telegram"].card(1) is None
    await process.kill()
    world.telegram.faults.clear()
    await process.start()
    await play(
        world,
        "telegram",
        """
        << card #1 everywhere: PAY-WAS-01 | state_PENDING_APPROVAL | [approve] [reject] [details]
        >> ana presses approve on #1
        << card #1 everywhere: state_SUCCEEDED | []
        << ledger: pay-was-01 systemctl restart -- tomcat
        """,
    )
    assert world.slack.violations == []


async def test_what_was_said_while_it_was_down_is_not_lost(world: World, process: Process) -> None:
    await process.kill()
    await world.seats["telegram"].says("min", "restart pay-stg-01")
    await process.start()
    await play(
        world,
        "telegram",
        """
        << card #1 everywhere: PAY-STG-01 | [approve] [reject] [details]
        """,
    )


async def test_a_run_that_was_cut_off_is_unknown_and_never_repeated(
    world: World, process: Process
) -> None:
    world.hosts.delay_s = 30.0
    await play(
        world,
        "slack",
        """
        >> min: restart pay-was-01
        << card #1: PAY-WAS-01
        >> ana presses approve on #1
        << ledger: pay-was-01 systemctl restart -- tomcat
        """,
    )
    await process.kill()
    world.hosts.delay_s = 0.0
    await process.start()
    await until_state(world, 1, State.UNKNOWN)
    await play(
        world,
        "slack",
        """
        << card #1 everywhere: state_UNKNOWN | [ran] [not_run] [check]
        << ledger: pay-was-01 systemctl restart -- tomcat
        >> ana presses ran on #1
        << card #1 everywhere: state_SUCCEEDED | []
        << ledger: pay-was-01 systemctl restart -- tomcat
        """,
    )


@pytest.mark.parametrize("seed", range(6))
async def test_killed_at_any_moment_of_an_approval(
    world: World, process: Process, seed: int
) -> None:
    await play(
        world,
        "slack",
        """
        >> min: restart pay-was-01
        << card #1 everywhere: PAY-WAS-01 | [approve] [reject] [details]
        """,
    )
    pressing = asyncio.create_task(world.seats["slack"].presses("ana", 1, "approve", None))
    await asyncio.sleep(seed * 0.012)
    await process.kill()
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)
    await process.start()
    found = await state(world, 1)
    if found is State.PENDING_APPROVAL:
        await world.seats["slack"].types("ana", "/approve 1")
    deadline = asyncio.get_running_loop().time() + 15
    while (found := await state(world, 1)) not in (State.SUCCEEDED, State.UNKNOWN):
        assert asyncio.get_running_loop().time() < deadline, f"#1 stands at {found}"
        await asyncio.sleep(0.05)
    runs = [line for line in world.ledger() if "restart" in line]
    assert len(runs) <= 1
    if found is State.SUCCEEDED:
        assert len(runs) == 1
