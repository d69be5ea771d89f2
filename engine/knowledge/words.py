"""A text as the search sees it: words of each script, and runs of Korean and Chinese characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from engine.knowledge.korean import korean
from engine.knowledge.stems import english
from engine.knowledge.variants import FOLDED

_WORD = re.compile(
    r"(?P<latin>[a-z0-9\u00e0-\u024f]+(?:[._'’\-][a-z0-9\u00e0-\u024f]+)*)"
    r"|(?P<hangul>[\uac00-\ud7a3]+)"
    r"|(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff]+)"
)
_JOIN = re.compile(r"[_'’\-]")
_SPLIT = re.compile(r"[.\-]")
_SHORT_PART = 3
LONGEST_WORD = 64
"""Characters of a word that are looked at; longer ones are keys or noise."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word or run of characters.

    ``text`` is as written, folded; ``stem`` its one form; ``kind`` is latin, hangul or han;
    ``start`` is where it stands in the folded text.
    """

    kind: str
    text: str
    stem: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends in the folded text."""
        return self.start + len(self.text)


def folded(text: str) -> str:
    """The text for lookup: NFKC, small letters, one form for variants of a character."""
    return unicodedata.normalize("NFKC", text).casefold().translate(FOLDED)


def words(text: str) -> Iterator[Word]:
    """The words of a folded text, in order."""
    for match in _WORD.finditer(text):
        kind, raw, at = str(match.lastgroup), match.group(), match.start()
        if kind == "latin":
            yield from _latin(raw, at)
        elif kind == "hangul":
            yield Word(kind, raw, korean(raw[:LONGEST_WORD]), at)
        else:
            yield Word(kind, raw, raw, at)


def _latin(raw: str, at: int) -> Iterator[Word]:
    # "cross-check", "java.lang.OutOfMemoryError": each part is asked for by itself.
    pieces = _SPLIT.split(raw)
    if len(pieces) > 1 and all(len(piece) >= _SHORT_PART for piece in pieces):
        start = at
        for piece in pieces:
            yield Word("latin", piece, english(_JOIN.sub("", piece)[:LONGEST_WORD]), start)
            start += len(piece) + 1
        return
    parts = [part for part in _JOIN.split(raw) if part]
    if len(parts) == 2 and parts[1] == "s":
        parts.pop()
    joined = "".join(parts)
    yield Word("latin", raw, english(joined[:LONGEST_WORD]), at)
