"""Numbers that people see: SR-YYYYMMDD-NNNN and its like."""

from __future__ import annotations

from datetime import UTC, datetime

from storage.database import Transaction
from storage.tables import counters


async def take(tx: Transaction, prefix: str, count: int = 1) -> list[str]:
    """The next keys of a prefix for today (UTC), e.g. ``SR-20261120-0001``."""
    day = datetime.fromtimestamp(tx.now / 1000, UTC).strftime("%Y%m%d")
    name = f"{prefix}-{day}"
    # One statement, so that two first takers of a day cannot collide.
    row = await tx.one(
        tx.unless_there(counters)
        .values(name=name, value=count)
        .on_conflict_do_update(
            index_elements=[counters.c.name], set_={"value": counters.c.value + count}
        )
        .returning(counters.c.value)
    )
    assert row is not None
    last = int(row.value)
    return [f"{name}-{number:04d}" for number in range(last - count + 1, last + 1)]
