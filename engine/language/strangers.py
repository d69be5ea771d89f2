"""Names in a message that the inventory does not have, and single typing errors that are mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain

from engine.language import lexicon
from engine.language.beside import find_beside, half_excluded
from engine.language.contract import CHANGING
from engine.language.exclusion import Split
from engine.language.fold import BROKEN, OTHER_SPAN
from engine.language.identifiers import identifier_spans
from engine.language.intents import Wish
from engine.language.mentions import Kind, Mention, Scan
from engine.language.names import MEND_FROM, Entry, NameIndex
from engine.language.organisations import find_organisations
from engine.language.words import CHINESE_RUN, PARTICLES, Stranger, is_ordinary, unusual

_MOST_TRIED = 24
"""Words of one message that are compared with the inventory's names."""
_MOST_TOLD = 24
"""Unknown names of one message that are collected; one of them is enough to ask."""
_LONGEST_RUN = 60
"""Characters of a Chinese run that are compared with the inventory's names."""
_LONGEST = 253
"""Characters of a host name at most."""
_KOREAN_WORD = re.compile(r"[가-힣]{2,20}")


def mend(scan: Scan, index: NameIndex, wish: Wish) -> None:
    """Put the names in that stand in the message with one typing error."""
    taken = _cue_spans(wish)
    tried = 0
    for start, end in list(_candidates(scan)):
        if any(2 * (min(end, b) - max(start, a)) >= end - start for a, b in taken):
            continue  # it says what is wanted
        if tried >= _MOST_TRIED:
            continue
        tried += 1
        entry, stop = _mended(scan, index, start, end)
        if entry is not None:
            kind, values = _kind(entry)
            written = scan.folded.written(start, stop)
            scan.add(Mention(kind, start, stop, tuple(values), written, entry.exact))
    if wish.intent not in CHANGING and not scan.of(Kind.NODE, Kind.SYSTEM):
        _mend_chinese(scan, index, taken)
    scan.mentions.sort(key=lambda mention: mention.start)


def _mend_chinese(scan: Scan, index: NameIndex, taken: list[tuple[int, int]]) -> None:
    """The one system whose name stands among ordinary words with one wrong character.

    Only to look at: another character may make another name, so a change is asked about.
    """
    found = []
    for run in list(CHINESE_RUN.finditer(scan.masked))[:_MOST_TRIED]:
        for at, entry in index.mend_chinese(run[0][:_LONGEST_RUN]):
            start = run.start() + at
            if not any(a < start + len(entry.key) and start < b for a, b in taken):
                found.append((start, entry))
    if len(found) == 1:
        start, entry = found[0]
        stop = start + len(entry.key)
        written = scan.folded.written(start, stop)
        scan.add(Mention(Kind.SYSTEM, start, stop, tuple(entry.systems), written))


def _mended(scan: Scan, index: NameIndex, start: int, end: int) -> tuple[Entry | None, int]:
    text = scan.folded.text
    for stop in _stops(text, start, end):
        word = text[start:stop]
        if len(word) >= MEND_FROM and word not in lexicon.ordinary():
            entry = index.mend(word)
            if entry is not None:
                return entry, stop
    return None, end


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    """The word whole, then without its particle."""
    yield end
    particle = PARTICLES.search(text[start:end])
    if particle:
        for at in range(particle.start(), end - start):
            if PARTICLES.fullmatch(text[start + at : end]):
                yield start + at


def _candidates(scan: Scan) -> Iterator[tuple[int, int]]:
    for match in lexicon.pattern("strangers", "word").finditer(scan.masked):
        if match[0] not in lexicon.ordinary():
            yield match.span()
    for match in _KOREAN_WORD.finditer(scan.masked):
        if match[0] not in lexicon.ordinary():
            yield match.span()
    for match in CHINESE_RUN.finditer(scan.masked):
        inside = unusual(match[0])
        for a, b in inside:
            if b - a >= MEND_FROM:
                yield match.start() + a, match.start() + b


def _kind(entry: Entry) -> tuple[Kind, list[str]]:
    if entry.nodes:
        return Kind.NODE, entry.nodes
    if entry.systems:
        return Kind.SYSTEM, entry.systems
    return Kind.INSTITUTION, entry.institutions


def _cue_spans(wish: Wish) -> list[tuple[int, int]]:
    """Words that say what is wanted; a long span holds other words too, so it counts no more."""
    return [(cue.start, cue.end) for cue in wish.cues if cue.end - cue.start <= 16]


def find_strangers(scan: Scan, split: Split, index: NameIndex, wish: Wish) -> list[Stranger]:
    """The unknown names that stand where a target is named, the excluded ones left out."""
    found = [Stranger(name, 0, 0, Kind.NODE) for name in scan.absent]
    found += half_excluded(scan, wish)
    taken = _cue_spans(wish)
    looked = (
        _hosts(scan, index, wish),
        _systems(scan),
        find_organisations(scan, split, index),
        _not_sent(scan, _neighbours(scan, split)),
        _not_sent(scan, find_beside(scan, split, wish)),
    )
    for stranger in chain.from_iterable(looked):
        inside_cue = any(a <= stranger.start and stranger.end <= b for a, b in taken)
        if not inside_cue and not _ruled_out(scan, stranger):
            found.append(stranger)
            if len(found) >= _MOST_TOLD:
                break
    kept: dict[str, Stranger] = {}
    for stranger in found:
        if not any(stranger.written in other.written for other in kept.values()):
            kept[stranger.written] = stranger
    return list(kept.values())


def _not_sent(scan: Scan, found: Iterator[Stranger]) -> Iterator[Stranger]:
    """Those that are no part of the line that says who sent a forwarded mail."""
    lines = [m.span() for m in lexicon.pattern("organisations", "sender").finditer(scan.masked)]
    for stranger in found:
        if not any(a <= stranger.start and stranger.end <= b for a, b in lines):
            yield stranger


