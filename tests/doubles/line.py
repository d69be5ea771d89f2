"""A line that can be cut without a word: a proxy on the loopback in front of any server.

async with Line(port) as line:           # or Line(path_of_a_unix_socket)
    connect to 127.0.0.1:line.port
    line.cut()                           # half open: nothing gets through, nothing is closed
    line.mend()                          # new connections get through; old ones stay dead
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Line:
    """Everything that was open when it was cut stays silent for good, as after a lost route."""

    def __init__(self, target: int | str) -> None:
        self._target = target
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        """Connections that were ever made to it."""

    def cut(self) -> None:
        """From now on nothing arrives, in either direction; the kernel still takes it all."""
        # Those that are open keep the event that was cleared: mending is for new ones.
        self._whole.clear()
        self._whole = asyncio.Event()

    def mend(self) -> None:
        """Those who connect, or waited for their connection, get through."""
        self._whole.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        whole = self._whole
        if isinstance(self._target, int):
            far, there = await asyncio.open_connection("127.0.0.1", self._target)
        else:
            far, there = await asyncio.open_unix_connection(self._target)
        try:
            with contextlib.suppress(ConnectionError):
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, there, whole))
                    both.create_task(_pump(far, writer, whole))
        finally:
            there.close()


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, whole: asyncio.Event
) -> None:
    while data := await source.read(65536):
        if not whole.is_set():
            # Taken and swallowed: the sender's kernel has its acknowledgement.
            continue
        sink.write(data)
        await sink.drain()
    if whole.is_set():
        with contextlib.suppress(OSError):
            sink.write_eof()
