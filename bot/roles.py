"""Which work this process does, where several share a database: each by lease, one at a time.

On SQLite there is one process, and it does everything.  On PostgreSQL each loop here runs in one
replica: the one that holds its lease.  A replica that cannot make its leases longer in time stops
by its own clock, before another may begin; what is written conditionally catches the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from storage import leases
from storage.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplicaSettings:
    """How replicas on one PostgreSQL share the work."""

    name: str = ""
    """What this process is called in /status and in the log; "" = made of host, process, chance."""

    lease_s: float = 15.0
    """Seconds after which the work of a replica that went silent is taken over."""

    def __post_init__(self) -> None:
        if self.lease_s < 1:
            raise ValueError(f"lease_s: {self.lease_s} is too short; give at least 1")


class Roles:
    """The leases of this process. ``names`` are all the works there are."""

    def __init__(self, db: Database, settings: ReplicaSettings, names: tuple[str, ...]) -> None:
        chance = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.me = settings.name or chance
        self._db = db
        self._life_s = settings.lease_s
        self._names = names
        self._until: dict[str, float] = {}
        """Work → the monotonic moment up to which it is surely ours."""
        self._fences: dict[str, int] = {}
        self._changed = asyncio.Event()

    def holds(self, name: str) -> bool:
        """Whether the work is surely ours at this moment."""
        return not self._db.is_shared or time.monotonic() < self._until.get(name, 0.0)

    def fence(self, name: str) -> int:
        """What tells our turn from later ones; 0 where nobody else can have it."""
        return self._fences.get(name, 0)

    async def serve(self) -> None:
        """Take and keep leases until cancelled."""
        if not self._db.is_shared:
            await asyncio.Event().wait()
        while True:
            await self.beat()
            await asyncio.sleep(self._life_s / 5)

    async def beat(self) -> None:
        """Give a sign of life, and take what is free."""
        life_ms = round(self._life_s * 1000)
        # From before the transaction: our clock must run out before the database's does.
        begun = time.monotonic()
        async with asyncio.timeout(self._life_s / 2), self._db.write() as tx:
            await leases.beat(tx, self.me)
            await leases.forget(tx, silent_ms=20 * life_ms)
            taken = {name: await leases.take(tx, name, self.me, life_ms) for name in self._names}
        for name, fence in taken.items():
            if fence is None:
                self._until.pop(name, None)
                continue
            if fence != self._fences.get(name) or not self.holds(name):
                log.info("this replica now does: %s", name)
            self._fences[name] = fence
            self._until[name] = begun + self._life_s
        self._changed.set()

    async def release(self) -> None:
        """Stop in order: others take over at once."""
        if not self._db.is_shared:
            return
        self._until.clear()
        self._changed.set()
        async with self._db.write() as tx:
            await leases.release(tx, self.me)
            await leases.forget(tx, [self.me])

    async def while_held(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop whenever the work is ours, and end it when it no longer is; until cancelled.

        Raises what the loop raises.
        """
        while True:
            await self._wait(name)
            task = asyncio.ensure_future(loop())
            try:
                while self.holds(name) and not task.done():
                    await asyncio.wait([task], timeout=self._life_s / 20)
            finally:
                task.cancel()
                await asyncio.wait([task])
            if not task.cancelled():
                task.result()
            log.info("this replica no longer does: %s", name)

    async def _wait(self, name: str) -> None:
        while not self.holds(name):
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._life_s / 5):
                    await self._changed.wait()
