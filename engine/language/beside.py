"""Unknown words that belong to a named system: "wms app7", "결제 캐시", "會員系統快取".

Left out, they would widen the target to the whole system; so they are names nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from rapidfuzz import process
from rapidfuzz.distance import OSA

from engine.language import lexicon
from engine.language.exclusion import Split
from engine.language.intents import Wish
from engine.language.organisations import kinds
from engine.language.scanned import Kind, Mention, Scan
from engine.language.words import PARTICLES, Stranger, is_ordinary, unusual

_OPERATED = frozenset({"RESTART", "START", "STOP", "FAILOVER"})
"""What stands beside the system is then what is operated on; for others it is an argument."""
_PLACED = _OPERATED | {"DEPLOY", "ROLLBACK"}
_LOOKED_AT = _PLACED | {"LOG", "STATUS"}
_REACH = 60
_SPELLED_FROM = 5
"""Letters of a word that may be an ordinary one with a typing error."""


def find_beside(scan: Scan, split: Split, wish: Wish) -> Iterator[Stranger]:
    """The unknown words that touch the systems that are meant."""
    yield from _misplaced(scan)
    if wish.intent not in _LOOKED_AT:
        return
    reached = 0
    for mention in split.meant:
        if mention.kind is Kind.SYSTEM and mention.start >= reached:
            row = _pattern("row").match(scan.masked, mention.start)
            reached = row.end() if row else mention.end
            yield from _after(scan, mention, reached, wish)
            yield from _before(scan, mention, wish)
            phrase = _ordinary_phrase(scan, mention)
            if phrase:
                yield _stranger(scan, mention.start, phrase.end(), Kind.SYSTEM)


def _misplaced(scan: Scan) -> Iterator[Stranger]:
    """ "order-api on docker9": a container that does not run on the host that is named."""
    nodes = scan.of(Kind.NODE)
    for one, other in pairwise(nodes):
        between = scan.masked[one.end : other.start]
        if one.exact == other.exact or set(one.values) & set(other.values):
            continue
        if _pattern("on_host" if one.exact else "host_of").fullmatch(between):
            yield _stranger(scan, one.start, other.end, Kind.NODE)


def half_excluded(scan: Scan, wish: Wish) -> Iterator[Stranger]:
    """ "but not the old database": what is ruled out is less than what is known of it."""
    for marker in lexicon.pattern("exclusion", "before").finditer(scan.masked):
        match = _pattern("half").match(scan.masked, marker.end())
        if match and not _told(match, wish):
            yield _stranger(scan, match.start("who"), match.end(), Kind.NODE)
    marked = lexicon.pattern("exclusion", "after")
    for match in _pattern("half_after").finditer(scan.masked):
        end = match.end("who")
        ruled_out = marked.search(scan.masked[end : end + 24])
        if ruled_out and _unknown(match["who"]) and not _told(match, wish):
            yield _stranger(scan, *match.span("who"), Kind.NODE)


def _told(match: re.Match[str], wish: Wish) -> bool:
    """Whether a word says what is wanted, or is an ordinary Chinese one."""
    start, end = match.span("who")
    word = match["who"]
    if "\u4e00" <= word[0] <= "\u9fff" and not unusual(word):
        return True
    return any(cue.start < end and start < cue.end for cue in wish.cues)


def _unknown(word: str) -> bool:
    if _parts().match(word):
        return True
    return not (is_ordinary(word) or word in _heads() or PARTICLES.fullmatch(word))


def _after(scan: Scan, mention: Mention, start: int, wish: Wish) -> Iterator[Stranger]:
    glued = _pattern("glued").match(scan.masked, mention.end)
    if glued:
        yield _stranger(scan, mention.start, glued.end(), Kind.SYSTEM)
    stop = _stop(scan, mention, wish, start)
    for word in _pattern("numbered").finditer(scan.masked[:stop], start):
        yield _stranger(scan, *word.span("who"), Kind.NODE)
    letter = _pattern("lettered").match(scan.masked[:stop], start)
    if letter:
        yield _stranger(scan, *letter.span("who"), Kind.NODE)
    if start < stop:
        yield from _words(scan, start, stop, wish)


def _stop(scan: Scan, mention: Mention, wish: Wish, start: int) -> int:
    """Where the words about this system end: at the end of its clause."""
    end = next((b for a, b in wish.clauses if a <= mention.start < b), len(scan.masked))
    return max(start, min(end, start + _REACH))


def _words(scan: Scan, start: int, stop: int, wish: Wish) -> Iterator[Stranger]:
    cues = [cue.start for cue in wish.cues if start <= cue.start < stop]
    stop = min([stop, *cues])
    first = True
    for match in _pattern("words").finditer(scan.masked[:stop], start):
        word = match[0]
        if "\u4e00" <= word[0] <= "\u9fff":
            span = _chinese(word, wish) if first else None
        elif word.isascii():
            span = (0, len(word)) if first and _foreign(word, wish) else None
        else:
            verb_first = first and any(cue.start < start for cue in wish.cues)
            span = _korean(word, wish, bool(cues) or verb_first)
        if span is not None:
            yield _stranger(scan, match.start() + span[0], match.start() + span[1], Kind.NODE)
            return
        first = False


def _chinese(run: str, wish: Wish) -> tuple[int, int] | None:
    skipped = len(run) - len(run.lstrip("的"))
    part = _parts().search(run, skipped)
    if part and wish.intent in _PLACED:
        return skipped, part.end()
    if wish.intent in _OPERATED and len(run) - skipped >= 2:
        odd = [span for span in unusual(run) if span[0] == skipped]
        return (skipped, max(odd[0][1], skipped + 2)) if odd else None
    return None


def _foreign(word: str, wish: Wish) -> bool:
    """A Latin word right after the system: a part, or a word that nobody knows."""
    if _parts().fullmatch(word) and wish.intent in _PLACED:
        return True
    return wish.intent in _OPERATED and _strange(word)


def _strange(word: str) -> bool:
    if len(word) < 2 or word.isdigit() or is_ordinary(word) or word in _heads():
        return False
    if len(word) < _SPELLED_FROM:
        return True
    return not _misspelled(word)


@lru_cache(maxsize=1024)
def _misspelled(word: str) -> bool:
    found = process.extractOne(word, _latin_words(), scorer=OSA.distance, score_cutoff=1)
    return found is not None


def _korean(word: str, wish: Wish, operated: bool) -> tuple[int, int] | None:
    """A Korean word between the system and what shall be done: its object, if it is a noun."""
    part = _parts().match(word)
    if part and wish.intent in _PLACED and _pattern("object").fullmatch(word, part.end()):
        return part.span()
    if not operated or wish.intent not in _OPERATED or _pattern("no_object").search(word):
        return None
    bare = re.sub(_pattern("object_tail"), "", word)
    if len(bare) < 2 or is_ordinary(bare) or bare in _heads() or bare.isdigit():
        return None
    return 0, len(bare)


def _before(scan: Scan, mention: Mention, wish: Wish) -> Iterator[Stranger]:
    if wish.intent not in _PLACED:
        return
    base = max(0, mention.start - _REACH)
    head = scan.masked[base : mention.start]
    row = _pattern("row_before").search(head)
    head = head[: row.start()] if row else head
    part = _part_of().search(head)
    if part:
        yield _stranger(scan, base + part.start("who"), base + part.end("who"), Kind.NODE)
    if wish.intent not in _OPERATED:
        return
    match = _pattern("word_before").search(head)
    if match is None:
        return
    start, end = base + match.start("who"), base + match.end("who")
    if any(cue.start < end and start < cue.end for cue in wish.cues):
        return
    word = match["who"]
    if word in kinds() or word in _heads():
        return
    if _strange(word) if word.isascii() else not is_ordinary(word):
        yield _stranger(scan, start, end, Kind.INSTITUTION)


def _stranger(scan: Scan, start: int, end: int, kind: Kind) -> Stranger:
    return Stranger(scan.folded.written(start, end), start, end, kind)


def _pattern(key: str) -> re.Pattern[str]:
    return lexicon.pattern("beside", key)


@cache
def _parts() -> re.Pattern[str]:
    """What systems are made of besides web, application and database servers."""
    return re.compile(f"(?:{lexicon.alternatives(lexicon.words('parts')['words'])})")


@cache
def _part_of() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![a-z0-9_-])(?P<who>{_parts().pattern})s?(?: (?:server|node|service|box)(?:e?s)?)?"
        r" (?:of|on|in|for|at|from) (?:the |our |all )?$"
    )


@cache
def _heads() -> frozenset[str]:
    return frozenset(lexicon.words("generic")["words"])


@cache
def _latin_words() -> tuple[str, ...]:
    return tuple(sorted(word for word in lexicon.ordinary() if word.isascii() and len(word) > 3))


def _ordinary_phrase(scan: Scan, mention: Mention) -> re.Match[str] | None:
    """ "core values": a name that is an ordinary word, with another ordinary noun behind it."""
    if scan.folded.text[mention.start : mention.end] not in lexicon.ordinary():
        return None
    return _pattern("noun_behind").match(scan.masked, mention.end)
