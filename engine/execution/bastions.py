"""Connections to bastions, each shared by several hosts behind it, open while any of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import asyncssh

from engine.execution.host_keys import Stamp

_UNCLAIMED_S = 1.0
"""Seconds after which a new connection is closed that nobody waited for to the end."""
_Via = TypeVar("_Via")


@dataclass(eq=False)
class _Shared:
    ssh: asyncssh.SSHClientConnection
    stamp: Stamp
    users: int = 0
    ended: bool = False

    def end(self) -> None:
        """Close it. It takes a moment, and nobody may come to it meanwhile."""
        self.ended = True
        self.ssh.abort()


class Tunnel:
    """One host's part in the connection to a bastion."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self.ssh = shared.ssh
        self.stamp = shared.stamp
        shared.users += 1

    def leave(self) -> None:
        """Give it up, once; the last one closes the connection."""
        self._shared.users -= 1
        if self._shared.users == 0:
            self._shared.end()


class Bastions(Generic[_Via]):
    """``most`` hosts through one connection. ``open`` connects and logs in, ``stamp`` tells what
    the connection is trusted by; both get the bastion."""

    def __init__(
        self,
        most: int,
        open: Callable[[_Via], Awaitable[tuple[asyncssh.SSHClientConnection, Stamp]]],
        stamp: Callable[[_Via], Stamp],
    ) -> None:
        self._most = most
        self._open = open
        self._stamp = stamp
        self._shared: dict[_Via, list[_Shared]] = {}
        self._opening: dict[_Via, asyncio.Task[None]] = {}

    async def tunnel(self, via: _Via) -> Tunnel:
        """A way through the bastion; raises what opening it raises.

        One connection is opened at a time, and whoever waits for it shares its failure: a bastion
        that is away costs all hosts behind it one timeout together.
        """
        while True:
            now = self._stamp(via)
            for shared in self._standing(via):
                if shared.users < self._most and shared.stamp == now:
                    return Tunnel(shared)
            opening = self._opening.get(via)
            if opening is None:
                opening = asyncio.create_task(self._add(via), name="bastion")
                self._opening[via] = opening
            await asyncio.shield(opening)

    async def close(self) -> None:
        """Cut all of them."""
        for opening in list(self._opening.values()):
            opening.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        self._opening.clear()  # one that had not even begun leaves its entry
        for via in list(self._shared):
            for shared in self._standing(via):
                shared.end()
                await shared.ssh.wait_closed()
        self._shared.clear()

    async def _add(self, via: _Via) -> None:
        try:
            shared = _Shared(*await self._open(via))
            self._shared.setdefault(via, []).append(shared)
        finally:
            del self._opening[via]
        asyncio.get_running_loop().call_later(
            _UNCLAIMED_S, lambda: None if shared.users else shared.end()
        )

    def _standing(self, via: _Via) -> list[_Shared]:
        standing = [
            one for one in self._shared.get(via, ()) if not (one.ended or one.ssh.is_closed())
        ]
        self._shared[via] = standing
        return standing
