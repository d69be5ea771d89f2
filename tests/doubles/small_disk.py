"""A disk that a test can fill up, make read-only, and empty again.

Where mounting is allowed it is a small file system of its own, and what fails is the kernel's "no
space left on device".  Elsewhere the process itself is forbidden to let its files grow.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SIZE_MB = 24
_BLOCK = 4096


class SmallDisk:
    """``folder`` is on it. ``pid`` names the process that writes there; set it before filling."""

    def __init__(self, folder: Path, mounted: bool) -> None:
        self.folder = folder
        self.mounted = mounted
        self.pid = 0
        self._filler = folder / "filler"

    def fill(self, *, leave: int = 0) -> None:
        """Not a byte more fits, but for ``leave`` bytes."""
        if not self.mounted:
            sizes = [file.stat().st_size for file in self.folder.iterdir() if file.is_file()]
            self._limit(max(sizes, default=0) + leave)
            return
        with self._filler.open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\1" * _BLOCK)
            file.truncate(max(0, file.tell() - leave))

    def free(self) -> None:
        """There is room again."""
        if not self.mounted and self.pid:
            self._limit(resource.RLIM_INFINITY)
        self._filler.unlink(missing_ok=True)

    def shut(self, file: str) -> None:
        """``file`` cannot be written, nor anything else here. Nobody may have a file on it open.

        Where nothing can be mounted, a folder stands in that file's place.
        """
        if self.mounted:
            assert _mount("-o", "remount,ro", str(self.folder))
        else:
            (self.folder / file).mkdir()

    def open_again(self, file: str) -> None:
        """It can be written."""
        if self.mounted:
            assert _mount("-o", "remount,rw", str(self.folder))
        elif (self.folder / file).is_dir():
            (self.folder / file).rmdir()

    def _limit(self, most: int) -> None:
        hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (most, hard))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """An empty disk at ``folder``, gone afterwards."""
    folder.mkdir(parents=True)
    mounted = os.geteuid() == 0 and _mount(
        "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "small", str(folder)
    )
    try:
        yield SmallDisk(folder, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder)


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0
