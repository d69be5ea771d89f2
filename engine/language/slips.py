"""Whether two names that differ in one place differ by a slip of the hand, or are two names."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from engine.language.fold import hangul
from engine.language.lexicon import words

_PIECES = re.compile(r"[-_.]")


def same_but_for_a_slip(typed: str, name: str) -> bool:
    """For two keys one edit apart: whether the edit looks like a typing error.

    It does not where the changed piece is a letter that counts ("app-a", "app-b"), a word for
    another part ("epay-app", "epay-api"), or another Korean syllable ("시민", "구민").
    """
    pieces, known = _PIECES.split(typed), _PIECES.split(name)
    if len(pieces) == len(known):
        for ours, theirs in zip(pieces, known, strict=True):
            if ours != theirs and (min(len(ours), len(theirs)) < 2 or _word_of_its_own(ours)):
                return False
    return len(typed) != len(name) or _near_syllables(typed, name)


def _word_of_its_own(piece: str) -> bool:
    return piece.strip("0123456789") in _parts()


@cache
def _parts() -> frozenset[str]:
    return frozenset((*words("unknown")["node_parts"], *words("parts")["words"]))


def _near_syllables(typed: str, name: str) -> bool:
    """Hangul syllables that differ must differ in one stroke of the keyboard; two may swap."""
    differing = [(a, b) for a, b in zip(typed, name, strict=True) if a != b]
    if len(differing) != 1 or not all(map(hangul, differing[0])):
        return True
    one, other = (unicodedata.normalize("NFD", syllable) for syllable in differing[0])
    if len(one) != len(other):
        return one.startswith(other) or other.startswith(one)
    return sum(a != b for a, b in zip(one, other, strict=True)) == 1
