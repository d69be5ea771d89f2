"""What came in, kept before it is acknowledged. A delivery id is unique per source for good."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.redaction import hidden
from storage.tables import inbox

#: Half a surrogate pair, which no database takes, and U+0000, which PostgreSQL does not.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Delivery:
    """One row of the inbox."""

    id: int
    source: str
    delivery_id: str
    lane: str
    body: dict[str, Any]
    received_at: int
    attempts: int


async def keep(
    tx: Transaction, source: str, delivery_id: str, body: dict[str, Any], lane: str = ""
) -> int | None:
    """Keep a delivery. Gives its row id, or None when this exact delivery was kept before.

    ``lane`` names what must stay in order (a room); different lanes are handled side by side.
    """
    key = await tx.insert_new(
        inbox,
        source=source,
        delivery_id=delivery_id,
        lane=lane,
        body=_packed(body),
        received_at=tx.now,
        state="NEW",
    )
    if key is not None:
        tx.wake("inbox")
    return key


def _packed(body: dict[str, Any]) -> str:
    """The body as JSON; what no database takes is replaced, so that no delivery is lost for it."""
    packed = json.dumps(body, ensure_ascii=False)
    if "\\u0000" in packed or _UNSTORABLE.search(packed):
        return json.dumps(_mended(body), ensure_ascii=False)
    return packed


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


async def received_at(tx: Transaction, source: str, delivery_id: str) -> int | None:
    """When a delivery was kept; None when it never was."""
    row = await tx.one(
        sa.select(inbox.c.received_at).where(
            inbox.c.source == source, inbox.c.delivery_id == delivery_id
        )
    )
    return int(row.received_at) if row else None


async def waiting(
    tx: Transaction,
    limit: int,
    after: int = 0,
    *,
    source: str | None = None,
    but_not: str | None = None,
) -> list[Delivery]:
    """The oldest unhandled deliveries that are due, above a row id.

    ``source``: of this source alone; ``but_not``: of every other.
    """
    query = sa.select(inbox).where(
        inbox.c.state == "NEW", inbox.c.not_before <= tx.now, inbox.c.id > after
    )
    if source is not None:
        query = query.where(inbox.c.source == source)
    if but_not is not None:
        query = query.where(inbox.c.source != but_not)
    rows = await tx.all(query.order_by(inbox.c.id).limit(limit))
    return [
        Delivery(
            row.id,
            row.source,
            row.delivery_id,
            row.lane,
            json.loads(row.body),
            row.received_at,
            row.attempts,
        )
        for row in rows
    ]


async def done(tx: Transaction, delivery: int) -> bool:
    """Mark as handled, in the transaction that holds the effects. False: somebody else did."""
    changed = await tx.change(
        inbox.update()
        .where(inbox.c.id == delivery, inbox.c.state == "NEW")
        .values(state="DONE", handled_at=tx.now)
    )
    return changed == 1


async def postpone(tx: Transaction, delivery: int, error: str, delay_ms: int) -> None:
    """Try again later."""
    await tx.change(
        inbox.update()
        .where(inbox.c.id == delivery, inbox.c.state == "NEW")
        .values(attempts=inbox.c.attempts + 1, error=hidden(error), not_before=tx.now + delay_ms)
    )


async def fail(tx: Transaction, delivery: int, error: str) -> None:
    """Give up on a delivery that cannot be handled; it stays for a person to look at."""
    await tx.change(
        inbox.update()
        .where(inbox.c.id == delivery, inbox.c.state == "NEW")
        .values(
            state="FAILED", attempts=inbox.c.attempts + 1, error=hidden(error), handled_at=tx.now
        )
    )


async def count_waiting(tx: Transaction) -> int:
    """How many deliveries are not handled yet."""
    row = await tx.one(sa.select(sa.func.count()).where(inbox.c.state == "NEW"))
    return int(row[0]) if row else 0
