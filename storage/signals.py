"""News between the processes on one PostgreSQL: which topics a commit woke, and what it tells.

PostgreSQL delivers a NOTIFY when its transaction commits, never before.  It keeps none for a
listener that is away: whoever comes back takes it that everything is new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

if TYPE_CHECKING:
    from storage.postgresql_connection import Connection

_CHANNEL = "watchstander"
_LONGEST = 7_900
"""Bytes; PostgreSQL takes less than 8,000."""
_ASK_EVERY_S = 10.0
"""A link that is cut without a word brings no news either: the server is asked now and then."""
_ANSWER_S = 10.0

Heard = Callable[[list[str], list[tuple[str, str]]], None]
"""``heard(topics, told)``: what another process committed."""


async def send(
    connection: AsyncConnection, sender: str, topics: Iterable[str], told: list[tuple[str, str]]
) -> None:
    """Put the news into the open transaction. ``told`` are (channel, words) pairs."""
    packed = json.dumps({"from": sender, "topics": sorted(topics), "told": told})
    assert len(packed) <= _LONGEST, "tell keys, not contents"
    await connection.execute(sa.select(sa.func.pg_notify(_CHANNEL, packed)))


class Broken(Exception):
    """The link to the server broke, or cannot be made; the message is the driver's."""


async def listen(
    url: sa.URL,
    me: str,
    listening: Callable[[], None],
    heard: Heard,
    ask_every_s: float = _ASK_EVERY_S,
    answer_s: float = _ANSWER_S,
) -> None:
    """Hear what the others commit, until cancelled. Raises Broken.

    ``listening`` is called once nothing more can be missed.  Asked every ``ask_every_s`` seconds, a
    server that gives no answer within ``answer_s`` counts as a link that broke.
    """
    # Here, so that a bot on SQLite never loads PostgreSQL's driver.
    import psycopg

    from storage.postgresql_connection import Connection

    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        opened = await Connection.connect(
            address, autocommit=True, connect_timeout=round(answer_s) + 1
        )
        await _hear(opened, me, listening, heard, ask_every_s, answer_s)
    except psycopg.OperationalError as error:
        raise Broken(str(error).strip()) from error


async def _hear(
    opened: Connection,
    me: str,
    listening: Callable[[], None],
    heard: Heard,
    ask_every_s: float,
    answer_s: float,
) -> None:
    async with opened as connection:
        connection.patience_s = answer_s
        await connection.execute(f"LISTEN {_CHANNEL}")
        listening()
        while True:
            # In an exchange of its own, which ends by itself and so needs no limit.
            connection.patience_s = None
            async for notice in connection.notifies(timeout=ask_every_s):
                news: dict[str, Any] = json.loads(notice.payload)
                if news["from"] != me:
                    heard(news["topics"], [(channel, words) for channel, words in news["told"]])
            connection.patience_s = answer_s
            await connection.execute("SELECT 1")
