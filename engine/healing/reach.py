"""Whether an address answers: a TCP connection, or a page over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import httpx

from engine.execution.outcome import visible
from engine.healing.checks import Check
from engine.healing.service_state import Seen
from prompts.texts import text
from storage import failpoints

LARGEST_PAGE = 256 * 1024
"""Bytes of a page that are read."""
_MOST_REDIRECTS = 3


class Reach:
    """Opens connections and closes them again."""

    def __init__(self) -> None:
        self._trusted: ssl.SSLContext | None = None

    async def tcp(self, address: str, port: int, seconds: float) -> Seen:
        """Whether the port takes connections."""
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            async with asyncio.timeout(seconds):
                failpoints.before("probe.tcp")
                _, writer = await asyncio.open_connection(address, port)
                failpoints.after("probe.tcp")
        except TimeoutError:
            return Seen(False, text("probe_late", seconds=f"{seconds:g}"))
        except socket.gaierror:
            return Seen(None, text("probe_no_name", address=address))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return Seen(False, text("probe_refused", where=where, reason=reason))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return Seen(True, text("probe_open", where=where))

    async def http(self, check: Check, seconds: float) -> Seen:
        """Whether the page answers as the check wants it."""
        try:
            async with asyncio.timeout(seconds):
                return await self._page(check, seconds)
        except (TimeoutError, httpx.TimeoutException):
            return Seen(False, text("probe_late", seconds=f"{seconds:g}"))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            reason = visible(str(error) or type(error).__name__)[:160]
            return Seen(False, text("probe_refused", where=_shown(check.url), reason=reason))

    async def _page(self, check: Check, seconds: float) -> Seen:
        if self._trusted is None:
            self._trusted = await asyncio.to_thread(_trusted)
        # Nothing from the environment: no proxy, no password file, no other certificates.
        async with httpx.AsyncClient(
            verify=self._trusted, timeout=seconds, trust_env=False, follow_redirects=False
        ) as client:
            # Plain bytes, so that a few of them cannot grow into gigabytes.
            request = client.build_request(
                "GET",
                check.url,
                headers={"Accept-Encoding": "identity", "User-Agent": "watchstander"},
            )
            for _ in range(_MOST_REDIRECTS + 1):
                failpoints.before("probe.http")
                response = await client.send(request, stream=True)
                failpoints.after("probe.http")
                try:
                    onward = _onward(check, response)
                    if onward is None:
                        return await _judged(check, response)
                finally:
                    await response.aclose()
                request = onward
        return Seen(False, text("probe_redirects", count=_MOST_REDIRECTS))


def _trusted() -> ssl.SSLContext:
    """The public roots, and those of this machine: companies have their own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _onward(check: Check, response: httpx.Response) -> httpx.Request | None:
    """The next request of a redirect that stays on its host; None = judge this answer."""
    request = response.next_request
    if request is None or response.status_code in check.status:
        return None
    old, new = response.request.url, request.url
    same = new.host == old.host and (new.scheme, new.port) in (
        (old.scheme, old.port),
        ("https", None),
    )
    return request if same else None


async def _judged(check: Check, response: httpx.Response) -> Seen:
    status = response.status_code
    if not (status in check.status if check.status else 200 <= status < 400):
        return Seen(False, text("probe_status", status=status))
    if check.contains:
        page = bytearray()
        async for chunk in response.aiter_raw():
            page += chunk[: LARGEST_PAGE - len(page)]
            if len(page) >= LARGEST_PAGE:
                break
        if check.contains not in _words(bytes(page), response.charset_encoding):
            return Seen(False, text("probe_lacks", status=status, words=check.contains[:80]))
    return Seen(True, text("probe_status", status=status))


def _words(page: bytes, charset: str | None) -> str:
    try:
        return page.decode(charset or "utf-8", "replace")
    except LookupError:
        return page.decode("utf-8", "replace")


def _shown(url: str) -> str:
    """Scheme and host: what stands behind them may be secret."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii', 'replace')}"
