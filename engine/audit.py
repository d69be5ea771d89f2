"""Signing the audit chain, and telling what was done to it.

A chain of hashes alone does not show that its end was cut off, or that it was written anew from
some row on.  So its head and length are signed from time to time and kept in a second file.  What
a signature cannot show: rows changed since the last checkpoint *and* stamped again, and somebody
who holds the key as well as both files.  Keep the checkpoint file on another disk or machine.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from storage import audit_read, failpoints
from storage.audit import START
from storage.database import Transaction

_KEPT = 1_000


@dataclass(frozen=True)
class AuditSettings:
    """How the record of what happened is protected."""

    key_file: Path = Path("audit.key")
    """Ed25519 private key (PEM); made on the first start, readable by its owner only."""

    checkpoint_file: Path = Path("audit.checkpoints")
    """Signed heads and lengths of the chain; best kept on another disk than the database."""

    sign_every_s: int = 5
    """Least seconds between two checkpoints of a growing chain; what is changed within them cannot
    be told."""


class Sign(StrEnum):
    """What verification can find."""

    EDITED = "edited"
    DELETED = "deleted"
    TRUNCATED = "truncated"
    RESTAMPED = "restamped"
    FORGED = "forged checkpoint"
    NO_CHECKPOINT = "no checkpoint"
    NO_KEY = "no key"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, for an operator."""

    sign: Sign
    detail: str
    first: int = 0
    """First row it concerns; 0 when it concerns a file."""
    last: int = 0

    def __str__(self) -> str:
        return f"{self.sign}: {self.detail}"


@dataclass(frozen=True)
class Checkpoint:
    """The chain's length and head at a moment (milliseconds since 1970), signed."""

    count: int
    head: str
    at: int
    signature: str = ""

    @property
    def signed(self) -> bytes:
        """The bytes the signature is over."""
        return f"watchstander audit {self.count} {self.head} {self.at}".encode()


@dataclass(frozen=True)
class Verdict:
    """The result of a verification."""

    rows: int
    signed_rows: int
    """Rows up to the last good checkpoint."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def lines(self) -> tuple[str, ...]:
        """One line per finding, or the one good line."""
        if self.findings:
            return tuple(str(finding) for finding in self.findings)
        waiting = max(0, self.rows - self.signed_rows)
        return (f"ok: {self.rows} rows, {waiting} of them since the last checkpoint",)


class CannotSign(Exception):
    """The chain must not be signed as it is; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


async def verify(tx: Transaction, settings: AuditSettings) -> Verdict:
    """Read the whole chain and both files. Changes nothing; takes seconds for a million rows."""
    findings: list[Finding] = []
    checkpoints = _trusted_checkpoints(settings, findings)
    file_findings = list(findings)
    chain_findings, rows, kept = await _walk(tx, {point.count for point in checkpoints})
    findings += chain_findings
    last = checkpoints[-1].count if checkpoints else 0
    if rows and not checkpoints and not file_findings:
        findings.append(_no_checkpoint(settings, rows))
    if rows < last:
        findings.append(
            Finding(
                Sign.TRUNCATED,
                f"rows {rows + 1}–{last} are gone: the last checkpoint signed {last} rows",
                rows + 1,
                last,
            )
        )
    findings += _restamped(checkpoints, kept, chain_findings)
    return Verdict(rows, last, tuple(findings))


async def look_at_chain(tx: Transaction) -> tuple[tuple[Finding, ...], audit_read.Head]:
    """What the rows alone show, and where they end: to compare two copies of one chain."""
    findings, _, _ = await _walk(tx, set())
    return tuple(findings), await audit_read.head(tx)


async def _walk(tx: Transaction, wanted: set[int]) -> tuple[list[Finding], int, dict[int, str]]:
    """What the rows alone show, the last row's number, and the hashes at the wanted rows."""
    findings: list[Finding] = []
    kept = {0: START}
    seq, before, before_sound = 0, START, True
    async for row in audit_read.walk(tx):
        if row.seq < 1 or not row.sound:
            findings.append(_edited(row.seq, "does not match its hash"))
        elif row.seq == seq + 1 and row.previous != before and before_sound:
            # The row is as it was written, so it is the row before it that was stamped again.
            findings.append(
                _edited(seq, f"was changed and stamped again: row {row.seq} names another hash")
                if seq
                else _edited(row.seq, "does not begin the chain")
            )
        if row.seq > seq + 1:
            gap = f"rows {seq + 1}–{row.seq - 1} are" if row.seq > seq + 2 else f"row {seq + 1} is"
            findings.append(Finding(Sign.DELETED, f"{gap} gone", seq + 1, row.seq - 1))
        if row.seq in wanted:
            kept[row.seq] = row.hash
        seq, before, before_sound = max(row.seq, 0), row.hash, row.sound
    return findings, seq, kept


def _edited(seq: int, what: str) -> Finding:
    return Finding(Sign.EDITED, f"row {seq} {what}", seq, seq)


def _restamped(
    checkpoints: Sequence[Checkpoint], kept: dict[int, str], others: Sequence[Finding]
) -> list[Finding]:
    """A chain that hangs together but is not the one that was signed."""
    touched = {finding.first for finding in others} | {finding.last for finding in others}
    good = 0
    for point in checkpoints:
        found = kept.get(point.count)
        if found == point.head:
            good = point.count
        elif found is not None and point.count not in touched:
            detail = (
                f"rows were written anew between {good + 1} and {point.count}: "
                f"the head after row {point.count} is not the signed one"
            )
            return [Finding(Sign.RESTAMPED, detail, good + 1, point.count)]
    return []


