"""Connections to hosts: opened with care, lent to one run at a time, and kept for the next one.

A host takes a place among the running ones only when it has let Watchstander in.  Until then it is
waited for apart, and a login begins only when the host has said something: hosts that are away
delay nobody.  A kept connection is given out again only while the files that made it trusted
(host keys, login keys) are what they were when it was opened.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from engine.execution.answering import Caller
from engine.execution.bastions import Bastions, Tunnel
from engine.execution.host_keys import Changing, Login, Stamp, known_hosts, login_key
from engine.execution.outcome import visible
from engine.execution.ssh_setup import SshSettings
from engine.execution.turns import Turns
from prompts.texts import Text, text
from storage import failpoints

log = logging.getLogger(__name__)
# At INFO asyncssh logs every command with its arguments; the audit log is the place for those.
asyncssh.set_log_level(logging.WARNING)

_KEX_FIRST = "^curve25519-sha256,curve25519-sha256@libssh.org"
"""The cheapest of the good ones is asked for first; the others are there for hosts without it."""
_KEEPALIVE_S = 15
_KEEPALIVES = 3
"""Seconds between questions whether the other side is there, and those without an answer until it
is taken for lost."""
_SLOT_S = 1.0
"""Seconds after which a login no longer counts as under way: it waits for the other side."""
_FRESH_S = 1.0
"""Seconds for which a connection that was not used yet is believed to stand."""


class NotBegun(Exception):
    """The command was surely not started. ``broken``: because of the connection alone."""

    def __init__(self, reason: Text, *, broken: bool = False) -> None:
        super().__init__(reason.key)
        self.text = reason
        self.broken = broken


class Withheld(Exception):
    """The command was surely not started: it may not be any more."""


@dataclass(frozen=True)
class Place:
    """Where a connection goes and how; what differs in any of it never shares a connection."""

    login: str
    address: str
    port: int
    key: Path
    via: Place | None = None
    """The bastion that it goes through."""
    name: str = field(default="", compare=False)
    """What people call it."""


_Trusted = tuple[asyncssh.SSHClientConnection, Stamp]
"""A connection, and what it was trusted by."""


@dataclass(eq=False)
class _Open:
    """An open connection."""

    place: Place
    ssh: asyncssh.SSHClientConnection
    stamp: Stamp
    tunnel: Tunnel | None
    took_s: float
    since: float = field(default_factory=time.monotonic)
    used: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def aged(self) -> bool:
        """Whether it may have died since anybody heard of it."""
        return self.used or time.monotonic() - self.since > _FRESH_S

    def drop(self) -> None:
        """Cut it."""
        if self.timer is not None:
            self.timer.cancel()
        self.ssh.abort()
        if self.tunnel is not None:
            self.tunnel.leave()
            self.tunnel = None


class Lent:
    """A connection in the hands of one run."""

    def __init__(self, pool: Pool, held: _Open, wanted: Callable[[], bool]) -> None:
        self._pool = pool
        self._held = held
        self._wanted = wanted
        self._renewed = False
        self.took_s = held.took_s
        """Seconds that it took to open; 0 for a kept one."""
        self.spoiled = False
        """Set it when a command may still go on there: the connection is not kept."""

    @property
    def ssh(self) -> asyncssh.SSHClientConnection:
        return self._held.ssh

    def begin(self) -> bool:
        """Before each use. Whether the connection may be replaced should it turn out broken: once,
        and not a new one, whose failure is the host's own answer."""
        renewable = self._held.aged and not self._renewed
        self._held.used = True
        return renewable

    async def renew(self) -> None:
        """Take a new connection in place of this one, which is cut. Raises as Pool.open."""
        self._renewed = True
        self._held.drop()
        await self._held.ssh.wait_closed()
        self._held = await self._pool.open(self._held.place, self._wanted)

    async def give_back(self, *, whole: bool) -> None:
        """Keep it for the next run, or cut it."""
        if whole and not self.spoiled and self._pool.keep(self._held):
            return
        self._held.drop()
        await self._held.ssh.wait_closed()


