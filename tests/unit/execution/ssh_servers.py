"""SSH servers on loopback that count and misbehave, for the tests of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh

from engine.actions.scripts import Scripts
from engine.execution.outcome import RunResult, StepResult
from engine.execution.ssh import SshRunner, SshSettings
from engine.inventory import Asset, Bastion, Inventory
from engine.plan import Plan, Step
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy


class Server:
    """One host: what it was asked, how often somebody logged in, and how it misbehaves."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self.key = key
        self.port = 0
        self.logins = 0
        self.commands: list[str] = []
        self.tunnels: list[tuple[str, int]] = []
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.mute: set[asyncssh.SSHServerConnection] = set()
        """Connections on which channels are asked for in vain."""
        self.pause_s = 0.0
        """Seconds that a command takes."""
        self.cut = False
        """Whether the connection is cut as soon as a command is there."""
        self.acceptor: asyncssh.SSHAcceptor | None = None

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        if self.cut:
            process.get_extra_info("connection").abort()
            return
        await asyncio.sleep(self.pause_s)
        process.stdout.write(b"done\n")
        process.exit(0)

    async def gone(self) -> None:
        """Wait until nobody is connected."""
        async with asyncio.timeout(5):
            while self.connections:
                await asyncio.sleep(0.01)

    async def cut_all(self) -> None:
        """Cut every connection, as a restart does."""
        for connection in list(self.connections):
            connection.abort()
        await self.gone()


class _Door(asyncssh.SSHServer):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.connections.add(conn)

    def connection_lost(self, _: Exception | None) -> None:
        assert self._connection is not None
        self._server.connections.discard(self._connection)

    def auth_completed(self) -> None:
        self._server.logins += 1

    def session_requested(self) -> Any:
        if self._connection in self._server.mute:
            return asyncio.Event().wait()  # no answer, ever
        return asyncssh.SSHServerProcess(self._server.run, None, 3, False)

    def connection_requested(self, host: str, port: int, _h: str, _p: int) -> bool:
        self._server.tunnels.append((host, port))
        return True


class Stand:
    """Some servers, an inventory with an asset on each, and a runner that keeps connections."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[Server] = []
        self.bastions: dict[str, Bastion] = {}
        self.key_file = folder / "user_key"
        self.known_hosts = folder / "known_hosts"
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key.write_private_key(str(self.key_file))
        self.runners: list[SshRunner] = []
        self.assets: dict[str, Asset] = {}

    async def listen(self) -> Server:
        """One more host."""
        server = Server(asyncssh.generate_private_key("ssh-ed25519"))
        server.acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            config=None,
            server_factory=lambda: _Door(server),
            server_host_keys=[server.key],
            authorized_client_keys=asyncssh.import_authorized_keys(
                self.user_key.export_public_key().decode()
            ),
            encoding=None,
        )
        server.port = server.acceptor.get_port()
        self.servers.append(server)
        number = len(self.servers)
        code = f"H{number}"
        self.assets[code] = Asset(
            code, "S", "WAS", "DEV", code.lower(), "tomcat", address="127.0.0.1", port=server.port
        )
        self.know()
        return server

    def know(self, **other: asyncssh.SSHKey) -> None:
        """Write known_hosts; ``H1=key`` for a host that is known by another key."""
        self.known_hosts.write_text(
            "".join(
                f"[127.0.0.1]:{server.port} "
                + other.get(f"H{number}", server.key).export_public_key().decode()
                for number, server in enumerate(self.servers, 1)
            )
        )

    def behind(self, code: str, bastion: Server) -> None:
        """From now on the asset is reached through that server."""
        self.bastions["GATE"] = Bastion("GATE", "gate", "127.0.0.1", bastion.port)
        self.assets[code] = replace(self.assets[code], via="GATE")

    def runner(self, *, keep: bool = True, **settings: Any) -> SshRunner:
        inventory = Inventory({}, {}, self.assets, bastions=self.bastions)
        settings = {"connect_timeout_s": 5, "command_timeout_s": 5, **settings}
        runner = SshRunner(
            SshSettings(self.known_hosts, self.key_file, **settings), inventory, Scripts(None)
        )
        if keep:
            runner.keep_connections()
        self.runners.append(runner)
        return runner

    def plan(self, *codes: str) -> Plan:
        inventory = Inventory({}, {}, self.assets, bastions=self.bastions)
        planner = Planner(inventory, load_policy(), Scripts(None), PlanSettings())
        return planner.plan("service_status", codes or list(self.assets), {})

    async def run(self, runner: SshRunner, *codes: str, watch: Any = None) -> RunResult:
        return await runner.run(self.plan(*codes), nothing_inside, watch)

    async def close(self) -> None:
        for runner in self.runners:
            await runner.close()
        for server in self.servers:
            assert server.acceptor is not None
            server.acceptor.close()
            await server.cut_all()
            await server.acceptor.wait_closed()


async def nothing_inside(step: Step) -> StepResult:
    raise AssertionError(f"no step of this plan is inside: {step}")


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    """A port that takes connections and never says a word, and the connections."""
    met: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], met
    finally:
        server.close()
        for writer in met:
            writer.close()
        await server.wait_closed()
