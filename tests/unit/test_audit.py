"""Whatever is done to the audit table or its checkpoints, verification names it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.audit import AuditSettings, CannotSign, Checkpointer, Sign, Verdict, make_key, verify
from storage import audit, audit_read
from storage.audit import START, Record, row_hash
from storage.database import Database, Transaction
from storage.tables import audit as table


@pytest.fixture
def settings(tmp_path: Path) -> AuditSettings:
    return AuditSettings(tmp_path / "keys" / "audit.key", tmp_path / "elsewhere" / "audit.points")


@pytest.fixture
def pointer(settings: AuditSettings) -> Checkpointer:
    return Checkpointer(settings)


async def record(db: Database, count: int) -> None:
    async with db.write() as tx:
        first = (await audit_read.head(tx)).count + 1
        for number in range(first, first + count):
            detail = {"이유": "점검", "number": number}
            await audit.append(tx, "person:김서연", "action.approve", f"action:{number}", detail)


async def sign(db: Database, pointer: Checkpointer) -> None:
    async with db.read() as tx:
        await pointer.sign(tx)


async def verdict(db: Database, settings: AuditSettings) -> Verdict:
    async with db.read() as tx:
        return await verify(tx, settings)


async def ten_signed_rows(db: Database, pointer: Checkpointer) -> None:
    await sign(db, pointer)
    await record(db, 5)
    await sign(db, pointer)
    await record(db, 5)
    await sign(db, pointer)


async def restamp(tx: Transaction, first: int, **changes: str) -> None:
    """Change a row and write the chain anew from there, as an attacker with the database would."""
    rows = await tx.all(sa.select(table).where(table.c.seq >= first).order_by(table.c.seq))
    previous = rows[0].previous
    for row in rows:
        new = row._asdict() | (changes if row.seq == first else {})
        entry = Record(new["actor"], new["kind"], new["subject"], json.loads(new["detail"]))
        digest = row_hash(previous, row.seq, row.at, entry)
        await tx.change(
            table.update()
            .where(table.c.seq == row.seq)
            .values(**{**new, "previous": previous, "hash": digest})
        )
        previous = digest


async def test_an_untouched_chain_is_ok(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await ten_signed_rows(db, pointer)
    await record(db, 3)
    found = await verdict(db, settings)
    assert found.ok
    assert (found.rows, found.signed_rows) == (13, 10)
    assert found.lines == ("ok: 13 rows, 3 of them since the last checkpoint",)


async def test_an_empty_chain_is_ok_before_and_after_the_first_checkpoint(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    assert (await verdict(db, settings)).ok
    await sign(db, pointer)
    assert (await verdict(db, settings)).ok


async def edit(tx: Transaction) -> None:
    await tx.change(table.update().where(table.c.seq == 4).values(actor="person:nobody"))


async def edit_the_time(tx: Transaction) -> None:
    await tx.change(table.update().where(table.c.seq == 4).values(at=1))


async def edit_the_detail_so_that_it_reads_the_same(tx: Transaction) -> None:
    row = await tx.one(sa.select(table.c.detail).where(table.c.seq == 4))
    assert row is not None
    doubled = '{"number": 99, ' + row.detail[1:]
    assert json.loads(doubled) == json.loads(row.detail)
    await tx.change(table.update().where(table.c.seq == 4).values(detail=doubled))


async def edit_the_detail_to_nonsense(tx: Transaction) -> None:
    await tx.change(table.update().where(table.c.seq == 4).values(detail="not json"))


async def edit_and_stamp_that_row_alone(tx: Transaction) -> None:
    row = await tx.one(sa.select(table).where(table.c.seq == 4))
    assert row is not None
    entry = Record("person:nobody", row.kind, row.subject, json.loads(row.detail))
    digest = row_hash(row.previous, 4, row.at, entry)
    await tx.change(
        table.update().where(table.c.seq == 4).values(actor="person:nobody", hash=digest)
    )


async def swap_two_rows(tx: Transaction) -> None:
    await tx.change(table.update().where(table.c.seq == 4).values(seq=99))
    await tx.change(table.update().where(table.c.seq == 5).values(seq=4))
    await tx.change(table.update().where(table.c.seq == 99).values(seq=5))


async def delete_one(tx: Transaction) -> None:
    await tx.change(table.delete().where(table.c.seq == 4))


async def delete_the_first(tx: Transaction) -> None:
    await tx.change(table.delete().where(table.c.seq <= 2))


async def delete_several(tx: Transaction) -> None:
    await tx.change(table.delete().where(table.c.seq.between(4, 6)))


async def truncate(tx: Transaction) -> None:
    await tx.change(table.delete().where(table.c.seq > 7))


async def empty(tx: Transaction) -> None:
    await tx.change(table.delete())


async def restamp_the_rest(tx: Transaction) -> None:
    await restamp(tx, 4, actor="person:nobody")


async def restamp_after_the_first_checkpoint(tx: Transaction) -> None:
    await restamp(tx, 7, subject="action:1")


async def truncate_and_grow_again(tx: Transaction) -> None:
    await tx.change(table.delete().where(table.c.seq > 7))
    await audit.append_many(tx, [Record("watchstander", "x", "y", {})] * 9)


async def delete_and_renumber(tx: Transaction) -> None:
    await tx.change(table.delete().where(table.c.seq == 4))
    for seq in range(5, 11):
        await tx.change(table.update().where(table.c.seq == seq).values(seq=seq - 1))
    row = await tx.one(sa.select(table.c.hash).where(table.c.seq == 3))
    assert row is not None
    await tx.change(table.update().where(table.c.seq == 4).values(previous=row.hash))
    await restamp(tx, 4)


Attack = Callable[[Transaction], Awaitable[None]]


@pytest.mark.parametrize(
    ("attack", "sign_", "first", "last"),
    [
        (edit, Sign.EDITED, 4, 4),
        (edit_the_time, Sign.EDITED, 4, 4),
        (edit_the_detail_so_that_it_reads_the_same, Sign.EDITED, 4, 4),
        (edit_the_detail_to_nonsense, Sign.EDITED, 4, 4),
        (edit_and_stamp_that_row_alone, Sign.EDITED, 4, 4),
        (swap_two_rows, Sign.EDITED, 4, 4),
        (delete_one, Sign.DELETED, 4, 4),
        (delete_the_first, Sign.DELETED, 1, 2),
        (delete_several, Sign.DELETED, 4, 6),
        (truncate, Sign.TRUNCATED, 8, 10),
        (empty, Sign.TRUNCATED, 1, 10),
        (restamp_the_rest, Sign.RESTAMPED, 1, 5),
        (restamp_after_the_first_checkpoint, Sign.RESTAMPED, 6, 10),
        (truncate_and_grow_again, Sign.RESTAMPED, 6, 10),
        (delete_and_renumber, Sign.TRUNCATED, 10, 10),
    ],
)
async def test_what_was_done_to_the_rows_is_named(
    db: Database,
    settings: AuditSettings,
    pointer: Checkpointer,
    attack: Attack,
    sign_: Sign,
    first: int,
    last: int,
) -> None:
    await ten_signed_rows(db, pointer)
    async with db.write() as tx:
        await attack(tx)
    found = await verdict(db, settings)
    finding = found.findings[0]
    assert (finding.sign, finding.first, finding.last) == (sign_, first, last), found.lines
    assert {f.sign for f in found.findings} <= {sign_, Sign.RESTAMPED}


async def test_an_edit_of_the_last_row_before_the_checkpoint_is_told_once(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await ten_signed_rows(db, pointer)
    async with db.write() as tx:
        await tx.change(table.update().where(table.c.seq == 10).values(hash=START))
    assert [finding.sign for finding in (await verdict(db, settings)).findings] == [Sign.EDITED]


def change_a_count(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1].replace('"count": 10', '"count": 7')
    path.write_text("\n".join(lines) + "\n")


def swap_lines(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[2], lines[1]]) + "\n")


@pytest.mark.parametrize(
    ("tamper", "sign_"),
    [
        (change_a_count, Sign.FORGED),
        (swap_lines, Sign.FORGED),
        (lambda path: path.write_text("not json\n"), Sign.FORGED),
        (lambda path: path.write_text('{"count": true, "head": 1}\n'), Sign.FORGED),
        (lambda path: path.write_text('"a"\n'), Sign.FORGED),
        (lambda path: path.write_bytes(b"\xff\xfe"), Sign.FORGED),
        (lambda path: path.write_text(""), Sign.NO_CHECKPOINT),
        (lambda path: path.unlink(), Sign.NO_CHECKPOINT),
    ],
)
async def test_what_was_done_to_the_checkpoints_is_named(
    db: Database,
    settings: AuditSettings,
    pointer: Checkpointer,
    tamper: Callable[[Path], None],
    sign_: Sign,
) -> None:
    await ten_signed_rows(db, pointer)
    tamper(settings.checkpoint_file)
    found = await verdict(db, settings)
    assert {finding.sign for finding in found.findings} == {sign_}, found.lines
    await record(db, 1)
    with pytest.raises(CannotSign):
        await sign(db, pointer)


async def test_checkpoints_signed_by_another_key_are_forged(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await ten_signed_rows(db, pointer)
    settings.key_file.unlink()
    make_key(settings.key_file)
    assert {f.sign for f in (await verdict(db, settings)).findings} == {Sign.FORGED}


async def test_a_lost_key_is_not_replaced(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await ten_signed_rows(db, pointer)
    settings.key_file.unlink()
    await record(db, 1)
    with pytest.raises(CannotSign, match="restore the key"):
        await sign(db, pointer)
    assert not settings.key_file.exists()
    assert [f.sign for f in (await verdict(db, settings)).findings] == [Sign.NO_KEY]


async def test_a_key_that_others_can_read_is_refused(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await sign(db, pointer)
    assert settings.key_file.stat().st_mode & 0o777 == 0o600
    settings.key_file.chmod(0o644)
    await record(db, 1)
    with pytest.raises(CannotSign, match="chmod 600"):
        await sign(db, pointer)


@pytest.mark.parametrize("attack", [truncate, restamp_the_rest, truncate_and_grow_again])
async def test_a_chain_without_the_signed_head_is_not_signed_over(
    db: Database, settings: AuditSettings, pointer: Checkpointer, attack: Attack
) -> None:
    await ten_signed_rows(db, pointer)
    before = settings.checkpoint_file.read_text()
    async with db.write() as tx:
        await attack(tx)
    with pytest.raises(CannotSign):
        await sign(db, pointer)
    assert settings.checkpoint_file.read_text() == before


async def test_rows_without_a_checkpoint_are_not_signed_until_a_person_says_so(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await record(db, 3)
    with pytest.raises(CannotSign, match="no checkpoint"):
        await sign(db, pointer)
    assert not settings.key_file.exists()
    async with db.read() as tx:
        await pointer.adopt(tx)
    assert (await verdict(db, settings)).ok


async def test_a_broken_chain_cannot_be_adopted(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await record(db, 5)
    async with db.write() as tx:
        await edit(tx)
    async with db.read() as tx:
        with pytest.raises(CannotSign, match="row 4"):
            await pointer.adopt(tx)
    assert not settings.checkpoint_file.exists()


async def test_nothing_is_written_when_nothing_happened(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await ten_signed_rows(db, pointer)
    before = settings.checkpoint_file.stat().st_mtime_ns
    await sign(db, pointer)
    assert settings.checkpoint_file.stat().st_mtime_ns == before


async def test_the_last_thousand_checkpoints_are_kept(
    db: Database, settings: AuditSettings, pointer: Checkpointer
) -> None:
    await sign(db, pointer)
    key_line = settings.checkpoint_file.read_text()
    settings.checkpoint_file.write_text(key_line * 1_000)
    await record(db, 2)
    await sign(db, pointer)
    lines = settings.checkpoint_file.read_text().splitlines()
    assert len(lines) == 1_000
    assert json.loads(lines[-1])["count"] == 2
    assert (await verdict(db, settings)).ok