class Pool:
    """All connections of the process."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._keeping = False
        self._kept: dict[Place, list[_Open]] = {}
        self._places = Turns(settings.parallel)
        self._waiting = Turns(settings.connecting)
        self._handshakes = asyncio.Semaphore(settings.handshakes)
        self._hosts = known_hosts(settings.known_hosts)
        self._keys: dict[Path, Changing[Login]] = {}
        self._bastions = Bastions(settings.per_bastion, self._to_bastion, self._stamp)
        self._caller = Caller()

    def start(self) -> None:
        """From now on connections are kept; whoever starts it closes it."""
        self._keeping = self._settings.kept > 0

    async def close(self) -> None:
        """Close what is kept, and keep nothing any more."""
        self._keeping = False
        kept = [held for many in self._kept.values() for held in many]
        self._kept.clear()
        for held in kept:
            held.drop()
            await held.ssh.wait_closed()
        await self._bastions.close()

    @asynccontextmanager
    async def lent(
        self, place: Place, run: object, wanted: Callable[[], bool]
    ) -> AsyncIterator[Lent]:
        """A connection with a place among the running ones. Raises NotBegun and Withheld.

        ``run`` says for whom, so that runs share; ``wanted`` whether it still has something to
        send, asked before a host is connected to.  What the block raises cuts the connection.
        """
        held = self._take(place)
        if held is None:
            async with self._waiting.turn(run):
                held = await self.open(place, wanted)
                await self._place(held, run)
        else:
            await self._place(held, run)
        lent = Lent(self, held, wanted)
        whole = False
        try:
            yield lent
            whole = True
        finally:
            self._places.give()
            await lent.give_back(whole=whole)

    async def _place(self, held: _Open, run: object) -> None:
        try:
            await self._places.take(run)
        except asyncio.CancelledError:
            held.drop()
            raise

    # ── kept connections ──────────────────────────────────────────────────────────────────────────

    def _take(self, place: Place) -> _Open | None:
        now = self._stamp(place)
        while many := self._kept.get(place):
            held = many[-1]
            self._forget(held)
            if held.stamp == now and not held.ssh.is_closed():
                assert held.timer is not None
                held.timer.cancel()
                held.took_s = 0.0
                return held
            held.drop()
        return None

    def keep(self, held: _Open) -> bool:
        """Whether it was taken back."""
        if not self._keeping or held.ssh.is_closed():
            return False
        held.timer = asyncio.get_running_loop().call_later(
            self._settings.idle_s, self._expire, held
        )
        held.since = time.monotonic()
        watch_over(held.ssh)
        self._kept.setdefault(held.place, []).append(held)
        everyone = [one for many in self._kept.values() for one in many]
        if len(everyone) > self._settings.kept:
            self._expire(min(everyone, key=lambda one: one.since))
        return True

    def _expire(self, held: _Open) -> None:
        self._forget(held)
        held.drop()

    def _forget(self, held: _Open) -> None:
        many = self._kept[held.place]
        many.remove(held)
        if not many:
            del self._kept[held.place]

    def _stamp(self, place: Place) -> Stamp:
        """Of everything that makes a connection trusted: the host keys, and the keys of the way."""
        behind = self._stamp(place.via) if place.via else self._hosts.stamp()
        return (*behind, *self._key(place.key).stamp())

    def _key(self, path: Path) -> Changing[Login]:
        found = self._keys.get(path)
        if found is None:
            found = self._keys[path] = login_key(path)
        return found

    # ── new ones ──────────────────────────────────────────────────────────────────────────────────

    async def open(self, place: Place, wanted: Callable[[], bool]) -> _Open:
        """Connect and log in. Raises NotBegun; Withheld when it is not ``wanted`` any more."""
        begun = time.monotonic()
        _ask(wanted)
        tunnel = await self._bastions.tunnel(place.via) if place.via else None
        try:
            _ask(wanted)
            ssh, stamp = await self._told(place, tunnel)
        except BaseException:
            if tunnel is not None:
                tunnel.leave()
            raise
        return _Open(place, ssh, stamp, tunnel, time.monotonic() - begun)

    async def _to_bastion(self, place: Place) -> _Trusted:
        ssh, stamp = await self._told(place, None)
        watch_over(ssh)
        return ssh, stamp

    async def _told(self, place: Place, tunnel: Tunnel | None) -> _Trusted:
        """Connect, with every failure told in words. Raises NotBegun."""
        name = place.name or place.address
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                failpoints.before("ssh.connect")
                opened = await self._connect(place, tunnel)
                failpoints.after("ssh.connect")
                return opened
        except asyncssh.HostKeyNotVerifiable:
            raise NotBegun(text("plan_run_host_key", host=name)) from None
        except asyncssh.PermissionDenied as error:
            raise NotBegun(text("plan_run_login", host=name, reason=reason_of(error))) from None
        except (asyncssh.Error, OSError, ValueError) as error:
            raise NotBegun(
                text("plan_run_unreachable", host=name, reason=reason_of(error))
            ) from None

    async def _connect(self, place: Place, tunnel: Tunnel | None) -> _Trusted:
        hosts, known = await self._hosts.content()
        login, key = await self._key(place.key).content()
        stamp = (*(tunnel.stamp if tunnel else hosts), *login)
        door = None if tunnel else await self._caller.answering(place.address, place.port)
        try:
            async with self._handshake():
                ssh = await asyncssh.connect(
                    place.address,
                    place.port,
                    sock=door,
                    tunnel=tunnel.ssh if tunnel else (),
                    username=place.login,
                    known_hosts=known,
                    client_keys=[key],
                    # Nothing from the account Watchstander runs under: no ~/.ssh/config, no agent.
                    config=None,
                    agent_path=None,
                    preferred_auth="publickey",
                    kex_algs=_KEX_FIRST,
                )
                return ssh, stamp
        except BaseException:
            if door is not None:
                door.close()
            raise

    @asynccontextmanager
    async def _handshake(self) -> AsyncIterator[None]:
        """A place among the logins under way, for as long as the other side takes part."""
        await self._handshakes.acquire()
        give: Callable[[], None] = _once(self._handshakes.release)
        timer = asyncio.get_running_loop().call_later(_SLOT_S, give)
        try:
            yield
        finally:
            timer.cancel()
            give()


def _ask(wanted: Callable[[], bool]) -> None:
    if not wanted():
        raise Withheld


def watch_over(ssh: asyncssh.SSHClientConnection) -> None:
    """From now on ask now and then whether the other side is there: for what lasts a while."""
    ssh.set_keepalive(_KEEPALIVE_S, _KEEPALIVES)


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """The same call, which does nothing the second time."""
    left = [call]
    return lambda: left.pop()() if left else None


def reason_of(error: Exception) -> str:
    """A library's or a host's words, fit to be shown."""
    return visible(str(error) or type(error).__name__)[:200].replace("\n", " ")
