"""One message after the other through the reader, each with the time that it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.commandline.output import remark
from engine.inventory import Inventory
from engine.language.contract import Reading
from engine.language.model import ModelSettings
from engine.language.reader import Reader

_LOOK_S = 0.05
"""Seconds between two looks whether the model is loaded."""


@dataclass(frozen=True)
class Timed:
    """A reading and the milliseconds from the text to it."""

    reading: Reading
    ms: float


@contextmanager
def readings(inventory: Inventory, settings: ModelSettings) -> Iterator[Callable[[str], Timed]]:
    """A function that reads one message; the model, if there is one, is loaded before.

    A model that cannot be used is told on standard error, and the rules read. Between two
    messages the event loop rests: whoever waits for the next line may block.
    """
    with asyncio.Runner() as runner:
        reader = Reader(inventory, settings)
        try:
            _start(runner, reader)
            yield lambda text: runner.run(_timed(reader, text))
        finally:
            runner.run(reader.stop())


def _start(runner: asyncio.Runner, reader: Reader) -> None:
    before = reader.model.detail
    runner.run(reader.start())
    # Start waits seconds; a model of gigabytes loads for longer. The detail changes when its
    # first try ends, well or not, which it does within the model's own limit.
    while not reader.model.ok and reader.model.detail == before:
        runner.run(asyncio.sleep(_LOOK_S))
    if not reader.model.ok:
        remark(f"read without the model: {reader.model.detail}")


async def _timed(reader: Reader, text: str) -> Timed:
    began = time.perf_counter()
    reading = await reader.read(text)
    return Timed(reading, (time.perf_counter() - began) * 1000)
