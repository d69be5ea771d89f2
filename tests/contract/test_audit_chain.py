"""The audit chain on both databases, with several writers at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.audit import AuditSettings, CannotSign, Checkpointer, Sign, verify
from storage import audit, audit_read
from storage.database import Database
from storage.tables import audit as table


@pytest.fixture
def settings(tmp_path: Path) -> AuditSettings:
    return AuditSettings(tmp_path / "audit.key", tmp_path / "audit.checkpoints")


async def append(db: Database, number: int) -> None:
    async with db.write() as tx:
        await audit.append(
            tx, "person:김서연", "test", f"thing:{number}", {"n": number, "말": "네"}
        )


async def test_many_writers_make_one_chain(any_db: Database, settings: AuditSettings) -> None:
    pointer = Checkpointer(settings)
    async with any_db.read() as tx:
        await pointer.sign(tx)
    await asyncio.gather(*(append(any_db, number) for number in range(30)))
    async with any_db.read() as tx:
        await pointer.sign(tx)
        verdict = await verify(tx, settings)
        about = await audit_read.latest(tx, "thing:7")
    assert (verdict.findings, verdict.rows, verdict.signed_rows) == ((), 30, 30)
    assert [row.record.detail for row in about] == [{"n": 7, "말": "네"}]
    assert about[0].sound


async def test_a_row_that_is_taken_back_leaves_no_gap(
    any_db: Database, settings: AuditSettings
) -> None:
    await append(any_db, 1)
    with pytest.raises(RuntimeError, match="no"):
        async with any_db.write() as tx:
            await audit.append(tx, "watchstander", "test", "thing:2")
            raise RuntimeError("no")
    await append(any_db, 3)
    async with any_db.read() as tx:
        assert (await audit_read.head(tx)).count == 2


async def test_a_cut_end_is_told(any_db: Database, settings: AuditSettings) -> None:
    pointer = Checkpointer(settings)
    async with any_db.read() as tx:
        await pointer.sign(tx)
    for number in range(5):
        await append(any_db, number)
    async with any_db.read() as tx:
        await pointer.sign(tx)
    async with any_db.write() as tx:
        await tx.change(table.delete().where(table.c.seq > 3))
    async with any_db.read() as tx:
        verdict = await verify(tx, settings)
        with pytest.raises(CannotSign):
            await pointer.sign(tx)
    assert [finding.sign for finding in verdict.findings] == [Sign.TRUNCATED]
