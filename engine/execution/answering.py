"""TCP connections to hosts that have begun to speak: SSH's server does so first, unasked."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_RESOLVING = 32
"""Names looked up at the same time; each look may block a thread for seconds."""


class Caller:
    """Calls hosts; those whose names are looked up in vain hold up nobody else."""

    def __init__(self) -> None:
        self._resolver = ThreadPoolExecutor(_RESOLVING, thread_name_prefix="resolve")

    async def answering(self, address: str, port: int) -> socket.socket:
        """A TCP connection on which the host has begun to speak. Raises OSError."""
        failure: OSError = OSError(f"no address for {address}")
        for family, there in await self._addresses(address, port):
            door = socket.socket(family, socket.SOCK_STREAM)
            door.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(door, there)
                await _readable(door)
                return door
            except OSError as error:
                door.close()
                failure = error
            except BaseException:
                door.close()
                raise
        raise failure

    async def _addresses(self, address: str, port: int) -> list[tuple[int, Any]]:
        """Family and socket address; a name is looked up apart from everything else."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, address)
            except OSError:
                continue
            return [(family, (address, port))]
        found = await asyncio.get_running_loop().run_in_executor(
            self._resolver,
            lambda: socket.getaddrinfo(address, port, type=socket.SOCK_STREAM),
        )
        return [(family, there) for family, _, _, _, there in found]


async def _readable(door: socket.socket) -> None:
    """Wait until there is something to read, or the end."""
    loop = asyncio.get_running_loop()
    spoke: asyncio.Future[None] = loop.create_future()
    loop.add_reader(door, lambda: None if spoke.done() else spoke.set_result(None))
    try:
        await spoke
    finally:
        loop.remove_reader(door)
