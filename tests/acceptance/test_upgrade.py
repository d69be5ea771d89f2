"""A newer version is started on the database of the one before, while people are being asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage import audit_read, migrate, tables
from storage.database import Database
from storage.migrate import Schema
from tests.acceptance.transcript import play
from tests.acceptance.world import World
from tests.contract.conftest import any_url, postgres, postgres_url

__all__ = ("any_url", "postgres", "postgres_url")

_FIELDS = ("action", "targets", "params", "steps", "risk", "policy_version")


@pytest.fixture
async def world(tmp_path: Path, any_url: str) -> AsyncIterator[World]:
    async with World(tmp_path, database=any_url) as stage:
        yield stage
        assert stage.slack.violations == []
        assert stage.telegram.violations == []


def digest_of_then(plan: dict[str, Any]) -> str:
    """As the first two versions made it, written out: what they stored must stay right."""
    covered = {name: plan[name] for name in _FIELDS}
    canonical = json.dumps(covered, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def as_the_version_before_left_it(world: World) -> None:
    """Its tables, its plan without what came later, its digest."""
    db = Database.open(world.app.settings.database)
    async with db.write() as tx:
        for row in await tx.all(sa.select(tables.actions.c.id, tables.actions.c.plan)):
            plan = json.loads(row.plan)
            then = {name: plan[name] for name in (*_FIELDS, "reasons")}
            then["steps"] = [
                {
                    name: step[name]
                    for name in ("asset", "host", "endpoint", "argv", "under", "upload")
                }
                for step in plan["steps"]
            ]
            then["digest"] = digest_of_then(then)
            await tx.execute(
                tables.actions.update()
                .where(tables.actions.c.id == row.id)
                .values(plan=json.dumps(then, sort_keys=True), digest=then["digest"])
            )
        await tx.connection.run_sync(migrate.to_revision, "0002")
    assert await migrate.state(db) is Schema.OLDER
    await db.close()


async def test_a_card_that_waited_through_the_upgrade_is_approved_and_run(world: World) -> None:
    await play(
        world,
        "slack",
        """
        >> min: restart pay-was-01
        << card #1 everywhere: PAY-WAS-01 | CRITICAL | [approve] [reject] [details]
        >> min: restart pay-stg-01
        << card #2 everywhere: PAY-STG-01 | [approve] [reject] [details]
        """,
    )
    await world.stop_bot()
    await as_the_version_before_left_it(world)
    await world.start_bot()
    assert await migrate.state(world.app.db) is Schema.CURRENT
    await play(
        world,
        "slack",
        """
        << card #1 everywhere: state_PENDING_APPROVAL | [approve] [reject] [details]
        << ledger is empty
        >> min presses approve on #1
        << min hears decide_own id=1
        >> ana presses approve on #1
        << ledger: pay-was-01 systemctl restart -- tomcat
        << card #1 everywhere: state_SUCCEEDED | ana | []
        """,
    )
    await play(
        world,
        "telegram",
        """
        >> jun presses reject on #2: 점검 아님
        << card #2 everywhere: state_REJECTED | jun | []
        << ledger: pay-was-01 systemctl restart -- tomcat
        """,
    )
    async with world.app.db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
    assert all(row.sound for row in rows)
    kinds = [row.record.kind for row in rows if row.record.subject == "action:1"]
    assert kinds == [f"action.{move}" for move in ("propose", "ask", "approve", "claim", "succeed")]
