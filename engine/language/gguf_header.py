"""The names of a GGUF file's metadata, read without loading the model."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by its type's number in the GGUF format."""
_TEXT, _LIST = 8, 9
_LONGEST = 1 << 31


def has_key(path: Path, key: str) -> bool:
    """Whether the metadata has the key. False for a file that cannot be read as GGUF.

    Stops at the key, so a file that has it early is answered at once.
    """
    wanted = key.encode()
    try:
        with path.open("rb") as file:
            magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF":
                return False
            for _ in range(count):
                if _take_text(file) == wanted:
                    return True
                _skip(file, _number(file, "<I"))
    except (OSError, struct.error, _Odd):
        return False
    return False


class _Odd(Exception):
    """Not as the format has it."""


def _number(file: BinaryIO, form: str) -> int:
    (number,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return int(number)


def _take_text(file: BinaryIO) -> bytes:
    size = _number(file, "<Q")
    if size > _LONGEST:
        raise _Odd
    return file.read(size)


def _pass(file: BinaryIO, size: int) -> None:
    if size > _LONGEST:
        raise _Odd
    file.seek(size, 1)


def _skip(file: BinaryIO, kind: int) -> None:
    """Go past one value."""
    if kind == _TEXT:
        _pass(file, _number(file, "<Q"))
    elif kind == _LIST:
        inner, count = _number(file, "<I"), _number(file, "<Q")
        if inner in _SIZES:
            _pass(file, _SIZES[inner] * count)
        elif inner == _TEXT:
            for _ in range(count):
                _pass(file, _number(file, "<Q"))
        else:
            raise _Odd
    elif kind in _SIZES:
        _pass(file, _SIZES[kind])
    else:
        raise _Odd
