"""Connections that stay on the team's own network, checked each time one is made."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Every address of a host name. Raises OSError when it has none."""

# Link-local addresses are left out on purpose: clouds keep their credentials service there.
_LOCAL: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(block)
    for block in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)


class NotLocal(Exception):
    """The host is not, or not only, on the local network; the text says which address."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver gives. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_local(address: str) -> bool:
    """Whether an address is loopback or private. False for anything that is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(_inside(parsed, block) for block in _LOCAL)


def _inside(address: IPv4Address | IPv6Address, block: IPv4Network | IPv6Network) -> bool:
    return address.version == block.version and address in block


class LocalTransport(httpx.AsyncBaseTransport):
    """Sends requests to checked addresses only.

    The name is resolved and checked for each request and the connection goes to the address that
    was checked, so a name cannot change its meaning in between.  Raises NotLocal, and
    httpx.ConnectError when no address answers.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, resolve: Resolve, *, anywhere: bool):
        self._inner = inner
        self._resolve = resolve
        self._anywhere = anywhere

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        # The certificate is still checked against the name.
        extensions = {**request.extensions, "sni_hostname": host}
        failure: httpx.TransportError | None = None
        for address in await self._addresses(host, port):
            there = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions=extensions,
            )
            try:
                return await self._inner.handle_async_request(there)
            except httpx.ConnectError as error:
                failure = error
        raise failure or httpx.ConnectError(f"{host} has no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError):  # UnicodeError: a name that no resolver takes
            raise httpx.ConnectError(f"no address is known for {host}") from None
        if not self._anywhere:
            for address in found:
                if not is_local(address):
                    raise NotLocal(
                        f"{host} is at {address}, which is not a local address: no message is sent"
                        " there; give a local server in [model] url, or an https:// address and"
                        " [model] allow_remote_server"
                    )
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()