def _no_checkpoint(settings: AuditSettings, rows: int) -> Finding:
    detail = (
        f"{settings.checkpoint_file} is missing or empty, and the chain has {rows} rows; "
        "restore the file, or look the rows over and run: watchstander audit adopt --config FILE"
    )
    return Finding(Sign.NO_CHECKPOINT, detail)


def _trusted_checkpoints(settings: AuditSettings, findings: list[Finding]) -> list[Checkpoint]:
    """The checkpoints whose signatures hold; what is wrong with the files goes to ``findings``."""
    try:
        lines = _lines(settings.checkpoint_file)
        if not lines:
            return []
        key = load_key(settings.key_file).public_key()
    except CannotSign as error:
        findings.append(error.finding)
        return []
    return _check(lines, key, settings.checkpoint_file, findings)


def _check(
    lines: Sequence[str], key: Ed25519PublicKey, path: Path, findings: list[Finding]
) -> list[Checkpoint]:
    good: list[Checkpoint] = []
    for number, line in enumerate(lines, 1):
        point = _parse(line)
        if point is None or not _holds(point, key):
            findings.append(Finding(Sign.FORGED, f"{path} line {number}: the signature is wrong"))
        elif good and point.count < good[-1].count:
            findings.append(Finding(Sign.FORGED, f"{path} line {number}: out of order"))
        else:
            good.append(point)
    return good


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise CannotSign(Finding(Sign.FORGED, f"{path}: cannot be read: {error}")) from None


def _parse(line: str) -> Checkpoint | None:
    try:
        raw = json.loads(line)
        point = Checkpoint(raw["count"], raw["head"], raw["at"], raw["signature"])
    except (ValueError, KeyError, TypeError):
        return None
    whole = [type(value) is int for value in (point.count, point.at)]
    words = [isinstance(value, str) for value in (point.head, point.signature)]
    return point if all(whole + words) else None


def _holds(point: Checkpoint, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(bytes.fromhex(point.signature), point.signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read the key. Raises CannotSign when it is missing, not a key, or open to others."""
    try:
        if path.stat().st_mode & 0o077:
            raise CannotSign(
                Finding(Sign.NO_KEY, f"{path}: others can read the key; run: chmod 600 {path}")
            )
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        raise CannotSign(
            Finding(
                Sign.NO_KEY, f"{path}: no such file; restore the key that signed the checkpoints"
            )
        ) from None
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CannotSign(Finding(Sign.NO_KEY, f"{path}: cannot be read: {error}")) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CannotSign(Finding(Sign.NO_KEY, f"{path}: not an Ed25519 key"))
    return key


def make_key(path: Path) -> Ed25519PrivateKey:
    """Write a new key that only its owner can read. Raises FileExistsError, replaces nothing."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


class Checkpointer:
    """Signs the chain's head as the chain grows."""

    def __init__(self, settings: AuditSettings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    async def sign(self, tx: Transaction) -> Checkpoint | None:
        """Add a checkpoint when the chain has grown; None when there was nothing to do.

        Call it once before the first row is written: the empty chain gets a checkpoint too, so
        that a lost file is never taken for a first start.  Raises CannotSign over a chain that does
        not hold the last signed head.
        """
        return await self._sign(tx, adopt=False)

    async def adopt(self, tx: Transaction) -> Checkpoint | None:
        """Sign a chain that has no checkpoint, because a person looked it over.

        Raises CannotSign when the chain does not hang together or has checkpoints already.
        """
        findings, _, _ = await _walk(tx, set())
        if findings:
            raise CannotSign(findings[0])
        return await self._sign(tx, adopt=True)

    async def _sign(self, tx: Transaction, *, adopt: bool) -> Checkpoint | None:
        async with self._turn:
            head = await audit_read.head(tx)
            lines = await asyncio.to_thread(_lines, self._settings.checkpoint_file)
            if head.count and not lines and not adopt:
                raise CannotSign(_no_checkpoint(self._settings, head.count))
            key = await asyncio.to_thread(self._key, new=not lines)
            if lines:
                last = self._last(lines, key.public_key())
                await self._must_hold(tx, last, head)
                if head.count == last.count:
                    return None
            point = Checkpoint(head.count, head.hash, tx.now)
            point = Checkpoint(head.count, head.hash, tx.now, key.sign(point.signed).hex())
            failpoints.before("audit.sign")
            await asyncio.to_thread(self._write, [*lines, _line(point)][-_KEPT:])
            failpoints.after("audit.sign")
            return point

    def _key(self, *, new: bool) -> Ed25519PrivateKey:
        path = self._settings.key_file
        return make_key(path) if new and not path.exists() else load_key(path)

    def _last(self, lines: Sequence[str], key: Ed25519PublicKey) -> Checkpoint:
        findings: list[Finding] = []
        good = _check(lines, key, self._settings.checkpoint_file, findings)
        if findings:
            raise CannotSign(findings[0])
        return good[-1]

    async def _must_hold(self, tx: Transaction, last: Checkpoint, head: audit_read.Head) -> None:
        if head.count < last.count:
            detail = f"the chain has {head.count} rows, the last checkpoint signed {last.count}"
            raise CannotSign(Finding(Sign.TRUNCATED, detail, head.count + 1, last.count))
        if await audit_read.hash_at(tx, last.count) != last.head:
            detail = f"the head after row {last.count} is not the signed one"
            raise CannotSign(Finding(Sign.RESTAMPED, detail, last.count, last.count))

    def _write(self, lines: Sequence[str]) -> None:
        """Replace the file in one step: after a crash it is the old one or the new one."""
        path = self._settings.checkpoint_file
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        with draft.open("w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _line(point: Checkpoint) -> str:
    return json.dumps(
        {
            "count": point.count,
            "head": point.head,
            "at": point.at,
            "signature": point.signature,
        }
    )
