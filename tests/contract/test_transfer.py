"""``watchstander migrate --from --to``: everything arrives, in either direction, or nothing."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from storage import audit_read, failpoints, leases, migrate, running, transfer
from storage.database import Database, DatabaseSettings
from storage.migrate import Schema
from storage.schema import metadata
from tests.contract.filling import fill, record
from tests.integration.command import Done, environment, watchstander

ROWS = 1_205
"""More than one batch."""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/lite.db"


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite"])
def ends(request: pytest.FixtureRequest, sqlite_url: str, postgres_url: str) -> tuple[str, str]:
    """Where from, where to."""
    pair = (sqlite_url, postgres_url)
    return pair if request.param.startswith("sqlite") else pair[::-1]


def file_of(url: str) -> Path:
    return Path(url.partition("///")[2])


async def opened(url: str) -> Database:
    return Database.open(DatabaseSettings(url, "NORMAL"))


async def furnish(url: str, rows: int = 3, many: int = 3) -> None:
    db = await opened(url)
    await migrate.upgrade(db)
    async with db.write() as tx:
        await tx.connection.run_sync(fill, rows, many)
        await record(tx, many)
    await db.close()


async def state_of(url: str) -> Schema:
    db = await opened(url)
    try:
        return await migrate.state(db)
    finally:
        await db.close()


async def said(url: str) -> dict[str, object]:
    """Everything, through the tables of this version, so that both databases say it alike."""
    db = await opened(url)
    async with db.read() as tx:
        found: dict[str, object] = {
            table.name: sorted(tuple(row) for row in await tx.all(sa.select(table)))
            if table.name in ("counters", "leases", "replicas", "holds", "clocks")
            else [tuple(row) for row in await tx.all(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table.name not in transfer.PASSING
        }
    await db.close()
    return found


async def move(ends: tuple[str, str]) -> Done:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(watchstander, "migrate", "--from", ends[0], "--to", ends[1])


async def test_every_row_of_every_table_arrives(ends: tuple[str, str]) -> None:
    await furnish(ends[0], many=ROWS)
    before = await said(ends[0])
    done = await move(ends)
    assert (done.returncode, done.stderr) == (0, "")
    assert await said(ends[1]) == before == await said(ends[0])
    lines = done.stdout.splitlines()
    told = {line.split(":")[0] for line in lines if line.endswith("the same on both sides")}
    assert told == set(metadata.tables) - set(transfer.PASSING)
    assert f"outbox: {ROWS} rows, sha256 " in done.stdout
    assert re.search(rf"^audit chain: {ROWS} rows, head [0-9a-f]{{64}}, whole$", done.stdout, re.M)
    assert "[database] url = " in done.stdout
    assert await state_of(ends[1]) is Schema.CURRENT


async def test_the_copy_goes_on_where_the_original_was(ends: tuple[str, str]) -> None:
    """Numbers, also of rows that are deleted, and the chain."""
    await furnish(ends[0])
    assert (await move(ends)).returncode == 0
    db = await opened(ends[1])
    async with db.write() as tx:
        tables = metadata.tables
        room = await tx.insert(tables["rooms"], platform="web", tenant="", address="new")
        message = await tx.insert(
            tables["messages"],
            key="MSG",
            room_id=room,
            at=1,
            sender="x",
            sender_type="BOT",
            body="",
        )
        await record(tx, 2)
    async with db.read() as tx:
        rows = [row async for row in audit_read.walk(tx)]
    await db.close()
    assert (room, message) == (4, 4)  # message 3 was deleted before the copy
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert all(row.sound for row in rows)
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]


async def test_there_and_back_again_is_the_same(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    await furnish(sqlite_url)
    assert (await move((sqlite_url, postgres_url))).returncode == 0
    again = f"sqlite+aiosqlite:///{tmp_path}/again.db"
    assert (await move((postgres_url, again))).returncode == 0
    assert await said(again) == await said(sqlite_url)


async def test_a_target_that_holds_rows_is_left_alone(ends: tuple[str, str]) -> None:
    for url in ends:
        await furnish(url, 2, 2)
    before = await said(ends[1])
    done = await move(ends)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"--to: its table \w+ holds rows; give an empty database\n", done.stderr)
    assert await said(ends[1]) == before


async def test_a_target_with_fresh_tables_is_taken(ends: tuple[str, str]) -> None:
    await furnish(ends[0])
    db = await opened(ends[1])
    await migrate.upgrade(db)
    await db.close()
    assert (await move(ends)).returncode == 0
    assert await said(ends[1]) == await said(ends[0])


async def test_a_running_bot_keeps_its_rows(ends: tuple[str, str]) -> None:
    """On SQLite the file's lock tells, on PostgreSQL the sign of life; a dead one's is old."""
    await furnish(ends[0])
    if ends[0].startswith("sqlite"):
        with running.sole(file_of(ends[0])):
            done = await move(ends)
    else:
        db = await opened(ends[0])
        async with db.write() as tx:
            await leases.beat(tx, "ops-1")
        done = await move(ends)
        async with db.write() as tx:
            await tx.execute(sa.text("UPDATE replicas SET beat_at = beat_at - 61000"))
        await db.close()
    assert done.returncode == 1
    assert re.search(r"another Watchstander runs|Watchstander runs .* \(ops-1\)", done.stderr)
    assert await state_of(ends[1]) is Schema.EMPTY
    assert (await move(ends)).returncode == 0


async def test_nobody_starts_on_postgresql_while_its_rows_are_read(postgres_url: str) -> None:
    await furnish(postgres_url)
    db, other = await opened(postgres_url), await opened(postgres_url)
    async with db.write() as tx:
        await running.at_rest(tx)
        async with other.writer.connect() as connection:
            await connection.execute(sa.text("SET lock_timeout = '50ms'"))
            with pytest.raises(sa.exc.DBAPIError, match="lock timeout"):
                await connection.run_sync(migrate.upgrade_within)
        async with other.writer.connect() as connection:
            await connection.execute(sa.text("SET lock_timeout = '50ms'"))
            with pytest.raises(sa.exc.DBAPIError, match="lock timeout"):
                await connection.execute(sa.text("UPDATE people SET active = false"))
        with pytest.raises(running.Occupied, match="starting or migrating"):
            async with other.write() as second:
                await running.at_rest(second)
    await db.close()
    await other.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "UPDATE requests SET title = 'a' || char(0) || 'b' WHERE id = 2",
            "requests, row id = 2: title holds the character U+0000, which PostgreSQL cannot keep",
        ),
        (
            "UPDATE inbox SET attempts = 3000000000 WHERE id = 3",
            "inbox, row id = 3: attempts holds 3000000000, which is too large for the target",
        ),
        (
            "UPDATE actions SET created_at = 'yesterday' WHERE id = 1",
            "actions, row id = 1: created_at holds 'yesterday', which is no BigInteger()",
        ),
        ("UPDATE rooms SET name = CAST(x'ff' AS TEXT) WHERE id = 1", "rooms: cannot be read: "),
        (
            "INSERT INTO buttons VALUES (9, 't', 77, NULL, NULL, NULL, 'v', '{}', 1, NULL)",
            "buttons, row id = 9: the target refuses it: ",
        ),
    ],
)
async def test_what_postgresql_cannot_keep_is_named_and_nothing_is_copied(
    sqlite_url: str, postgres_url: str, change: str, told: str
) -> None:
    await furnish(sqlite_url)
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        connection.execute(change)
    connection.close()
    done = await move((sqlite_url, postgres_url))
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert await state_of(postgres_url) is Schema.EMPTY


async def test_a_chain_that_was_tampered_with_is_copied_as_it_is_and_told(
    sqlite_url: str, postgres_url: str
) -> None:
    await furnish(sqlite_url)
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        connection.execute("UPDATE audit SET actor = 'person:nobody' WHERE seq = 2")
    connection.close()
    done = await move((sqlite_url, postgres_url))
    assert done.returncode == 0
    assert "not whole, as it was before: edited: row 2 does not match its hash" in done.stdout


async def test_a_copy_that_differs_is_not_kept(sqlite_url: str, postgres_url: str) -> None:
    """A trigger on the target changes what is written: only reading it back can tell."""
    await furnish(sqlite_url)
    db = await opened(postgres_url)
    await migrate.upgrade(db)
    async with db.writer.begin() as connection:
        await connection.execute(
            sa.text(
                "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$"
            )
        )
        await connection.execute(
            sa.text(
                "CREATE TRIGGER other BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION other()"
            )
        )
    done = await move((sqlite_url, postgres_url))
    assert done.returncode == 1
    assert done.stderr.startswith("people: 3 rows were read and 3 came back, or not the same ones")
    async with db.read() as tx:
        assert await transfer.first_filled(tx) == ""
    await db.close()


async def test_a_failure_right_before_the_end_leaves_nothing(ends: tuple[str, str]) -> None:
    await furnish(ends[0])

    def broken(point: str, when: str) -> None:
        if (point, when) == ("tokens.insert", "before"):
            raise RuntimeError("the disk is gone")

    failpoints.arm(broken)
    try:
        with pytest.raises(RuntimeError, match="the disk is gone"):
            await move(ends)
    finally:
        failpoints.arm(None)
    assert await state_of(ends[1]) is Schema.EMPTY
    assert (await move(ends)).returncode == 0


KILLED = """
import os, signal, sys
from storage import failpoints
failpoints.arm(lambda point, when: when == "before" and os.kill(os.getpid(), signal.SIGKILL))
from bot.__main__ import main
main(sys.argv[1:])
"""


async def test_a_process_that_is_killed_leaves_nothing(ends: tuple[str, str]) -> None:
    await furnish(ends[0])
    before = await said(ends[0])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "migrate", "--from", ends[0], "--to", ends[1]],
        env=environment(), cwd=Path(__file__).parents[2], timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert await state_of(ends[1]) is Schema.EMPTY
    assert await said(ends[0]) == before
    assert (await move(ends)).returncode == 0


async def test_a_source_of_another_version_or_none_is_refused(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    missing = await move((sqlite_url, postgres_url))
    assert missing.stderr == f"--from: {tmp_path}/lite.db: no such database\n"
    assert not file_of(sqlite_url).exists()
    await furnish(sqlite_url)
    db = await opened(sqlite_url)
    async with db.writer.begin() as connection:
        await connection.run_sync(migrate.to_revision, "0002")
    await db.close()
    old = await move((sqlite_url, postgres_url))
    assert (old.returncode, "made by an earlier version" in old.stderr) == (1, True)
    assert await state_of(postgres_url) is Schema.EMPTY


async def test_a_database_of_another_program_is_no_target(
    sqlite_url: str, postgres_url: str
) -> None:
    await furnish(sqlite_url)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    done = await move((sqlite_url, postgres_url))
    assert (done.returncode, "tables that Watchstander did not make" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        (["--from", "sqlite+aiosqlite:///a.db"], 2, "--from goes with --to"),
        (["--to", "x", "--back-to", "0002"], 2, "--back-to stands alone"),
        (["--from", "sqlite+aiosqlite:///a.db", "--to", "mysql://x"], 1, "--to: mysql is not supp"),
        (["--from", "nonsense", "--to", "sqlite+aiosqlite:///a.db"], 1, "--from: cannot be read"),
        (["--from", "env:GONE", "--to", "sqlite+aiosqlite:///a.db"], 1, "environment has no GONE"),
        (
            ["--from", "sqlite+aiosqlite:///a.db", "--to", "sqlite+aiosqlite:///./a.db"],
            1,
            "name the same database",
        ),
    ],
)
def test_arguments_that_mean_nothing_are_told(args: list[str], status: int, told: str) -> None:
    done = watchstander("migrate", *args)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr


def test_one_file_under_two_names_is_told_at_once(sqlite_url: str, tmp_path: Path) -> None:
    asyncio.run(furnish(sqlite_url))
    link = tmp_path / "link.db"
    link.symlink_to(file_of(sqlite_url))
    done = watchstander("migrate", "--from", sqlite_url, "--to", f"sqlite+aiosqlite:///{link}")
    assert (done.returncode, "name the same database" in done.stderr) == (1, True)


def test_a_place_that_cannot_be_written_is_one_line(sqlite_url: str, tmp_path: Path) -> None:
    asyncio.run(furnish(sqlite_url))
    (tmp_path / "new.db.lock").mkdir()
    target = f"sqlite+aiosqlite:///{tmp_path}/new.db"
    done = watchstander("migrate", "--from", sqlite_url, "--to", target)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "new.db.lock: Is a directory" in done.stderr


def test_a_server_that_is_not_there_is_one_line(sqlite_url: str) -> None:
    asyncio.run(furnish(sqlite_url))
    nowhere = "postgresql+psycopg://x:geheim@127.0.0.1:1/none"
    done = watchstander("migrate", "--from", sqlite_url, "--to", nowhere)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "geheim" not in done.stderr
