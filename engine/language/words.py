"""Ordinary words and unknown ones: what a message holds besides names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.language import lexicon
from engine.language.mentions import Kind

PARTICLES = re.compile(rf"{lexicon.PARTICLE}{{1,2}}$")
CHINESE_RUN = re.compile(r"[\u4e00-\u9fff]{2,}")
# Korean words with these endings are verbs and adverbs, not names.
_NOT_NOUN = re.compile(
    r"(?:요|다|죠|까|데|고|서|면|니|게|히|며|라|자|음|함|중|후|때|해|줘|네|지|던|려|든|쯤|씩|쪽|번|건|한"
    r"|은|는|된|할|될)$"
)


@dataclass(frozen=True)
class Stranger:
    """A name that is not in the inventory."""

    written: str
    start: int
    end: int
    kind: Kind


def is_ordinary(word: str) -> bool:
    """Whether a word, its Korean particle aside, is never a name."""
    if word in lexicon.ordinary():
        return True
    if "가" <= word[-1] <= "힣":
        bare = PARTICLES.sub("", word)
        return bare in lexicon.ordinary() or bool(_NOT_NOUN.search(word))
    return False


def unusual(run: str) -> list[tuple[int, int]]:
    """The stretches of a Chinese run that are no ordinary words."""
    found, at, begin = [], 0, -1
    while at < len(run):
        stop = lexicon.ordinary_chinese().match(run, at)
        if stop and stop.end() > at:
            if begin >= 0:
                found.append((begin, at))
                begin = -1
            at = stop.end()
        else:
            begin = at if begin < 0 else begin
            at += 1
    if begin >= 0:
        found.append((begin, len(run)))
    return found
