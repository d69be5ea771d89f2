"""The product as several processes on one PostgreSQL, as an operator runs it.

Each is ``watchstander run`` with a port of its own.  Slack delivers by HTTP to whichever replica a
test says, Telegram is polled, and people may be connected to any web room.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from storage import leases, people, tokens
from storage.database import Database, DatabaseSettings
from tests.acceptance.world import World

NAMES = ("a", "b", "c", "d", "e")
_STARTS_WITHIN_S = 40.0


class Replica:
    """One process of ``watchstander run``."""

    def __init__(self, name: str, config: Path, port: int) -> None:
        self.name = name
        self.config = config
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.log = config.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Begin to start it; ``ready`` waits until it answers."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", "--config", str(self.config),
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                stdout=log, stderr=log,
            )  # fmt: skip

    async def ready(self) -> None:
        """Wait until it answers that all its links are up."""
        async with (
            asyncio.timeout(_STARTS_WITHIN_S),
            httpx.AsyncClient(base_url=self.address, trust_env=False) as client,
        ):
            while not await _answers(client):
                assert self.alive, f"{self.name} ended while it started: {self.words()}"
                await asyncio.sleep(0.05)

    def words(self) -> str:
        """The end of its log."""
        return self.log.read_text("utf-8", "replace")[-3000:]

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """kill -9, also while it is paused."""
        if self._process is not None:
            if self.alive:
                self.signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> None:
        """Stop it in order."""
        assert self._process is not None
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            assert await self._process.wait() == 0, self.words()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz", timeout=2)).status_code == 200
    except httpx.TransportError:
        return False


class Replicas(World):
    """The world around several replicas. ``config`` is further configuration of all of them."""

    def __init__(
        self,
        folder: Path,
        database: str,
        *,
        count: int = 3,
        lease_s: float = 1.5,
        crowd: tuple[tuple[str, str], ...] = (),
        config: str = "",
    ) -> None:
        replica = f'[replica]\nname = "REPLICA"\nlease_s = {lease_s}\n[model]\nshipped = false\n'
        super().__init__(folder, crowd=crowd, database=database, config=replica + config)
        self.lease_s = lease_s
        self.count = count
        self.db = Database.open(DatabaseSettings(database))
        self.replicas: list[Replica] = []

    async def start_bot(self) -> None:
        """Start all of them at once."""
        for name in NAMES[: self.count]:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
            config = self.folder / f"{name}.toml"
            written = self._config().replace("REPLICA", name)
            config.write_text(written.replace('mode = "socket"', 'mode = "http"'), "utf-8")
            self.replicas.append(Replica(name, config, self.port))
        try:
            for replica in self.replicas:
                await replica.start()
            for replica in self.replicas:
                await replica.ready()
        except BaseException:
            await self._kill_all()
            raise
        self.slack_to(self.replicas[0])

    async def stop_bot(self) -> None:
        """End all of them in order; none may have ended by itself."""
        for replica in self.replicas:
            if replica.alive:
                replica.signal(signal.SIGCONT)
        try:
            await asyncio.gather(*(one.stop() for one in self.replicas if one.alive))
        finally:
            await self._kill_all()
            await self.db.close()

    async def _kill_all(self) -> None:
        for replica in self.replicas:
            await replica.kill()

    def slack_to(self, replica: Replica) -> None:
        """From now on Slack delivers to this one."""
        self.slack.deliver_to(f"{replica.address}/slack/events")

    async def token(self, name: str, kind: str = "api") -> str:
        """A token for a person: "api" for REST, "signin" for a browser."""
        async with self.db.write() as tx:
            person = await people.by_name(tx, name)
            assert person is not None
            return await tokens.create(tx, person.id, kind, 3_600_000)

    async def holders(self) -> Mapping[str, str]:
        """Work → the replica that does it now."""
        async with self.db.read() as tx:
            return await leases.held(tx)

    async def holder(self, work: str) -> Replica:
        """The replica that does a work, as soon as one does."""
        async with asyncio.timeout(20):
            while (name := (await self.holders()).get(work)) is None:
                await asyncio.sleep(0.02)
        return next(one for one in self.replicas if one.name == name)

    def others(self, *but: Replica) -> list[Replica]:
        return [one for one in self.replicas if one not in but and one.alive]

    async def wait_minutes(self, minutes: int) -> None:
        """Time passes by itself here."""
        raise NotImplementedError("processes of their own have the database's time")
