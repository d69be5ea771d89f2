"""Organisations that the inventory does not have: "국세청", "the bank", "Acme Card", "亞太電信"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from engine.language import lexicon
from engine.language.exclusion import Split
from engine.language.fold import INSTITUTION
from engine.language.names import NameIndex
from engine.language.scanned import Kind, Mention, Scan
from engine.language.words import CHINESE_RUN, PARTICLES, Stranger, is_ordinary, unusual

_REACH = 48
_HAN_BEFORE = re.compile(r"[\u4e00-\u9fff]{2,}$")
_NAME_WORDS = 4
"""Words of an English name that are looked at."""
_LONGEST_PREFIX = 8


def find_organisations(scan: Scan, split: Split, index: NameIndex) -> Iterator[Stranger]:
    """Words anywhere that look like an organisation, and those that stand before a system."""
    yield from _anywhere(scan)
    for mention in split.meant:
        if mention.kind is Kind.SYSTEM:
            yield from _before(scan, mention, index)


def _anywhere(scan: Scan) -> Iterator[Stranger]:
    for match in _organisation_words().finditer(scan.masked):
        name = match[0]
        if not {name, name.split()[0]} & lexicon.ordinary() and not _calls(scan, match.end()):
            yield _stranger(scan, *match.span())
    yield from _longer(scan)
    tail = re.compile(lexicon.words("unknown")["chinese_institutions"])
    for run in CHINESE_RUN.finditer(scan.masked):
        for a, b in unusual(run[0]):
            named = tail.fullmatch(run[0], a, b) or tail.match(run[0], a, b)
            if named and named.end() - named.start() > 2:
                start, end = run.start() + named.start(), run.start() + named.end()
                if not _calls(scan, end) and not _department(scan, run.start(), end):
                    yield _stranger(scan, start, end)


def _longer(scan: Scan) -> Iterator[Stranger]:
    """ "國泰人壽": an unknown word grown together with an institution's name is another one."""
    for mention in scan.of(Kind.INSTITUTION):
        run = _HAN_BEFORE.search(scan.masked[max(0, mention.start - _REACH) : mention.start])
        if run is None or mention.written[0] < "\u4e00":
            continue
        name = _known().search(run[0])
        inside = unusual(run[0])
        if inside and inside[-1][1] == len(run[0]) and inside[-1][1] - inside[-1][0] > 1:
            start = inside[-1][0]
        elif name:
            start = name.start()
        else:
            continue
        yield _stranger(scan, run.start() + max(0, mention.start - _REACH) + start, mention.end)


@cache
def _known() -> re.Pattern[str]:
    names = lexicon.alternatives(lexicon.words("organisations")["chinese_known"])
    return re.compile(f"(?:{names})$")


def _calls(scan: Scan, end: int) -> bool:
    """Whether it only says who called."""
    return bool(lexicon.pattern("asks", "called").match(scan.masked, end))


def _department(scan: Scan, start: int, end: int) -> bool:
    """Whether it is a department, and not of the system that follows."""
    named = _pattern("department").search(scan.masked[start:end])
    if not named and _pattern("sender_unit").search(scan.masked[start:end]):
        named = next((m for m in _senders(scan) if m.start() <= start < m.end()), None)
    return bool(named) and not _pattern("of_it").match(scan.masked, end)


def _senders(scan: Scan) -> Iterator[re.Match[str]]:
    return _pattern("sender").finditer(scan.masked)


@cache
def _organisation_words() -> re.Pattern[str]:
    unknown = lexicon.words("unknown")
    return re.compile(
        rf"(?<![가-힣]){unknown['korean_institutions']}(?=의|에서|\s|{lexicon.PARTICLE}{{0,2}}(?![가-힣]))"
        rf"|(?<![a-z-])(?:{unknown['english_institutions']})(?![a-z])"
    )


