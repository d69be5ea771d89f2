"""A message folded for lookup (NFKC, case), with the way back to what the person wrote."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from functools import lru_cache

# Private-use characters stand where something was recognised, so that word patterns see a name
# as one kind of thing and never read words inside it.
NODE, SYSTEM, INSTITUTION, FILE, OTHER_SPAN = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
LAYER, ENVIRONMENT, NUMBER = "\ue005", "\ue006", "\ue007"
BROKEN = "\ufffd"
"""Stands for a control, a bidi or a zero-width character: it never matches and never separates."""


_VARIANTS = str.maketrans(
    "巿臺羣啓裏綫户値産爲衆囘敎册峯牀汚滙髙脚鷄着祕",
    "市台群啟裡線戶值產為眾回教冊峰床污匯高腳雞著秘",
)
"""Two forms of one character, or a look-alike that input methods offer ("門巿")."""


@lru_cache(maxsize=8192)
def _fold_char(char: str) -> str:
    if char in "\n\r\u2028\u2029":
        return "\n"
    if char.isspace():
        return " "
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return BROKEN
    folded = unicodedata.normalize("NFKC", char).casefold()
    return re.sub(r"\s", " ", folded).translate(_VARIANTS)


def fold(text: str) -> str:
    """A name as it is looked up."""
    return "".join(map(_fold_char, unicodedata.normalize("NFC", text)))


class Folded:
    """``text`` is for lookup; ``written`` gives the person's own characters back."""

    def __init__(self, raw: str) -> None:
        self.raw = unicodedata.normalize("NFC", raw)
        pieces: list[str] = []
        self._origin: list[int] = []
        for index, char in enumerate(self.raw):
            piece = _fold_char(char)
            pieces.append(piece)
            self._origin.extend([index] * len(piece))
        self.text = "".join(pieces)

    def place(self, at: int) -> int:
        """Where the character at this place of the original stands in ``text``."""
        return bisect_left(self._origin, at)

    def written(self, start: int, end: int) -> str:
        """What the person wrote there, spaces at the ends left out."""
        if start >= end:
            return ""
        return self.raw[self._origin[start] : self._origin[end - 1] + 1].strip()


def latin(char: str) -> bool:
    """An ASCII letter or digit."""
    return char.isascii() and char.isalnum()


def hangul(char: str) -> bool:
    return "가" <= char <= "힣"


def han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf"
