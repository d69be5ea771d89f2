"""Taking a backup beside a running bot."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import sqlite3
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.commandline.backup_manifest import CHECKPOINTS, DATABASE, DUMP, SETTINGS, Manifest, sha256
from bot.commandline.moving import PATIENCE_S, failures
from bot.commandline.output import Failure
from bot.settings import SECTIONS, Settings
from storage import audit_read, migrate, snapshots
from storage.address import sqlite_file
from storage.database import Database

_BIG = ("model", "knowledge")
"""Settings whose files come with the program, or from where they came the first time."""


async def take(settings: Settings, folder: Path, pg_dump: str, *, secrets: bool) -> list[str]:
    """Copy everything into a new folder; gives remarks for the operator. Raises Failure.

    The folder appears whole or not at all.
    """
    with _draft(folder) as draft:
        return await _fill(settings, draft, pg_dump, secrets=secrets)


@contextlib.contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is wanted, moved there at the end, or gone."""
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(f"{folder}: is there already; give a new folder behind --to")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}.", suffix=".unfinished", dir=folder.parent,
            ignore_cleanup_errors=True,
        ) as place:  # fmt: skip
            yield Path(place)
            _close(Path(place))
            Path(place).replace(folder)
    except OSError as error:
        raise Failure(
            f"{error.filename or folder}: {error.strerror or error}; no backup was taken"
        ) from None


def _close(draft: Path) -> None:
    """For its owner's eyes only, and on the disk."""
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    for path in draft.rglob("*"):
        if path.is_file():
            snapshots.to_disk(path)


async def _fill(settings: Settings, draft: Path, pg_dump: str, *, secrets: bool) -> list[str]:
    checkpoints = settings.audit.checkpoint_file
    if checkpoints.exists():
        # Before the database: what is signed must be in the copy.
        shutil.copyfile(checkpoints, draft / CHECKPOINTS)
    with failures():
        try:
            remarks = await _database(settings, draft, pg_dump)
        except sqlite3.Error as error:
            raise Failure(f"[database] url: {error}; no backup was taken") from None
    beside = {path: _place(path, settings.path.parent) for path in _needed(settings)}
    if secrets:
        for path, name in beside.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, draft / name)
    else:
        remarks += [f"not in the backup, keep it elsewhere: {path}" for path in beside]
    key = beside.get(settings.audit.key_file, "") if secrets else ""
    manifest = await _manifest(draft, settings)
    left_out = () if secrets else tuple(str(path) for path in beside)
    dataclasses.replace(manifest, key=key, left_out=left_out).write(draft)
    return remarks


async def _database(settings: Settings, draft: Path, pg_dump: str) -> list[str]:
    file, copy = sqlite_file(settings.database.url), draft / DATABASE
    if file is not None and not file.exists():
        raise Failure(f"{file}: no such database; mend [database] url")
    db = Database.open(dataclasses.replace(settings.database, patience_s=PATIENCE_S))
    try:
        await migrate.require_current(db)
        if file is not None:
            snapshots.copy_file(file, copy)
            return []
        async with snapshots.moment(db) as (source, moment):
            told = await asyncio.to_thread(_dump, db.writer.url, moment, draft / DUMP, pg_dump)
            await snapshots.copy_rows(source, copy)
        return told
    finally:
        await db.close()


def _dump(url: sa.URL, moment: str, file: Path, program: str) -> list[str]:
    """A dump of the same moment by PostgreSQL's own program; what was in its way is a remark."""
    found = shutil.which(program)
    without = f"no {DUMP} beside it; {DATABASE} holds everything all the same"
    if found is None:
        return [f"{program}: no such program: {without}"]
    address = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    # The operator's own program; a list of arguments, and no shell.
    done = subprocess.run(  # noqa: S603
        [found, "--format=custom", f"--snapshot={moment}", f"--file={file}", f"--dbname={address}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        return []
    file.unlink(missing_ok=True)
    reason = " ".join(done.stderr.decode(errors="backslashreplace").split())
    return [f"{program}: {reason[:300]}: {without}; --pg-dump names another program"]


async def _manifest(draft: Path, settings: Settings) -> Manifest:
    db = snapshots.open_as_it_is(draft / DATABASE, frozen=True)
    try:
        async with db.read() as tx:
            head = await audit_read.head(tx)
    finally:
        await db.close()
    return Manifest(
        watchstander=version("watchstander"),
        revision=snapshots.revision_of(draft / DATABASE),
        origin=sa.make_url(settings.database.url).get_backend_name(),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=snapshots.row_counts(draft / DATABASE),
        chain=head.count,
        head=head.hash,
        files={str(path.relative_to(draft)): sha256(path) for path in _files(draft)},
        key="",
        left_out=(),
    )


def _needed(settings: Settings) -> list[Path]:
    """The files that a restore needs beside the database: configuration, keys, secrets."""
    found = [settings.path]
    for section in SECTIONS:
        if section not in _BIG:
            values = vars(getattr(settings, section)).values()
            found += [value for value in values if isinstance(value, Path)]
    beside = settings.path.parent
    found += [beside / Path(name).expanduser() for name in _named(_raw(settings.path), "*_file")]
    # The hosts' own keys: a program that starts finds them from where it stands.
    found += [Path(name).absolute() for name in _named(_raw(settings.inventory.file), "key")]
    checkpoints = settings.audit.checkpoint_file
    files = [one for path in found if path != checkpoints for one in _files(path)]
    return list(dict.fromkeys(files))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [one for one in sorted(path.rglob("*")) if one.is_file()]
    return [path] if path.exists() else []


def _raw(path: Path) -> Mapping[str, Any]:
    """What a TOML file says; nothing where it cannot be read: the bot would not start on it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _named(raw: Any, names: str) -> Iterator[str]:
    """Every text under such a name (``*_file``), at any depth."""
    if isinstance(raw, list):
        for part in raw:
            yield from _named(part, names)
    if isinstance(raw, Mapping):
        for name, value in raw.items():
            if fnmatchcase(name, names) and isinstance(value, str) and value:
                yield value
            yield from _named(value, names)


def _place(path: Path, beside: Path) -> str:
    """Where a file stands in the backup: as it stands beside the configuration, or by its path."""
    if path.is_relative_to(beside) and ".." not in path.relative_to(beside).parts:
        return str(Path(SETTINGS) / path.relative_to(beside))
    return str(Path(SETTINGS, "elsewhere", *[part for part in path.parts[1:] if part != ".."]))
