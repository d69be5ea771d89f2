"""The product on a stage where its process may die: whatever is outside of it lives on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.settings import load_settings
from engine.audit import AuditSettings
from storage import actions, people, tokens
from storage.database import Database, DatabaseSettings
from storage.lifecycle import State
from tests.acceptance.world import World
from tests.faults.bot_process import Bot, Orders, Point
from tests.faults.databases import Supply
from tests.unit.healing.ward import RESTART

CONFIG = """
[model]
shipped = false
[audit]
sign_every_s = 1
[replica]
lease_s = 3.0
[runner]
look_every_s = 0.5
beat_s = 1.0
lost_after_s = 4.0
[heal]
playbooks = "playbooks"
look_every_s = 0.1
start_s = 0.5
[[person]]
name = "prometheus"
role = "AGENT"
"""
TRIES = 2
"""Repairs that the playbook allows for one incident."""
ILL = {"shop-host": "shop-app"}
"""Host → what is down there when a case begins; a restart mends it."""
WEB_PEOPLE = ("min", "jun", "ana")


_ports = iter(random.Random(os.getpid()).sample(range(11_000, 32_000), 20_000))
"""Below those that the system gives to connections: a port has to stay free between two starts."""


class Outside(World):
    """Everything but the bot: rooms, hosts and the configuration."""

    def __init__(self, folder: Path, database: str) -> None:
        super().__init__(folder, database=database, config=CONFIG)
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    async def start_bot(self) -> None:
        """Not in this process; see Stage."""

    async def stop_bot(self) -> None:
        """As above."""


@dataclass
class Ground:
    """What many cases begin with: a database that knows the people, and their tokens."""

    supply: Supply
    secrets: dict[str, str]


@dataclass
class Stage:
    """One case: the outside, its database, and the processes that run on it."""

    outside: Outside
    ground: Ground
    url: str
    db: Database
    configs: list[Path]
    addresses: list[str]
    bots: list[Bot] = field(default_factory=list)
    deaths: int = 0
    running_at_death: set[int] = field(default_factory=set)
    """Actions that ran when a process died which was the only one."""

    @property
    def alone(self) -> bool:
        return len(self.configs) == 1

    async def start(self, number: int = 0, die: Point | None = None, record: bool = False) -> Bot:
        """Start a process. It may die before it is ready, where it was told to."""
        bot = Bot(Orders(self.configs[number], f"bot{number}", die, record))
        self.bots[number : number + 1] = [bot]
        if not await bot.until_ready() and not (bot.died_as_told or bot.killed):
            raise AssertionError(f"a bot did not start: {bot.ended}")
        return bot

    async def keep_alive(self, number: int = 0) -> None:
        """Start one again whenever it dies, until cancelled."""
        while True:
            if not self.bots[number].alive:
                await self.bury(self.bots[number])
                await self.start(number)
            await asyncio.sleep(0.02)

    async def bury(self, bot: Bot) -> None:
        """Note what a dead process left behind. Raises AssertionError for one that just ended."""
        assert bot.died_as_told or bot.killed, f"a bot ended by itself: {bot.ended}"
        self.deaths += 1
        if self.alone:
            async with self.db.read() as tx:
                cut = await actions.listing(tx, states=[State.RUNNING])
            self.running_at_death |= {action.id for action in cut}

    @property
    def audit(self) -> AuditSettings:
        return load_settings(self.configs[0]).audit


async def prepare(supply: Supply, folder: Path) -> Ground:
    """Have a bot start once on an empty database, and give its people tokens."""
    folder.mkdir()
    _furnish(folder)
    async with Outside(folder, supply.template(folder)) as outside:
        bot = Bot(Orders(outside.config, "first"))
        assert await bot.until_ready(), bot.ended
        assert await bot.stop() == 0, bot.ended
        settings = load_settings(outside.config)
        db = Database.open(settings.database)
        secrets = {}
        async with db.write() as tx:
            for name in (*WEB_PEOPLE, "prometheus"):
                person = await people.by_name(tx, name)
                assert person is not None
                secrets[name] = await tokens.create(tx, person.id, "api", None)
        await db.close()
    supply.keep(folder)
    return Ground(supply, secrets)


@asynccontextmanager
async def staged(ground: Ground, folder: Path, replicas: int = 1) -> AsyncIterator[Stage]:
    """A stage with a fresh database and no process yet; whatever runs at the end is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    _furnish(folder)
    url = ground.supply.copy(folder)
    try:
        async with Outside(folder, url) as outside:
            configs, addresses = _replicas(outside, replicas)
            db = Database.open(DatabaseSettings(url, "NORMAL"))
            stage = Stage(outside, ground, url, db, configs, addresses)
            try:
                yield stage
            finally:
                for bot in stage.bots:
                    bot.kill()
                await db.close()
    finally:
        ground.supply.drop(url)


def _furnish(folder: Path) -> None:
    """The playbook, and what is broken."""
    (folder / "playbooks").mkdir(exist_ok=True)
    (folder / "playbooks" / "restart.toml").write_text(RESTART.format(tries=TRIES), "utf-8")
    for host, service in ILL.items():
        home = folder / "hosts" / "homes" / host
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "failing").write_text(f"{service}\n", "utf-8")


def _replicas(outside: Outside, count: int) -> tuple[list[Path], list[str]]:
    """A configuration and an address for each; they differ in the port alone."""
    written = outside.config.read_text("utf-8")
    configs, addresses = [outside.config], [outside.address]
    for number in range(1, count):
        port = _free_port()
        config = outside.folder / f"config{number}.toml"
        config.write_text(written.replace(f"port = {outside.port}", f"port = {port}"), "utf-8")
        configs.append(config)
        addresses.append(f"http://127.0.0.1:{port}")
    return configs, addresses


def _free_port() -> int:
    for port in _ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is left for another case")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, in memory where the machine has such a place."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="faults", dir=place) as folder:
        yield Path(folder)


@asynccontextmanager
async def beside(*works: asyncio.Task[None]) -> AsyncIterator[None]:
    """Tasks that go on beside the block. What breaks one of them breaks the block, too."""
    block = asyncio.current_task()
    assert block is not None
    broken: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            broken.append(error)
            block.cancel()

    for work in works:
        work.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if broken:
            raise broken[0] from None
        raise
    finally:
        for work in works:
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*works, return_exceptions=True)
