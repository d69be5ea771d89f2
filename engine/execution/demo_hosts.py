"""Simulated hosts for the demo and for tests: a real SSH server, make-believe machines behind it.

Every host of the inventory listens on a port of 127.0.0.1.  Whatever argv a host is given is in the
ledger, written and flushed before the host acts on it, so the ledger proves what was sent and how
often.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncssh

from engine.execution.demo_machine import Answer, DemoMachine
from engine.inventory import Asset, Inventory

_ADDRESS = "127.0.0.1"


class DemoHosts:
    """The hosts of an inventory, simulated.

    ``folder`` keeps what has to stay the same between starts: ``host_key``, ``id_ed25519`` (the key
    that Watchstander logs in with), ``ports.json``, ``known_hosts``, ``ledger.jsonl`` and a home
    folder per host.  All of it is readable to its owner only.
    """

    def __init__(self, inventory: Inventory, folder: Path) -> None:
        self.inventory = inventory
        self.folder = folder
        self.key_file = folder / "id_ed25519"
        self.known_hosts = folder / "known_hosts"
        self.ledger = folder / "ledger.jsonl"
        self.ports: dict[str, int] = {}
        """Host → port on 127.0.0.1; filled by start()."""
        self.delay_s = 0.0
        """Seconds that every command takes after it is in the ledger: slow hosts."""
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        self._connections: set[asyncssh.SSHServerConnection] = set()

    async def start(self) -> None:
        """Listen, on the ports of the last start where they are free. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        host_key = _key(self.folder / "host_key")
        client_key = _key(self.key_file)
        wanted = self._last_ports()
        hosts: dict[str, list[Asset]] = {}
        for asset in self.inventory.assets.values():
            hosts.setdefault(asset.host, []).append(asset)
        for host, assets in hosts.items():
            home = self.folder / "homes" / host
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            machine = DemoMachine(host, assets, home)
            acceptor = await self._listen(machine, host, home, host_key, client_key, wanted)
            self._acceptors.append(acceptor)
            self.ports[host] = acceptor.get_port()
        _write(self.folder / "ports.json", json.dumps(self.ports, indent=1))
        public = host_key.export_public_key().decode().strip()
        lines = [f"[{_ADDRESS}]:{port} {public}\n" for port in self.ports.values()]
        _write(self.known_hosts, "".join(lines))
        self.ledger.touch(mode=0o600)

    async def stop(self) -> None:
        """Close the doors and cut the connections."""
        for acceptor in self._acceptors:
            acceptor.close()
            await acceptor.wait_closed()
        for connection in list(self._connections):
            connection.abort()
            await connection.wait_closed()
        self._acceptors.clear()

    def placed(self) -> Inventory:
        """The inventory with the addresses, ports and key at which its hosts are reached here."""
        assets = {
            code: replace(
                asset,
                address=_ADDRESS,
                port=self.ports[asset.host],
                key=str(self.key_file),
                via="",
            )
            for code, asset in self.inventory.assets.items()
        }
        return replace(self.inventory, assets=assets)

    async def _listen(
        self,
        machine: DemoMachine,
        host: str,
        home: Path,
        host_key: asyncssh.SSHKey,
        client_key: asyncssh.SSHKey,
        wanted: dict[str, int],
    ) -> asyncssh.SSHAcceptor:
        async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
            answer = self._answer(machine, host, process.command or "")
            await asyncio.sleep(self.delay_s)
            process.stdout.write(answer.stdout.encode())
            process.stderr.write(answer.stderr.encode())
            process.exit(answer.status)

        async def listen(port: int) -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                _ADDRESS,
                port,
                config=None,
                server_factory=lambda: _Door(self._connections),
                server_host_keys=[host_key],
                authorized_client_keys=asyncssh.import_authorized_keys(
                    client_key.export_public_key().decode()
                ),
                process_factory=serve,
                sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=bytes(home)),
                encoding=None,
                allow_pty=False,
            )

        try:
            return await listen(wanted.get(host, 0))
        except OSError:
            # Somebody else has the port now; known_hosts and placed() follow.
            return await listen(0)

    def _answer(self, machine: DemoMachine, host: str, command: str) -> Answer:
        try:
            argv = shlex.split(command)
        except ValueError as error:
            self._note(host, [command])
            return Answer(2, "", f"sh: {error}\n")
        self._note(host, argv)
        return machine.run(argv)

    def _note(self, host: str, argv: list[str]) -> None:
        entry = {"at": datetime.now(UTC).isoformat(), "host": host, "argv": argv}
        with self.ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()

    def _last_ports(self) -> dict[str, int]:
        try:
            ports = json.loads((self.folder / "ports.json").read_text(encoding="utf-8"))
            return {str(host): int(port) for host, port in ports.items()}
        except (OSError, ValueError, AttributeError):
            # None yet, or not ours: new ports do as well.
            return {}


class _Door(asyncssh.SSHServer):
    """Remembers the connections, so that they can be cut. Only the one key opens it."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, _: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)


def _key(path: Path) -> asyncssh.SSHKey:
    """The private key in a file; made on first use."""
    if not path.exists():
        _write(path, asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode())
    return asyncssh.read_private_key(str(path))


def _write(path: Path, content: str) -> None:
    """Replace a file whole; only its owner can read it."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(content)
    part.replace(path)
