"""Wrong bearer tokens, counted by the address that sends them.

A token has 256 random bits, so there is nothing to guess and nothing to lock: a good token always
gets in, also from an address that sends wrong ones, for behind one proxy many programs share it.
What is saved is work and log lines: above the limit a wrong token hears 429 and when to come back.
So the count is in memory, and a row is never written for somebody whom nobody knows.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from starlette.requests import HTTPConnection

LIMIT = 30
"""Wrong tokens from one address in a minute that are told what is wrong with them."""
WINDOW_S = 60.0
_ADDRESSES = 10_000


class WrongTokens:
    """One count for all REST routes of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, tuple[float, int]] = {}

    def too_many(self, address: str) -> bool:
        """Count one more wrong token; whether it is above the limit."""
        now = self._clock()
        since, count = self._begun.get(address, (now, 0))
        if now - since >= WINDOW_S:
            since, count = now, 0
        if address not in self._begun and len(self._begun) >= _ADDRESSES:
            self._forget(now)
        self._begun[address] = (since, count + 1)
        return count >= LIMIT

    def _forget(self, now: float) -> None:
        """Many addresses at once: those that were quiet go, and if none was, all of them."""
        kept = {a: (s, n) for a, (s, n) in self._begun.items() if now - s < WINDOW_S}
        self._begun = kept if len(kept) < _ADDRESSES else {}


def address_of(connection: HTTPConnection) -> str:
    """Where a request comes from: the peer, or what a trusted proxy tells of it.

    Of IPv6, the network of one customer: whoever has one address has them all.
    """
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host
