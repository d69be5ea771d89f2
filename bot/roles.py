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

from handlers.services import Link
from prompts.texts import text
from storage import leases
from storage.database import Database, Transaction

log = logging.getLogger(__name__)


_FREE = "leases"
"""The topic that is woken when a process gives up what it does."""


class NotOurTurn(Exception):
    """Another process does this work now."""


@dataclass(frozen=True)
class ReplicaSettings:
    """How replicas on one PostgreSQL share the work."""

    name: str = ""
    """What this process is called in /status; "" = made of host, process number and chance. Give
    each a name of its own: two of one name share the work all the same, but are shown as one."""

    lease_s: float = 10.0
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
        self._others: dict[str, str] = {}
        """Work → who else does it, as of the last beat."""
        self._alive: list[str] = [self.me]
        self._released = False
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    def holds(self, name: str) -> bool:
        """Whether the work is surely ours at this moment."""
        if not self._db.is_shared:
            return True
        return not self._released and time.monotonic() < self._until.get(name, 0.0)

    async def require(self, tx: Transaction, name: str) -> None:
        """Have the work stay ours until this transaction ends. Raises NotOurTurn."""
        if self._db.is_shared and not await leases.still(tx, name, self._fences.get(name, 0)):
            raise NotOurTurn(f"{name}: another process has taken over")

    def states(self) -> list[Link]:
        """For /status: who runs beside this process, and what each does; nothing where alone."""
        if not self._db.is_shared:
            return []
        mine = [name for name in self._names if self.holds(name)]
        found = []
        for replica in sorted({self.me, *self._alive}):
            theirs = [name for name, who in self._others.items() if who == replica]
            does = ", ".join(sorted(mine if replica == self.me else theirs))
            told = text("link_replica_does", mine=replica == self.me, does=does)
            found.append(Link(text("link_replica", name=replica), True, told, needed=False))
        return found

    async def serve(self) -> None:
        """Take and keep leases until cancelled."""
        if not self._db.is_shared:
            await asyncio.Event().wait()
        async with self._db.listen(_FREE) as news:
            while not self._released:
                news.clear()
                await self.beat()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._life_s / 5):
                        await news.wait()
        await asyncio.Event().wait()

    async def beat(self) -> None:
        """Give a sign of life, and take what is free."""
        async with self._turn:
            if not self._released:
                await self._beat()

    async def _beat(self) -> None:
        life_ms = round(self._life_s * 1000)
        # From before the transaction: our clock must run out before the database's does.
        begun = time.monotonic()
        async with asyncio.timeout(self._life_s / 2), self._db.write(urgent=True) as tx:
            await leases.beat(tx, self.me)
            await leases.forget(tx, silent_ms=20 * life_ms)
            taken = {
                name: await leases.take(tx, name, self.me, life_ms, self._fences.get(name, 0))
                for name in self._names
            }
            self._others = await leases.held(tx)
            self._alive = await leases.alive(tx, 2 * life_ms)
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
        """Stop in order: others take over at once, and we take nothing any more."""
        if not self._db.is_shared:
            return
        # Before anything is waited for: a beat under way ends first, and must give nothing back.
        self._released = True
        async with self._turn, self._db.write(urgent=True) as tx:
            # In the order in which they are taken, so that nobody waits in a ring.
            mine = {name: self._fences[name] for name in self._names if name in self._fences}
            await leases.release(tx, mine)
            await leases.forget(tx, [self.me])
            tx.wake(_FREE)

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
