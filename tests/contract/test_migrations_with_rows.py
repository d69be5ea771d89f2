"""Migrations forward and back with rows in every table, and the command that goes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage import audit_read, leases, migrate, running, tables
from storage.database import Database
from storage.migrate import Schema
from tests.contract.filling import contents, fill, record
from tests.integration.command import Done, watchstander

Rows = dict[str, dict[Any, dict[str, Any]]]


async def go(db: Database, revision: str) -> Rows:
    """Move to a revision; gives what is in the tables then."""
    async with db.write() as tx:
        await tx.connection.run_sync(migrate.to_revision, revision)
        return await tx.connection.run_sync(contents)


async def furnished(db: Database, revision: str) -> Rows:
    """A database at a revision, with rows in every table that it has."""
    await go(db, revision)
    async with db.write() as tx:
        await tx.connection.run_sync(fill)
        await record(tx, 3)
        return await tx.connection.run_sync(contents)


def kept(before: Rows, after: Rows) -> None:
    """What both revisions know says the same; a severity is told in other words, see below."""
    for table in before.keys() & after.keys():
        assert before[table].keys() == after[table].keys(), table
        for key, row in before[table].items():
            both = (row.keys() & after[table][key].keys()) - {"severity"}
            assert both
            assert {c: row[c] for c in both} == {c: after[table][key][c] for c in both}, table


def severities(rows: Rows) -> list[str]:
    return [row["severity"] for row in rows["incidents"].values()]


async def test_forward_keeps_every_row_of_every_table(bare_db: Database) -> None:
    first = await furnished(bare_db, "0001")
    assert all(len(rows) >= 2 for rows in first.values())
    second = await go(bare_db, "0002")
    third = await go(bare_db, "0003")
    kept(first, second)
    kept(second, third)
    assert first.keys() < second.keys() < third.keys()
    assert (severities(first), severities(second)) == (
        ["HIGH", "CRITICAL", "HIGH"],
        ["P2", "P1", "P2"],
    )
    assert await migrate.state(bare_db) is Schema.CURRENT


async def test_back_keeps_what_the_version_before_knows(bare_db: Database) -> None:
    third = await furnished(bare_db, "0003")
    second = await go(bare_db, "0002")
    first = await go(bare_db, "0001")
    kept(third, second)
    kept(second, first)
    assert severities(third) == severities(second) == ["P2", "P1", "P2"]
    assert severities(first) == ["HIGH", "CRITICAL", "HIGH"]
    assert await migrate.state(bare_db) is Schema.OLDER
    kept(first, await go(bare_db, "0003"))
    async with bare_db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
    assert len(rows) == 3
    assert all(row.sound for row in rows)


async def test_numbers_go_on_after_there_and_back(bare_db: Database) -> None:
    """Message 3 was deleted: no later message gets its number."""
    await furnished(bare_db, "0003")
    await go(bare_db, "0001")
    await go(bare_db, "0003")
    new = {"key": "MSG", "room_id": 1, "at": 1, "sender": "x", "sender_type": "BOT", "body": ""}
    async with bare_db.write() as tx:
        assert await tx.insert(tables.messages, **new) == 4


async def test_a_state_that_the_version_before_lacks_becomes_one_it_has(bare_db: Database) -> None:
    await furnished(bare_db, "0003")
    async with bare_db.write() as tx:
        await tx.execute(sa.text("UPDATE actions SET state = 'CANCELLED' WHERE id = 2"))
    second = await go(bare_db, "0002")
    assert second["actions"][2]["state"] == "EXPIRED"


@pytest.fixture
def config(any_url: str, tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[database]\nurl = "{any_url}"\n[ssh]\nknown_hosts = "known_hosts"\n', encoding="utf-8"
    )
    return path


async def back(config: Path, *args: str) -> Done:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(watchstander, "migrate", "--config", config, "--back-to", *args)


async def test_the_command_tells_what_is_lost_before_it_loses_it(
    config: Path, bare_db: Database
) -> None:
    before = await furnished(bare_db, "0003")
    async with bare_db.write() as tx:
        await tx.execute(sa.text("DELETE FROM replicas"))
        before = await tx.connection.run_sync(contents)
    asked = await back(config, "0002")
    assert asked.returncode == 2
    assert "table leases: 3 rows are lost" in asked.stdout.splitlines()
    assert "table actions: column progress is lost, filled in 2 rows" in asked.stdout.splitlines()
    assert "nothing was changed" in asked.stderr
    async with bare_db.read() as tx:
        assert await tx.connection.run_sync(contents) == before
    done = await back(config, "0002", "--yes")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:-1] == asked.stdout.splitlines()
    assert "is at revision 0002" in done.stdout
    assert await migrate.state(bare_db) is Schema.OLDER
    again = await back(config, "0001", "--yes")
    assert (again.returncode, "run: watchstander migrate" in again.stderr) == (1, True)


async def test_the_command_does_nothing_while_a_bot_runs(config: Path, bare_db: Database) -> None:
    await migrate.upgrade(bare_db)
    file = Path(bare_db.writer.url.database or "")
    with running.sole(file if bare_db.writer.dialect.name == "sqlite" else None):
        async with bare_db.write() as tx:
            # As of this moment by the server's own clock, which the command goes by.
            await leases.beat(tx, "ops-1")
            await tx.execute(sa.text("UPDATE replicas SET beat_at = 32503680000000"))
        done = await back(config, "0002", "--yes")
    assert (done.returncode, "stop it first" in done.stderr) == (1, True)
    assert await migrate.state(bare_db) is Schema.CURRENT


@pytest.mark.parametrize("revision", ["0003", "9999", "base", "head"])
async def test_only_an_earlier_revision_can_be_gone_back_to(
    config: Path, bare_db: Database, revision: str
) -> None:
    await migrate.upgrade(bare_db)
    done = await back(config, revision, "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"--back-to: {revision} is no earlier revision; known: 0002, 0001\n"
    assert await migrate.state(bare_db) is Schema.CURRENT
