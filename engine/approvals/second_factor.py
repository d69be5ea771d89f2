"""The second factor of an approval: six digits from the approver's own authenticator (TOTP).

A stolen chat account, session or API token is then not enough to approve what is CRITICAL.  Each
code counts once, also across replicas; five wrong ones lock a person's codes for ten minutes.  The
time is the database's.  A code is never written down: not in comments, not in the audit.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import unicodedata
from pathlib import Path

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.approvals.settings import ApprovalSettings
from engine.errors import GiveUp, Why
from prompts.texts import text
from storage import audit, failures, second_factors
from storage.database import Transaction
from storage.people import Person

DIGITS = 6
LIMIT = 5
"""Wrong codes until a person's codes are locked …"""
WINDOW_MS = 10 * 60_000
"""… within this time, and for as long."""

_WHAT = "code"
_STEP_MS = 30_000
_NEAR = 1  # time steps before and after now whose codes are good: clocks of telephones are off
_NONCE = 12
_KEY = 32
_ISSUER = "Watchstander"


class FactorError(Exception):
    """The key or a sealed secret cannot be used. The message is for the operator."""


class CodeNeeded(GiveUp):
    """Everything else is in order: with a code it would be approved. Nothing was written."""


class WrongCode(GiveUp):
    """A wrong code. The failed try is written in the open transaction, which has to be committed;
    nothing else is in it."""


class SecondFactor:
    """Asks for codes and checks them; makes and opens the sealed secrets."""

    def __init__(self, settings: ApprovalSettings) -> None:
        self._coded = settings.coded
        self._key_file = settings.factor_key_file

    def wanted(self, risk: str) -> bool:
        """Whether approving an action of this level takes a code."""
        return risk in self._coded

    async def require(self, tx: Transaction, person: Person, action: int, code: str) -> None:
        """Check a person's code for an action and use it up.

        Raises CodeNeeded without one, WrongCode for a wrong one, GiveUp where none can be checked.
        """
        factor = await second_factors.find(tx, person.id, alone=True)
        if factor is None:
            raise GiveUp(Why.FORBIDDEN, text("security_not_enrolled", id=action, name=person.name))
        until = await failures.locked_until(tx, _WHAT, person.actor, LIMIT, WINDOW_MS)
        if until is not None:
            raise GiveUp(Why.FORBIDDEN, text("security_locked", id=action, at=until))
        if not code:
            raise CodeNeeded(Why.FORBIDDEN, text("security_code_needed", id=action))
        try:
            secret = open_sealed(load_key(self._key_file), person.id, factor.sealed)
        except FactorError:
            raise GiveUp(Why.CONFLICT, text("security_unreadable", id=action)) from None
        step = step_of(secret, code, tx.now)
        if step is None:
            await self._note_wrong(tx, person, action)
        elif not await second_factors.spend(tx, person.id, step):
            raise GiveUp(Why.FORBIDDEN, text("security_code_used", id=action))
        else:
            await failures.clear(tx, _WHAT, person.actor)

    async def _note_wrong(self, tx: Transaction, person: Person, action: int) -> None:
        await failures.note(tx, _WHAT, person.actor)
        until = await failures.locked_until(tx, _WHAT, person.actor, LIMIT, WINDOW_MS)
        told = {"locked_until": until} if until is not None else {}
        await audit.append(tx, person.actor, "factor.wrong", f"action:{action}", told)
        key = "security_code_wrong" if until is None else "security_now_locked"
        raise WrongCode(Why.FORBIDDEN, text(key, id=action, at=until))

    async def enrol(self, tx: Transaction, person: Person) -> str:
        """Give a person a new secret and return its otpauth:// address, which is shown once.

        The key file is made on first use. Raises FactorError when it cannot be used.
        """
        # A key that is gone is never replaced in silence: everybody else's secret would be, too.
        first = not self._key_file.exists() and not await second_factors.enrolled(tx)
        key = make_key(self._key_file) if first else load_key(self._key_file)
        secret = pyotp.random_base32()
        await second_factors.enrol(tx, person.id, seal(key, person.id, secret))
        await failures.clear(tx, _WHAT, person.actor)
        await audit.append(tx, "watchstander", "factor.enrol", person.actor)
        return pyotp.TOTP(secret).provisioning_uri(name=person.name, issuer_name=_ISSUER)

    async def unreadable(self, tx: Transaction) -> list[str]:
        """Names of those whose secrets the key does not open. Raises FactorError without a key."""
        key = load_key(self._key_file)
        names = []
        for name, factor in (await second_factors.enrolled(tx)).items():
            try:
                open_sealed(key, factor.person_id, factor.sealed)
            except FactorError:
                names.append(name)
        return names

    async def remove(self, tx: Transaction, person: Person) -> bool:
        """Take a person's factor away. False: there was none."""
        if not await second_factors.remove(tx, person.id):
            return False
        await audit.append(tx, "watchstander", "factor.remove", person.actor)
        return True


