"""What holds for every request and answer, whatever the route: sizes, time, headers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_CEILING = 4 * 1024 * 1024
"""Bytes of the largest body that any route takes; most routes take far less."""
ADDRESS_LIMIT = 8 * 1024
"""Bytes of path and query."""
HEADER_LIMIT = 32 * 1024
"""Bytes of all header lines together."""
HEADERS_LIMIT = 100
BODY_WITHIN_S = 30.0
"""Seconds in which a body must have come; who sends slower holds a connection for nothing."""

REST_LIMIT = 64 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away, so that its sender hears the answer."""
REST_WITHIN_S = 2.0
"""Seconds in which that must be done."""

HEADERS = {
    # Answers are data; the pages of the web room and of /docs name their own, wider policies.
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Set wherever the route does not set them itself."""


class Floor:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, ceiling: int = BODY_CEILING) -> None:
        self._app = app
        self._ceiling = ceiling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _too_long(scope):
            # Before it is accepted: the other side gets 403.
            await send({"type": "websocket.close", "code": 1009, "reason": "too long"})
            return
        await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        body = _Body(receive, self._ceiling)

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            elif not message.get("more_body", False):
                await body.throw_away()
            await send(message)

        refused = _too_long(scope) or self._too_large(scope)
        if refused is not None:
            await _refuse(answer, *refused)
            return
        try:
            await self._app(scope, body, answer)
        except Exception:
            # The boundary: the server writes the log; the caller learns nothing of the inside.
            if not begun:
                await _refuse(answer, 500, "internal", "something broke; the log says what")
            raise

    def _too_large(self, scope: Scope) -> tuple[int, str, str] | None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:12]) > self._ceiling:
            return 413, "too_large", f"a body has at most {self._ceiling} bytes"
        return None


class _Body:
    """The body as it comes: no larger and no slower than it may be."""

    def __init__(self, receive: Receive, ceiling: int) -> None:
        self._receive = receive
        self._left = ceiling
        self._ends: float | None = None
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._ends = self._ends or loop.time() + BODY_WITHIN_S
        try:
            async with asyncio.timeout_at(self._ends):
                message = await self._receive()
        except TimeoutError:
            self._whole = True  # nobody waits for the rest of it
            raise HTTPException(408, f"the body took longer than {BODY_WITHIN_S:.0f} s") from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            # FastAPI lets only an HTTPException out while it reads a body.
            raise HTTPException(413)
        self._whole = not message.get("more_body", False)
        return message

    async def throw_away(self) -> None:
        """Read what the route left unread, for a moment.

        A connection that is closed with bytes unread is reset, and the answer with it: whoever
        sent too much would never learn that it was too much.
        """
        left = REST_LIMIT
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_WITHIN_S):
                while not self._whole and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._whole = not message.get("more_body", False)


def _too_long(scope: Scope) -> tuple[int, str, str] | None:
    address = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if address > ADDRESS_LIMIT:
        return 414, "address_too_long", f"an address has at most {ADDRESS_LIMIT} bytes"
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    sizes = [len(name) + len(value) for name, value in headers]
    if len(sizes) > HEADERS_LIMIT or sum(sizes) > HEADER_LIMIT:
        return 431, "headers_too_large", f"headers have at most {HEADER_LIMIT} bytes"
    return None


async def _refuse(send: Send, status: int, error: str, message: str) -> None:
    body = json.dumps({"error": error, "message": message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # Whatever else the connection holds is not read as a new request.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