def _before(scan: Scan, mention: Mention, index: NameIndex) -> Iterator[Stranger]:
    """The name or the kind of organisation right before a system, if it is not the owner's."""
    base = max(0, mention.start - _REACH)
    head = scan.masked[base : mention.start]
    for language in ("korean", "chinese", "english"):
        match = _kind(language).search(head)
        if match is None:
            continue
        word = match["head"]
        start = base + match.start("head")
        prefix = _prefix(match, language)
        if prefix is not None:
            start -= len(prefix)
        elif any(word in index.owners.get(code, "") for code in mention.values):
            continue  # "the bank's core system", and it belongs to a bank
        if not (prefix is None and is_ordinary(word)):
            yield _stranger(scan, start, base + match.end("head"))
        return
    owner = " ".join(index.owners.get(code, "") for code in mention.values)
    yield from _proper(scan, base, mention, owner)


def _prefix(match: re.Match[str], language: str) -> str | None:
    """What makes a kind a name: "분당병원" is one, "병원" and "우리 병원" are none."""
    before = match.string[: match.start("head")]
    if language == "korean":
        if _pattern("own_korean").search(before):
            return None
        word = re.search(r"[가-힣0-9]+$|(?<![가-힣])(?P<apart>[가-힣]{2,8})\s$", before)
        apart = word["apart"] if word else None
        told = apart and (is_ordinary(apart) or PARTICLES.search(apart))
        return word[0] if word and not told else None
    if language == "english":
        return None
    run = re.search(r"[\u4e00-\u9fff]*$", before)
    text = run[0][-_LONGEST_PREFIX:] if run else ""
    ordinary = lexicon.ordinary_chinese().match(text)
    rest = text[ordinary.end() :] if ordinary else text
    return rest or None


def _proper(scan: Scan, base: int, mention: Mention, owner: str) -> Iterator[Stranger]:
    """ "Acme Card fraud detection": words written like a name, one of them unknown."""
    match = _pattern("words_before").search(scan.masked[base : mention.start])
    if match is None:
        return
    spans = [(m.start(), m.end()) for m in re.finditer(r"\S+", match[0])][-_NAME_WORDS:]
    at = base + match.start()
    tails = _tails()
    first: int | None = None
    for a, b in reversed(spans):
        word, written = match[0][a:b].removesuffix("'s"), scan.folded.written(at + a, at + b)
        capital = written[:1].isupper()
        if not capital and word not in tails:
            break
        if not is_ordinary(word) and word not in tails:
            first = at + a
    end = at + spans[-1][1]
    last = match[0][spans[-1][0] : spans[-1][1]].removesuffix("'s")
    if first is None and last in tails:
        if scan.masked[:at].rstrip().endswith(INSTITUTION):
            first = at + spans[0][0] if last not in owner else None  # "Gaon Card", of Gaon Bank
        elif len(spans) > 1:
            first = _unknown_before_tail(match[0], spans, at)
    if first is not None:
        yield _stranger(scan, first, end)


def _unknown_before_tail(text: str, spans: list[tuple[int, int]], at: int) -> int | None:
    """ "acme card": small letters, but a word that nobody knows before the kind."""
    a, b = spans[-2]
    word = text[a:b]
    return at + a if len(word) > 2 and word.isalpha() and not is_ordinary(word) else None


@cache
def kinds() -> frozenset[str]:
    """What organisations are called without a name."""
    listed = lexicon.words("organisations")
    return frozenset((*listed["korean"], *listed["chinese"], *listed["english"]))


@cache
def _tails() -> frozenset[str]:
    return frozenset(lexicon.words("organisations")["english_tails"])


@cache
def _kind(language: str) -> re.Pattern[str]:
    kinds = lexicon.alternatives(lexicon.words("organisations")[language])
    return re.compile(_pattern(f"kind_{language}").pattern.replace("KINDS", kinds), re.ASCII)


def _pattern(key: str) -> re.Pattern[str]:
    return lexicon.pattern("organisations", key)


def _stranger(scan: Scan, start: int, end: int) -> Stranger:
    return Stranger(scan.folded.written(start, end), start, end, Kind.INSTITUTION)
