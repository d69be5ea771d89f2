"""A server on a loopback port that speaks HTTP by hand, so that a test can misbehave in any way."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Behave = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Speaker:
    """The server: ``behave`` answers what is posted, and may be changed at any time."""

    behave: Behave
    url: str = ""
    models: list[str] = field(default_factory=lambda: ["the-model"])
    posted: list[Request] = field(default_factory=list)
    looks: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            if request.method == "GET":
                self.looks += 1
                await reply(writer, {"data": [{"id": name} for name in self.models]})
            else:
                self.posted.append(request)
                await self.behave(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side left first
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def speaking(
    behave: Behave, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Speaker]:
    """A running server; its ``url`` ends with /v1."""
    speaker = Speaker(behave)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(speaker.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    speaker.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"
    try:
        yield speaker
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(raw) if raw else None)


async def reply(
    writer: asyncio.StreamWriter, content: Any, status: str = "200 OK", *headers: str
) -> None:
    """A whole answer: JSON, or bytes as they are."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", "Connection: close", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
    await writer.drain()


def says(content: Any) -> Behave:
    """Answers every request as a chat completion with this text."""

    async def behave(_request: Request, writer: asyncio.StreamWriter) -> None:
        await reply(writer, {"choices": [{"message": {"role": "assistant", "content": content}}]})

    return behave


def answers(content: Any, status: str = "200 OK", *headers: str) -> Behave:
    """Answers every request with exactly this."""

    async def behave(_request: Request, writer: asyncio.StreamWriter) -> None:
        await reply(writer, content, status, *headers)

    return behave
