"""The files that say whom to trust and how to log in: read once, and again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import asyncssh

_T = TypeVar("_T")
Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file the time of its last change, its number and size; None for one that is not there."""


class Changing(Generic[_T]):
    """What is in some files. ``read`` runs in a thread; it raises OSError and ValueError."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], _T]) -> None:
        self._paths = paths
        self._read = read
        self._held: tuple[Stamp, _T] | None = None
        self._reading = asyncio.Lock()

    def stamp(self) -> Stamp:
        """Of the files as they are now."""
        return tuple(map(_stamp, self._paths))

    async def content(self) -> tuple[Stamp, _T]:
        """What is in them now, and a stamp no younger than it. Raises OSError, ValueError."""
        async with self._reading:
            stamp = self.stamp()
            if self._held is None or self._held[0] != stamp:
                self._held = stamp, await asyncio.to_thread(self._read)
            return self._held


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


Login = asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]
"""A private key, alone or with its certificate."""


def known_hosts(path: Path) -> Changing[asyncssh.SSHKnownHosts]:
    """The host keys in a file."""
    return Changing([path], lambda: asyncssh.read_known_hosts(str(path)))


def login_key(path: Path) -> Changing[Login]:
    """The private key in a file, with the certificate beside it (PATH-cert.pub) if there is one."""
    beside = Path(f"{path}-cert.pub")

    def read() -> Login:
        key = asyncssh.read_private_key(str(path))
        return (key, asyncssh.read_certificate(str(beside))) if beside.exists() else key

    return Changing([path, beside], read)
