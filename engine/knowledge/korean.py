"""Korean words brought to one form: particles and verb endings off, contractions undone.

A syllable of Hangul is one code point, made of a first consonant, a vowel and a last consonant;
endings melt into it (걸리 + ㅂ니다 → 걸립니다, 걸리 + 었 → 걸렸), so it is taken apart here.
"""

from __future__ import annotations

import re
from functools import lru_cache

_FIRST, _LASTS, _VOWELS = 0xAC00, 28, 21
_NO_LAST, _LAST_B, _LAST_SS = 0, 17, 20
_UNMELTED = {6: 20, 9: 8, 14: 13, 10: 11, 0: 0, 4: 4, 1: 1, 5: 5}
"""The vowel of a stem by that of its past or connective form: 려 → 리, 와 → 오, 워 → 우."""

_PARTICLE = re.compile(
    "(?:에서는|에서도|에서만|한테서|으로는|으로도|이라고|이라는|이라도|까지는|에서|에게|에다|에만|에도|에는|한테|으로|이랑|"
    "하고|까지|부터|마다|처럼|밖에|이나|이란|라고|라는|께서|보다|인데요|인데|이죠|이고|이며|이라|짜리|용|은|는|이|가|을|를|의|에|로|와|과|랑|도|만|나|요|란)$"
)
_ENDING = re.compile(
    "(?:하려고|하려면|하려는|하시면|하세요|하나요|하는데|하는지|하지만|하거나|하도록|하면서|했는데|했어요|했습니다|합니다|합니까|"
    "할까요|할게요|할지|하고|하기|하는|하면|하여|해야|해서|해도|해요|해줘|하다|하지|한다|했다|했을|할|한|함|해|했|"
    "되려면|되나요|되는데|되는지|되지만|되거나|되도록|되었습니다|되었어요|됐는데|됐어요|됐습니다|됩니다|됩니까|될까요|되고|되기|되는|되면|"
    "되어|돼야|돼서|돼도|돼요|되다|되지|된다|됐다|될|된|됨|돼|됐|시키기|시켜|"
    "습니다|습니까|입니다|입니까|인가요|인데요|인데|이에요|예요|나요|네요|는데요|는데|어요|아요|여요|으면|려면|려고|면서|지만|거나|도록|"
    "었는데|았는데|었어요|았어요|었습니다|았습니다|던데|더라|고)$"
)
_OF_VERBS = re.compile(
    "(?:았습니다|었습니다|았어요|었어요|았는데|었는데|았더니|었더니|습니다|습니까|으려면|으려고|으세요|으셔도|으면|으니|려면|려고|세요|"
    "나요|는데요|는데|는지|네요|아요|어요|아서|어서|아야|어야|아도|어도|지만|거나|도록|더니|으십시오|십시오|지는|지가|지도|던데|(?<=[리기지키히우뀌])지)$"
)
"""Endings that stand after no noun, so that even one syllable before them is a verb."""
_AFTER_PAST = re.compile(
    "(?:습니다|습니까|어요|는데요|는데|던데|더니|지만|다가|다|나요|을까요|을|고)$"
)
_AFTER_MELTED = re.compile("(?:요|서|야|도|야만|주세요|줘요|버렸어요|버렸습니다)$")


@lru_cache(maxsize=65536)
def korean(word: str) -> str:
    """A Korean word without its particle or verb ending, never below two syllables.

    A verb of one syllable gets its 다 back: 남나요 and 남습니다 are both 남다.
    """
    verb = _melted(word) or _verb(word)
    if verb:
        return verb if len(verb) > 1 else verb + "다"
    for pattern in (_ENDING, _PARTICLE, _PARTICLE):
        cut = pattern.sub("", word)
        if len(cut) >= 2:
            word = cut
    return word


def _verb(word: str) -> str:
    """The stem before an ending of verbs; empty where there is none or 하다 and 되다 see to it."""
    cut = _OF_VERBS.sub("", word)
    if cut == word or not cut or cut[-1] in "하되해돼했됐이":
        return ""
    return cut


def _melted(word: str) -> str:
    """The stem of a form whose ending has melted into it; empty for any other word."""
    for ending in ("니다", "니까"):
        cut = word.removesuffix(ending)
        if cut and cut != word and _parts(cut[-1])[2] == _LAST_B and cut[-1] not in "합됩입습":
            return cut[:-1] + _with(cut[-1], _NO_LAST)
    cut = _AFTER_PAST.sub("", word)
    if cut and cut != word and _parts(cut[-1])[2] == _LAST_SS and cut[-1] not in "했됐았었있겠":
        return cut[:-1] + _unmelted(cut[-1])
    cut = _AFTER_MELTED.sub("", word)
    if cut and cut != word and cut[-1] not in "해돼여" and _parts(cut[-1])[1:] in _MELTED:
        return cut[:-1] + _unmelted(cut[-1])
    return ""


_MELTED = ((6, _NO_LAST), (9, _NO_LAST), (14, _NO_LAST))


def _parts(syllable: str) -> tuple[int, int, int]:
    at = ord(syllable) - _FIRST
    return at // (_LASTS * _VOWELS), at // _LASTS % _VOWELS, at % _LASTS


def _with(syllable: str, last: int) -> str:
    return chr(ord(syllable) - _parts(syllable)[2] + last)


def _unmelted(syllable: str) -> str:
    first, vowel, _ = _parts(syllable)
    stem = _UNMELTED.get(vowel, vowel)
    return chr(_FIRST + (first * _VOWELS + stem) * _LASTS)
