"""Settings of the web room."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class WebSettings:
    """Where the page and the REST API listen, and how long people stay signed in."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine by default. 0.0.0.0 opens it to the network."""

    port: int = 8484
    """TCP port to listen on."""

    public_url: str = ""
    """The address people type, e.g. https://ops.example.org; empty = whatever they asked for.
    Set it behind a reverse proxy: pages from any other address are then refused."""

    session_days: float = 14.0
    """Days until a browser has to sign in again; two weeks outlast a holiday, not a lost laptop."""

    recheck_seconds: float = 15.0
    """Seconds between looks at whether an open connection's session or token was revoked."""

    bot_name: str = "Watchstander"
    """The name that the bot speaks under in the web room."""

    @property
    def secure(self) -> bool:
        """Whether people come over https, so that cookies may be sent over nothing else."""
        return self.public_url.lower().startswith("https://")

    def origin_allowed(self, origin: str | None, host: str | None) -> bool:
        """Whether a browser page of this origin may connect; ``host`` is the Host header.

        No origin, ``null`` and foreign ones are refused.
        """
        came_from = _place(origin or "")
        if came_from is None:
            return False
        if not self.public_url:
            # The session cookie belongs to this host name: a page elsewhere has none to use.
            return came_from == _place(f"{came_from[0]}://{host}")
        wanted = _place(self.public_url)
        if wanted is None:
            return False
        if wanted[1] in _LOOPBACK:
            return came_from in {(wanted[0], name, wanted[2]) for name in _LOOPBACK}
        return came_from == wanted


def _place(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None when it is not a web address."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
