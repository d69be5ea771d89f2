"""The lines of a file of messages: one JSON object with a ``text``, or another field, a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bot.commandline.output import Failure

LONGEST_LINE = 1024 * 1024
"""Bytes of a line; a longer one is refused and never held whole."""
STANDARD_INPUT = "-"
_EXAMPLES = {
    "text": '{"text": "restart loan-was-01"}',
    "q": '{"q": "how do I change my password?"}',
}
_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors put before the first line."""


class BadLine(Exception):
    """A line that cannot be used. Its text is what is wrong with it, and the mend."""


@dataclass(frozen=True)
class Line:
    """One line that is not blank; ``problem`` says what is wrong with it, if something is."""

    number: int
    text: str = ""
    fields: dict[str, Any] | None = None
    problem: str = ""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, or standard input for ``-``. Raises Failure where there is none."""
    if str(path) == STANDARD_INPUT:
        if sys.stdin is None:
            raise Failure("standard input is closed; name a file instead of -")
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise Failure(f"{path}: no such file; mend the path") from None
    except IsADirectoryError:
        raise Failure(f"{path}: is a folder; name a file in it") from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; mend the path") from None
    with file:
        yield file


def lines(file: IO[bytes], name: str = "text") -> Iterator[Line]:
    """Each line that is not blank, in order, bad ones too. Holds one at a time.

    ``name`` is the field that holds the text.
    """
    number = 0
    while raw := _read(file):
        number += 1
        too_long = len(raw) > LONGEST_LINE
        while len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            raw = _read(file)
        try:
            if too_long:
                raise BadLine(f"is longer than {LONGEST_LINE} bytes; shorten it")
            fields = _object(raw.removeprefix(_MARK) if number == 1 else raw, name)
            if fields is not None:
                yield Line(number, _text(fields, name), fields)
        except BadLine as bad:
            yield Line(number, problem=f"line {number}: {bad}")


def _read(file: IO[bytes]) -> bytes:
    try:
        return file.readline(LONGEST_LINE + 1)
    except OSError as error:
        raise Failure(f"reading ended early: {error.strerror}; try again") from None


def _object(raw: bytes, name: str) -> dict[str, Any] | None:
    try:
        written = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise BadLine("is not UTF-8; save the file as UTF-8") from None
    if not written:
        return None
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        raise BadLine(f"is not JSON; write {_EXAMPLES[name]}") from None
    if not isinstance(found, dict):
        raise BadLine(f"is not an object; write {_EXAMPLES[name]}")
    return found


def _text(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        raise BadLine(f'has no "{name}"; add it')
    text = fields[name]
    if not isinstance(text, str):
        raise BadLine(f'its "{name}" is not a text; write it in quotes')
    return text
