"""A psycopg connection that never waits for ever.

A server that hangs, or a network that swallows everything without closing, leaves a statement
without an end: the kernel still acknowledges, so its own limits do not help, and to cancel it the
server would have to answer.  Here each exchange has a limit.  Past it the socket is shut, the
statement fails as on any lost connection, and the pool makes a new one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import sqlalchemy as sa

log = logging.getLogger(__name__)

_CONNECT_S = 5
_KERNEL = {
    # Idle connections: the kernel asks, and notices within about half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Connection(psycopg.AsyncConnection[Any]):
    """``patience_s``: seconds one exchange with the server may take; None = without end."""

    patience_s: float | None = None

    async def wait(self, *args: Any, **options: Any) -> Any:
        """Every exchange goes through here: statements, commits, the pool's own questions."""
        if self.patience_s is None:
            return await super().wait(*args, **options)
        loop = asyncio.get_running_loop()
        limit = loop.call_later(self.patience_s, self._shut)
        try:
            return await super().wait(*args, **options)
        finally:
            limit.cancel()

    def _shut(self) -> None:
        if self.closed:
            return
        log.warning("database: no answer for %s s: this connection is given up", self.patience_s)
        # To close the descriptor would leave whoever waits for it waiting; to shut it wakes them.
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("database: shut already: %s", error)


def connect_args(url: sa.URL, patience_s: float | None) -> dict[str, Any]:
    """What SQLAlchemy hands to psycopg. What the URL sets itself stays.

    The server ends a transaction of ours that stands still for as long: a process that is stopped
    or cut off in the middle of one must not hold its locks against the others.
    """
    args: dict[str, Any] = {"async_creator_fn": _creator(patience_s)}
    wanted: dict[str, Any] = {"connect_timeout": _CONNECT_S, **_KERNEL}
    if patience_s is not None:
        still = f"-c idle_in_transaction_session_timeout={round(patience_s * 1000)}"
        args["options"] = f"{still} {url.query.get('options', '')}".strip()
    return args | {name: value for name, value in wanted.items() if name not in url.query}


def _creator(patience_s: float | None) -> Callable[..., Awaitable[Connection]]:
    async def connect(*args: Any, **options: Any) -> Connection:
        connection = await Connection.connect(*args, **options)
        connection.patience_s = patience_s
        return connection

    return connect
