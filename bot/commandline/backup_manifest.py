"""What a backup says about itself: ``manifest.json``, written last."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.commandline.output import Failure

NAME = "manifest.json"
DATABASE = "watchstander.db"
CHECKPOINTS = "audit.checkpoints"
DUMP = "watchstander.dump"
SETTINGS = "settings"
"""The folder with the configuration and the secrets, where they were asked for."""
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """What was copied."""

    watchstander: str
    """The version that took the copy."""
    revision: str
    """Its tables."""
    origin: str
    """sqlite or postgresql."""
    taken_at: str
    """UTC, ISO 8601."""
    rows: Mapping[str, int]
    """Table → rows."""
    chain: int
    """Rows of the audit chain."""
    head: str
    """Hash of its last row."""
    files: Mapping[str, str]
    """Path in the folder → SHA-256."""
    key: str
    """Path of the audit key in the folder; "" = it was not copied."""
    left_out: tuple[str, ...]
    """Files that a restore needs and that are not in the folder."""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Put it into a folder."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2)
        (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises Failure when the folder is none, or not a finished one."""
    path = folder / NAME
    mend = "it is no backup, or one that was not finished; take another"
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}: {mend}") from None
    except ValueError:
        raise Failure(f"{path}: cannot be read: {mend}") from None
    known = {field.name: field.type for field in dataclasses.fields(Manifest)}
    if not isinstance(raw, dict) or raw.keys() != known.keys() or raw["format"] != FORMAT:
        raise Failure(f"{path}: not a manifest of this version: {mend}")
    tables = [raw[name] for name in ("rows", "files")]
    inside = [Path(name) for name in (*tables[-1], raw["key"])] if _are_tables(tables) else []
    if not inside or any(part.is_absolute() or ".." in part.parts for part in inside):
        raise Failure(f"{path}: names no files, or some outside its folder; {mend}")
    return Manifest(**{**raw, "left_out": tuple(raw["left_out"])})


def _are_tables(values: list[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)


def sha256(file: Path) -> str:
    """The hash of a file. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
