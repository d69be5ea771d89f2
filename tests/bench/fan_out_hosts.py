"""The targets of the fan-out figures: SSH servers on addresses of their own, in own processes.

``python -m tests.bench.fan_out_hosts FOLDER FIRST LAST SILENT`` plays the hosts FIRST to LAST - 1
with the keys in FOLDER, and SILENT ones that accept and never say a word, until its input ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncssh

PORT = 52200
OUTPUT = b"active\n" * 20


def living(count: int) -> list[str]:
    """Addresses with a server."""
    return [f"127.5.{number // 200}.{number % 200 + 1}" for number in range(count)]


def silent(count: int) -> list[str]:
    """Addresses that accept a connection and never answer."""
    return [f"127.6.{number // 200}.{number % 200 + 1}" for number in range(count)]


def refusing(count: int) -> list[str]:
    """Addresses where nobody listens."""
    return [f"127.7.{number // 200}.{number % 200 + 1}" for number in range(count)]


def prepare(folder: Path, count: int) -> None:
    """Keys of the hosts and of the login, and known_hosts."""
    folder.mkdir(parents=True, exist_ok=True)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    host_key.write_private_key(str(folder / "host_key"))
    user_key.write_private_key(str(folder / "user_key"))
    user_key.write_public_key(str(folder / "user_key.pub"))
    (folder / "user_key").chmod(0o600)
    public = host_key.export_public_key().decode().strip()
    every = [*living(count), *silent(count), *refusing(count)]
    (folder / "known_hosts").write_text("".join(f"[{a}]:{PORT} {public}\n" for a in every))


async def serve(folder: Path, addresses: list[str], quiet: list[str]) -> None:
    """Answer on the addresses until standard input ends."""

    def work(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(OUTPUT)
        process.exit(0)

    loop = asyncio.get_running_loop()
    options = asyncssh.SSHServerConnectionOptions(
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "user_key.pub"),
        process_factory=work,
        encoding=None,
        config=None,
        gss_host=None,
    )
    acceptors = [
        await asyncssh.listen(address, PORT, options=options, config=None, backlog=128)
        for address in addresses
    ]
    dead = [
        await asyncio.start_server(lambda reader, writer: None, address, PORT) for address in quiet
    ]
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for door in (*acceptors, *dead):
        door.close()
    os._exit(0)


if __name__ == "__main__":
    first, last, dead = map(int, sys.argv[2:])
    asyncio.run(serve(Path(sys.argv[1]), living(last)[first:], silent(dead)))