def _ruled_out(scan: Scan, stranger: Stranger) -> bool:
    """ "leave hometax-was-01": a name that is ruled out need not be known."""
    tail = scan.masked[stranger.end : stranger.end + 24]
    before = lexicon.pattern("exclusion", "before")
    head = scan.masked[max(0, stranger.start - 40) : stranger.start]
    return bool(lexicon.pattern("exclusion", "after").search(tail)) or any(
        match.end() == len(head) for match in before.finditer(head)
    )


@cache
def _not_nodes() -> re.Pattern[str]:
    return re.compile(lexicon.words("unknown")["not_nodes"], re.ASCII)


def _hosts(scan: Scan, index: NameIndex, wish: Wish) -> Iterator[Stranger]:
    """Tokens that look like a host: digits or dashes, and parts that hosts have."""
    parts = set(lexicon.words("unknown")["node_parts"]) | index.first_parts
    local = any(not char.isascii() and char.isalpha() for char in scan.masked)
    spared = identifier_spans(scan, wish, index)
    for match in lexicon.pattern("strangers", "token").finditer(scan.masked):
        word = match[0]
        if len(word) > _LONGEST or word in lexicon.ordinary() or _not_nodes().fullmatch(word):
            continue
        if any(a <= match.start() and match.end() <= b for a, b in spared):
            continue
        pieces = [piece for piece in re.split(r"[-_\d]+", word) if piece]
        dashed = "-" in word or "_" in word
        familiar = bool(parts & set(pieces)) and (dashed or pieces[0] != word)
        shaped = bool(lexicon.pattern("strangers", "host_shape").fullmatch(word))
        if wish.intent == "ACCOUNT" and not dashed:
            continue  # a login name
        if familiar or shaped or BROKEN in word or (dashed and local and not _compound(word)):
            yield Stranger(scan.folded.written(*match.span()), *match.span(), Kind.NODE)


def _compound(word: str) -> bool:
    """ "check-in": an English word of several, in a message of another language."""
    pieces = set(re.split(r"[-_]", word))
    if any(map(str.isdigit, word)):
        return False
    return bool(pieces & _compounds()) or pieces <= lexicon.ordinary()


@cache
def _compounds() -> frozenset[str]:
    return frozenset(lexicon.listed("words", "compound"))


def _systems(scan: Scan) -> Iterator[Stranger]:
    """ "홈택스시스템", "payroll system", "薪資系統": the head of an unknown name."""
    for language in ("english", "korean", "chinese"):
        pattern = lexicon.pattern("strangers", f"{language}_system")
        for match in pattern.finditer(scan.masked):
            name, start = match["who"], match.start("who")
            if language == "chinese":
                inside = unusual(name)
                if not inside or inside[-1][1] != len(name):
                    continue
                start += inside[-1][0]
                name = name[inside[-1][0] :]
            if is_ordinary(name) or OTHER_SPAN in name:
                continue
            end = match.end("head")
            yield Stranger(scan.folded.written(start, end), start, end, Kind.SYSTEM)


def _neighbours(scan: Scan, split: Split) -> Iterator[Stranger]:
    """Unknown words tied to a known system: "X의 예산", "X랑 예산", "NTS mail"."""
    targets = [m for m in split.meant if m.kind in (Kind.SYSTEM, Kind.NODE)]
    for mention in targets:
        base = max(0, mention.start - 40)
        head = scan.masked[base : mention.start]
        patterns = ["joined_before"]
        if mention.kind is Kind.SYSTEM:
            patterns += ["possessive", "proper_before"]
        for key in patterns:
            match = lexicon.pattern("strangers", key).search(head)
            if match:
                yield from _tied(scan, match, base, key)
        tail = scan.masked[mention.end : mention.end + 80]
        for key in ("joined_after", "proper_after"):
            match = lexicon.pattern("strangers", key).match(tail)
            if match:
                yield from _tied(scan, match, mention.end, key)
        yield from _glued(scan, mention)


def _tied(scan: Scan, match: re.Match[str], base: int, key: str) -> Iterator[Stranger]:
    for group in match.groupdict():
        if match[group] is None:
            continue
        start, end = base + match.start(group), base + match.end(group)
        if group == "zh":
            edge = _edge(match[group], first=key.endswith("_after"))
            if edge is None:
                continue
            start, end = start + edge[0], start + edge[1]
        written = scan.folded.written(start, end)
        # Before a name, only a word written like a proper name: "NTS mail", "Samsung mail".
        if key.startswith("proper") and not (written[0].isupper() and start > 0):
            continue
        if not is_ordinary(match[group]) and not _not_nodes().fullmatch(match[group]):
            yield Stranger(written, start, end, Kind.INSTITUTION)


def _glued(scan: Scan, mention: Mention) -> Iterator[Stranger]:
    """Chinese: an unknown word right before a system's name."""
    stop = begin = mention.start - (scan.masked[mention.start - 1 : mention.start] == " ")
    while begin > 0 and "\u4e00" <= scan.masked[begin - 1] <= "\u9fff":
        begin -= 1
    inside = unusual(scan.masked[begin:stop])
    if mention.kind is Kind.SYSTEM and inside and inside[-1][1] == stop - begin:
        a, b = inside[-1]
        if b - a >= 2:
            yield Stranger(
                scan.folded.written(begin + a, begin + b), begin + a, begin + b, Kind.INSTITUTION
            )


def _edge(run: str, *, first: bool) -> tuple[int, int] | None:
    """The unknown stretch of a run that touches the name beside it."""
    for a, b in unusual(run):
        if (a == 0 if first else b == len(run)) and b - a >= 2:
            return a, b
    return None
