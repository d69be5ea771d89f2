"""The whole bot as a forked process that ends itself, or writes down which points it passes.

``PROCESSES`` forks from a server that has imported everything once, so a start takes a fraction of
a second.  Nothing of the product is replaced: the failpoints are armed, and that is all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from bot.app import App
from bot.platforms.telegram.platform import TelegramPlatform
from bot.serving import serve
from bot.settings import load_settings
from engine.language import lexicon
from prompts import texts
from storage import failpoints
from storage.failpoints import When

PROCESSES = multiprocessing.get_context("forkserver")
# A child imports its parent's main module first: pytest, unless the server has that already.
PROCESSES.set_forkserver_preload([__name__, *({"pytest"} & sys.modules.keys())])

__all__ = ("PROCESSES", "Bot", "Orders", "Point")

_ROOM_INTERVAL_S = 0.005
"""Telegram's pace is a second a message; the double counts no messages here, and cases are many."""


@dataclass(frozen=True)
class Point:
    """A moment to die at: the ``number``-th time that a failpoint is passed."""

    name: str
    when: When
    number: int = 1

    def __str__(self) -> str:
        return f"{self.when}:{self.name}:{self.number}"

    @staticmethod
    def parse(words: str) -> Point:
        """Read ``before:outbox.insert:3``. Raises ValueError for anything else."""
        when, name, number = words.split(":")
        if when == "before":
            return Point(name, "before", int(number))
        if when == "after":
            return Point(name, "after", int(number))
        raise ValueError(f"{words!r}: write before:NAME:NUMBER or after:NAME:NUMBER")


@dataclass(frozen=True)
class Orders:
    """What one process is to do. ``place`` + ".log", ".ready", ".hits", ".died" are its files."""

    config: Path
    place: str
    die: Point | None = None
    record: bool = False

    def file(self, ending: str) -> Path:
        return self.config.with_name(f"{self.place}.{ending}")


class _Points:
    """Counts the points that are passed; at one of them the process is gone."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.passed: Counter[tuple[str, str]] = Counter()

    def __call__(self, name: str, when: When) -> None:
        self.passed[name, when] += 1
        die = self._orders.die
        if die == Point(name, when, self.passed[name, when]):
            self._orders.file("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self) -> None:
        rows = [[name, when, count] for (name, when), count in sorted(self.passed.items())]
        self._orders.file("hits").write_text(json.dumps(rows), "utf-8")


def _run(orders: Orders) -> None:
    """The process."""
    log = os.open(orders.file("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", force=True)
    for chatty in ("uvicorn", "apscheduler", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    TelegramPlatform.per_room_interval = _ROOM_INTERVAL_S
    points = _Points(orders)
    if orders.die is not None or orders.record:
        failpoints.arm(points)

    async def ready(_app: App, _address: str) -> None:
        orders.file("ready").touch()

    try:
        status = asyncio.run(serve(load_settings(orders.config), ready))
    finally:
        if orders.record:
            points.write()
    assert status == 0


class Bot:
    """One process, seen from outside."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        for ending in ("ready", "died", "hits"):
            orders.file(ending).unlink(missing_ok=True)
        self.killed = False
        """From outside, by a test."""
        self._process: BaseProcess = PROCESSES.Process(target=_run, args=(orders,), daemon=True)
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def ready(self) -> bool:
        return self.orders.file("ready").exists()

    @property
    def died_as_told(self) -> bool:
        """It ended itself at its point."""
        return self._process.exitcode == -signal.SIGKILL and self.orders.file("died").exists()

    @property
    def ended(self) -> str:
        """How it ended, with its last words, for a report."""
        return f"{self.orders.place}: exit {self._process.exitcode}: {self.words()[-1500:]}"

    def words(self) -> str:
        return self.orders.file("log").read_text("utf-8", "replace")

    async def until_ready(self, seconds: float = 60) -> bool:
        """Wait until it answers; False when it ended first. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not self.ready:
                if not self.alive:
                    return False
                await asyncio.sleep(0.01)
        return True

    def kill(self) -> None:
        """kill -9, and take away what is left."""
        self.killed |= self.alive
        self._process.kill()
        self._process.join()

    async def stop(self, seconds: float = 60) -> int:
        """Stop it in order; the exit status."""
        self._process.terminate()
        async with asyncio.timeout(seconds):
            while self.alive:
                await asyncio.sleep(0.01)
        self._process.join()
        status = self._process.exitcode
        assert status is not None
        return status

    def hits(self) -> list[tuple[str, When, int]]:
        """The points that a recording process passed, and how often."""
        rows = json.loads(self.orders.file("hits").read_text("utf-8"))
        return [(name, when, count) for name, when, count in rows]


def _warm() -> None:
    """What the bot imports and compiles on first use: once here, not in every process."""
    import alembic.command  # noqa: F401
    import uvicorn.lifespan.off
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401

    lexicon.warm()
    for key in texts.catalogue():
        for language in texts.LANGUAGES:
            texts._template(key, language)


_warm()
