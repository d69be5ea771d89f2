"""The scripts that may run: a folder with a ``SHA256SUMS``, made by ``sha256sum * > SHA256SUMS``.

Only a plain file that is listed, and whose bytes have the listed hash now, can be planned; the
hash is in the plan.  Before it runs the bytes are read and hashed again, so a file that was changed
after the approval is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from engine.actions.slots import SCRIPT, shown
from engine.errors import GiveUp, Why
from prompts.texts import text

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9_.-]{0,63})", re.ASCII)
_LARGEST = 10 * 1024 * 1024


class Scripts:
    """The registered scripts of one folder; None stands for no folder, and no scripts."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def listed(self) -> dict[str, str]:
        """Name → SHA-256 as SHA256SUMS has it now. Lines that cannot be read are left out."""
        return _parse(self._sums())[0]

    def problems(self) -> list[str]:
        """Everything that is wrong with the folder, "where: what; the mend"."""
        if self.folder is None:
            return []
        place = self.folder / SUMS
        try:
            lines = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return [f"{place}: cannot be read: {error}; run sha256sum * > {SUMS} in the folder"]
        listed, bad = _parse(lines)
        problems = [
            f"{place}: line {number}: not as sha256sum writes it, or a name that cannot be used"
            f" (letters, digits, _ . - only); run sha256sum * > {SUMS} again"
            for number in bad
        ]
        for name, expected in listed.items():
            if self._bytes(name, expected) is None:
                problems.append(
                    f"{self.folder / name}: missing, not a plain file, over 10 MB, or not as"
                    f" listed; look at the change, then run sha256sum * > {SUMS} again"
                )
        return problems

    def sha256(self, name: str) -> str:
        """The hash of a registered script, which its bytes have now. Raises GiveUp."""
        SCRIPT.read(name, "script")
        listed = self.listed()
        if name not in listed:
            known = ", ".join(sorted(listed)) or "–"
            raise GiveUp(Why.INVALID, text("plan_script_unlisted", name=shown(name), known=known))
        if self._bytes(name, listed[name]) is None:
            raise GiveUp(Why.INVALID, text("plan_script_changed", name=name))
        return listed[name]

    def read(self, sha256: str) -> bytes:
        """The bytes of the registered script that has this hash. Raises GiveUp."""
        for name, expected in self.listed().items():
            content = self._bytes(name, expected) if expected == sha256 else None
            if content is not None:
                return content
        raise GiveUp(Why.CONFLICT, text("plan_script_gone", sha256=sha256[:12]))

    def _sums(self) -> str:
        if self.folder is None:
            return ""
        try:
            return (self.folder / SUMS).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            # Unreadable means that nothing is registered; problems() and `check` say why.
            return ""

    def _bytes(self, name: str, expected: str) -> bytes | None:
        """The file's bytes if it is a plain file with the expected hash."""
        if self.folder is None:
            return None
        try:
            # O_NOFOLLOW: a link could point anywhere; O_NONBLOCK: a pipe must not hold us up.
            number = os.open(
                self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError:
            return None
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return None
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST or hashlib.sha256(content).hexdigest() != expected:
            return None
        return content


def _parse(lines: str) -> tuple[dict[str, str], list[int]]:
    """Name → hash, and the numbers of the lines that cannot be used."""
    listed: dict[str, str] = {}
    bad = []
    for number, line in enumerate(lines.split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match and match[2] == SUMS:
            # ``sha256sum * > SHA256SUMS`` lists the file that it is about to write.
            continue
        if match and match[2] not in listed:
            listed[match[2]] = match[1]
        elif line:
            bad.append(number)
    return listed, bad
