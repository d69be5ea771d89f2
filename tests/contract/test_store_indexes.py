"""The questions that are asked all the time stay quick however much is done already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from storage import backlog, health, holds, inbox, outbox
from storage.database import Database, Transaction

DONE = 20_000
NUMBERS = {
    "postgresql": f"generate_series(1, {DONE}) AS s(n)",
    "sqlite": (
        f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {DONE})"
        " SELECT n FROM s) AS s"
    ),
}
ROWS = (
    "INSERT INTO people (name, role, language) VALUES ('min', 'ADMIN', 'ko')",
    "INSERT INTO rooms (platform, tenant, address) VALUES ('web', '', 'ops')",
    "INSERT INTO inbox (source, delivery_id, body, received_at, state)"
    " SELECT 'slack', CAST(n AS TEXT), '{}', 1, 'DONE' FROM ",
    "INSERT INTO outbox (room_id, kind, body, created_at, state)"
    " SELECT 1, 'say', '{}', 1, 'SENT' FROM ",
    "INSERT INTO actions (type, targets, params, requester_id, risk, reasons, plan, digest,"
    " policy_version, state, created_at, run_by)"
    " SELECT 'x', '[]', '{}', 1, 'HIGH', '[]', '{}', 'd', 'p', 'SUCCEEDED', 1, 2 FROM ",
    "INSERT INTO requests (key, title, state, requester_id, created_at)"
    " SELECT CAST(n AS TEXT), 't', 'CLOSED', 1, 1 FROM ",
)

ASKED: dict[str, Callable[[Transaction], Awaitable[Any]]] = {
    "inbox.waiting": lambda tx: inbox.waiting(tx, 100),
    "inbox.count_waiting": inbox.count_waiting,
    "outbox.waiting": lambda tx: outbox.waiting(tx, 500, personal=False),
    "outbox.waiting, personal": lambda tx: outbox.waiting(tx, 500, personal=True),
    "outbox.count_waiting": outbox.count_waiting,
    "outbox.undelivered": outbox.undelivered,
    "holds.line": lambda tx: holds.line(tx, 50),
    "backlog.fresh": lambda tx: backlog.fresh(tx, 100),
    "health.waits": health.waits,
}


async def plan_of(tx: Transaction, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN " if tx.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
    rows = await tx.connection.exec_driver_sql(explain + statement, parameters)
    return "\n".join(str(row[-1]) for row in rows.all())


@pytest.mark.parametrize("analyzed", [False, True], ids=["no statistics", "statistics"])
async def test_no_question_reads_whole_tables(any_db: Database, analyzed: bool) -> None:
    kind = any_db.writer.dialect.name
    async with any_db.write() as tx:
        for rows in ROWS:
            numbers = NUMBERS[kind] if rows.endswith("FROM ") else ""
            await tx.connection.exec_driver_sql(rows + numbers)
        if analyzed and kind == "postgresql":
            # There it happens by itself. SQLite does it only when asked, and nobody asks it.
            await tx.connection.exec_driver_sql("ANALYZE")
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        seen.append((statement, parameters))

    for name, ask in ASKED.items():
        async with any_db.read() as tx:
            engine = tx.connection.sync_connection
            sa.event.listen(engine, "before_cursor_execute", note)
            await ask(tx)
            sa.event.remove(engine, "before_cursor_execute", note)
            assert seen, name
            for statement, parameters in seen:
                plan = await plan_of(tx, statement, parameters)
                whole = [
                    line
                    for line in plan.splitlines()
                    for table in ("inbox", "outbox", "actions", "requests")
                    if f"Seq Scan on {table}" in line
                    or (line.startswith(f"SCAN {table}") and "INDEX" not in line)
                ]
                assert whole == [], f"{name}:\n{plan}"
            seen.clear()
