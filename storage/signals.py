"""News between the processes on one PostgreSQL: which topics a commit woke, and what it tells.

PostgreSQL delivers a NOTIFY when its transaction commits, never before.  It keeps none for a
listener that is away: whoever comes back takes it that everything is new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_CHANNEL = "watchstander"
_LONGEST = 7_900
"""Bytes; PostgreSQL takes less than 8,000."""

Heard = Callable[[list[str], list[tuple[str, str]]], None]
"""``heard(topics, told)``: what another process committed."""


async def send(
    connection: AsyncConnection, sender: str, topics: Iterable[str], told: list[tuple[str, str]]
) -> None:
    """Put the news into the open transaction. ``told`` are (channel, words) pairs."""
    packed = json.dumps({"from": sender, "topics": sorted(topics), "told": told})
    assert len(packed) <= _LONGEST, "tell keys, not contents"
    await connection.execute(sa.select(sa.func.pg_notify(_CHANNEL, packed)))


async def listen(url: sa.URL, me: str, listening: Callable[[], None], heard: Heard) -> None:
    """Hear what the others commit, until cancelled. Raises psycopg.Error when the link breaks.

    ``listening`` is called once nothing more can be missed.
    """
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(f"LISTEN {_CHANNEL}")
        listening()
        async for notice in connection.notifies():
            news: dict[str, Any] = json.loads(notice.payload)
            if news["from"] != me:
                heard(news["topics"], [(channel, words) for channel, words in news["told"]])
