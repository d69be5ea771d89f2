"""An article cut into sentences, so that the one that answers can be quoted."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 300
"""Characters of a sentence; a longer one is cut, at a space where there is one."""
_END = re.compile(r"(?<=[。！？!?；])|(?<=[.;])\s+|(?:\r?\n)+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Where a sentence stands in its text: from ``start`` to ``end``, in characters."""

    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text without the blanks around them. None is longer than LONGEST."""
    found: list[Sentence] = []
    at = 0
    for end in _END.finditer(text):
        found += _pieces(text, at, end.start())
        at = end.end()
    return [*found, *_pieces(text, at, len(text))]


def _pieces(text: str, start: int, end: int) -> list[Sentence]:
    found: list[Sentence] = []
    while start < end:
        stop = end
        if end - start > LONGEST:
            space = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
            stop = space if space > 0 else start + LONGEST
        piece = text[start:stop]
        left = start + len(piece) - len(piece.lstrip())
        if piece.strip():
            found.append(Sentence(left, left + len(piece.strip())))
        start = stop
    return found