def split_code(words: str) -> tuple[str, str]:
    """A code at the head of what was typed, and the rest; ("", words) where there is none.

    Taken as authenticators show it ("123 456") and as East Asian keyboards write it (full width).
    """
    parts = words.split(maxsplit=2)
    folded = [_folded(part) for part in parts[:2]]
    if folded and len(folded[0]) == DIGITS and _is_number(folded[0]):
        return folded[0], words.split(maxsplit=1)[1].strip() if len(parts) > 1 else ""
    if [len(part) for part in folded] == [DIGITS // 2] * 2 and all(map(_is_number, folded)):
        return "".join(folded), parts[2].strip() if len(parts) > 2 else ""
    return "", words


def step_of(secret: str, code: str, now_ms: int) -> int | None:
    """The time step whose code this is, now or one step off; None when it is a wrong code."""
    digits, rest = split_code(code)
    if not digits or rest:
        return None
    now, totp = now_ms // _STEP_MS, pyotp.TOTP(secret)
    # All of them are compared, whichever matches: the time taken tells nothing.
    steps = [
        step
        for step in range(now - _NEAR, now + _NEAR + 1)
        if hmac.compare_digest(totp.generate_otp(step), digits)
    ]
    return steps[-1] if steps else None


def seal(key: bytes, person_id: int, secret: str) -> str:
    """A secret for the database: AES-256-GCM, bound to its person's row."""
    nonce = os.urandom(_NONCE)
    closed = AESGCM(key).encrypt(nonce, secret.encode(), _bound_to(person_id))
    return base64.b64encode(nonce + closed).decode()


def open_sealed(key: bytes, person_id: int, sealed: str) -> str:
    """The secret. Raises FactorError for another key, another person's row, or a changed text."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], _bound_to(person_id)).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise FactorError(
            "a sealed secret does not fit the key: restore the factor_key_file that it was made "
            "with, or enrol again"
        ) from None


def load_key(path: Path) -> bytes:
    """Read the key. Raises FactorError when it is missing, no key, or open to others."""
    try:
        if path.stat().st_mode & 0o077:
            raise FactorError(f"{path}: others can read the key; run: chmod 600 {path}")
        key = base64.b64decode(path.read_bytes(), validate=False)
    except FileNotFoundError:
        raise FactorError(
            f"{path}: no such file; restore it, or remove every authenticator and enrol again"
        ) from None
    except OSError as error:
        raise FactorError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        key = b""
    if len(key) != _KEY:
        raise FactorError(f"{path}: is no key of Watchstander's; restore it")
    return key


def make_key(path: Path) -> bytes:
    """Write a new key that only its owner can read; of two who make it at once, one does."""
    key = AESGCM.generate_key(8 * _KEY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return load_key(path)
    except OSError as error:
        raise FactorError(f"{path}: cannot be written: {error.strerror}") from None
    return key


def _bound_to(person_id: int) -> bytes:
    return f"watchstander second factor of person {person_id}".encode()


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()
