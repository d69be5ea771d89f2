"""Looking a backup over, without the bot and without changing it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from bot.commandline import backup_manifest
from bot.commandline.backup_manifest import CHECKPOINTS, DATABASE, Manifest, sha256
from bot.commandline.moving import failures
from bot.settings import SettingsError, load_settings
from engine.audit import AuditSettings, Finding, Sign
from engine.audit import verify as verify_chain
from storage import audit_read, snapshots


@dataclass(frozen=True)
class Found:
    """What a look showed."""

    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    good: str
    """The one line when there are no problems."""


def key_beside(config: Path) -> Path | None:
    """The audit key that a configuration names; None where there is no configuration to ask."""
    try:
        return load_settings(config).audit.key_file
    except SettingsError:
        return None


async def verify(folder: Path, key: Path | None) -> Found:
    """Compare a backup with its manifest, and walk its audit chain. Raises Failure for no backup.

    ``key``: the audit key, where the backup holds none.
    """
    manifest = backup_manifest.read(folder)
    problems = [*_files(folder, manifest)]
    if problems:
        return Found(tuple(problems), (), "")
    file = folder / DATABASE
    problems += [f"{DATABASE}: {line}" for line in snapshots.problems_of(file)]
    problems += _rows(file, manifest)
    if problems:
        return Found(tuple(problems), (), "")
    findings, head = await _chain(folder, manifest, key)
    remarks = [
        f"the checkpoints' signatures were not looked at: {finding.detail};"
        " or give the --config that names the key"
        for finding in findings
        if finding.sign is Sign.NO_KEY
    ]
    problems += [str(finding) for finding in findings if finding.sign is not Sign.NO_KEY]
    if (head.count, head.hash) != (manifest.chain, manifest.head):
        problems.append(f"audit chain: {head.count} rows, the manifest says {manifest.chain}")
    total = sum(manifest.rows.values())
    return Found(
        tuple(problems),
        tuple(remarks),
        f"ok: {total} rows in {len(manifest.rows)} tables at revision {manifest.revision},"
        f" audit chain of {head.count} rows whole, taken {manifest.taken_at}"
        f" by version {manifest.watchstander}",
    )


def _files(folder: Path, manifest: Manifest) -> list[str]:
    problems = []
    for name, expected in manifest.files.items():
        try:
            found = sha256(folder / name)
        except OSError as error:
            problems.append(f"{name}: {error.strerror}; take another backup")
            continue
        if found != expected:
            problems.append(f"{name}: was changed since the backup was taken; take another")
    if DATABASE not in manifest.files:
        problems.append(f"{DATABASE}: the manifest does not name it; take another backup")
    return problems


def _rows(file: Path, manifest: Manifest) -> list[str]:
    try:
        found = snapshots.row_counts(file)
    except sqlite3.Error as error:
        return [f"{DATABASE}: {error}"]
    if found == manifest.rows:
        return []
    tables = sorted(
        table
        for table in found.keys() | manifest.rows.keys()
        if found.get(table) != manifest.rows.get(table)
    )
    return [f"{DATABASE}: not the rows of the manifest: {', '.join(tables)}"]


async def _chain(
    folder: Path, manifest: Manifest, key: Path | None
) -> tuple[tuple[Finding, ...], audit_read.Head]:
    inside = folder / manifest.key if manifest.key else key
    settings = AuditSettings(inside or Path("audit.key"), folder / CHECKPOINTS)
    db = snapshots.open_as_it_is(folder / DATABASE, frozen=True)
    try:
        with failures():
            async with db.read() as tx:
                verdict = await verify_chain(tx, settings)
                return verdict.findings, await audit_read.head(tx)
    finally:
        await db.close()
