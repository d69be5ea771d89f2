"""What a message mentions: names, layers, environments, numbers and files, each with its place."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from engine.language import lexicon
from engine.language.fold import (
    ENVIRONMENT,
    FILE,
    INSTITUTION,
    LAYER,
    OTHER_SPAN,
    Folded,
    han,
    hangul,
)
from engine.language.names import Match, NameIndex
from engine.language.numbers import extend_list, find_numbers, find_short
from engine.language.scanned import FileName, Kind, Mention, Scan

__all__ = ["FileName", "Kind", "Mention", "Scan", "scan"]

_SCRIPTS = frozenset(lexicon.listed("files", "scripts"))
_EXTENSIONS = lexicon.alternatives([*lexicon.listed("files", "packages"), *_SCRIPTS])
_FILE = re.compile(
    r"(?<![a-z0-9_.+\-/:@])(?:[a-z0-9_.+-]*/)*[a-z0-9_][a-z0-9_.+-]*?\."
    rf"(?P<ext>{_EXTENSIONS})(?![a-z0-9_]|[-+./][a-z0-9])"
)


_BEFORE = 48


@cache
def _layer_words() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (layer, re.compile(lexicon.bounded(listed)))
        for layer, listed in lexicon.words("layers").items()
    ]


@cache
def _environment_words() -> list[tuple[tuple[str, ...], re.Pattern[str]]]:
    not_before = lexicon.alternatives(lexicon.words("environment_not_before")["words"])
    return [
        (tuple(names.split("|")), re.compile(lexicon.bounded(listed) + f"(?!{not_before})"))
        for names, listed in lexicon.words("environments").items()
    ]


def scan(raw: str, index: NameIndex) -> Scan:
    """Everything the inventory and the word lists recognise in a message."""
    folded = Folded(raw)
    found = Scan(folded, masked=folded.text)
    _cover_quotes(found)
    _cover_all(found, lexicon.pattern("files", "quoted_object"))
    _find_files(found)
    _cover_all(found, lexicon.pattern("files", "addresses"))
    blocked = bytearray(char in (OTHER_SPAN, FILE) for char in found.masked)
    soft: list[Match] = []
    for match in index.find(folded.text, blocked):
        if match.entry.soft:
            soft.append(match)
        else:
            _add_match(found, match, index)
    find_short(found, index)
    _find_narrowing(found)
    for match in soft:
        if _has_company(found, match):
            found.add(_mention(found, match))
    find_numbers(found)
    found.mentions = sorted(_targets(found), key=lambda mention: mention.start)
    _mark_who_asks(found)
    return found


def _mark_who_asks(found: Scan) -> None:
    """ "부산병원 전산팀입니다", "Busan says …": an institution that need not be what is meant."""
    before = lexicon.pattern("asks", "before")
    behind = [lexicon.pattern("asks", key) for key in ("is", "called")]
    senders = list(lexicon.pattern("organisations", "sender").finditer(found.masked))
    for at, mention in enumerate(found.mentions):
        if mention.kind is Kind.INSTITUTION:
            head = found.masked[max(0, mention.start - _BEFORE) : mention.start]
            after = any(key.match(found.masked, mention.end) for key in behind)
            sent = any(m.start() <= mention.start < m.end() for m in senders)
            if after or sent or before.search(head):
                found.mentions[at] = replace(mention, asks=True)


def _targets(found: Scan) -> list[Mention]:
    """The mentions less systems that only say by which means: "메일로 보내줘"."""
    means = lexicon.pattern("numbers", "means")
    targets = [
        mention
        for mention in found.mentions
        if mention.kind is not Kind.SYSTEM or not means.match(found.masked[mention.end :])
    ]
    named = any(mention.kind in (Kind.NODE, Kind.SYSTEM) for mention in targets)
    return targets if named else found.mentions


def _cover_quotes(found: Scan) -> None:
    """Lines of another's message are no wish of this one, unless there is nothing else."""
    quoted = lexicon.pattern("files", "quoted_lines")
    if quoted.sub("", found.masked).strip():
        _cover_all(found, quoted)


def _cover_all(found: Scan, pattern: re.Pattern[str]) -> None:
    for match in list(pattern.finditer(found.masked)):
        found.cover(match.start(), match.end(), OTHER_SPAN)


def _find_files(found: Scan) -> None:
    for match in list(_FILE.finditer(found.masked)):
        start = match.start()
        if match[0][0] in "_-":  # "예산_v2.war": the name began in another script
            while start > 0 and (hangul(found.masked[start - 1]) or han(found.masked[start - 1])):
                start -= 1
        written = found.folded.written(start, match.end())
        found.files.append(FileName(written, start, match["ext"] in _SCRIPTS))
        found.cover(start, match.end(), FILE)


def _mention(found: Scan, match: Match) -> Mention:
    entry, written = match.entry, found.folded.written(match.start, match.end)
    if entry.nodes:
        kind, values = Kind.NODE, entry.nodes
    elif entry.systems:
        kind, values = Kind.SYSTEM, entry.systems
    elif entry.institutions:
        kind, values = Kind.INSTITUTION, entry.institutions
    else:
        kind, values = Kind.SERVICE, entry.services
    return Mention(kind, match.start, match.end, tuple(values), written, entry.exact)


def _add_match(found: Scan, match: Match, index: NameIndex) -> None:
    mention = _mention(found, match)
    if mention.kind is Kind.SERVICE:
        if any(words.fullmatch(match.entry.key) for _, words in _layer_words()):
            return  # "nginx" as a word for a layer says the same
        if not match.entry.key.isascii() or match.entry.key in lexicon.ordinary():
            return
    found.add(mention)
    if mention.kind is Kind.NODE:
        extend_list(found, match, index)


def _find_narrowing(found: Scan) -> None:
    """Layer and environment words outside of names, those included that are glued to one."""
    while _narrow(found) and _GLUED.search(found.masked):
        pass


_GLUED = re.compile(f"[{LAYER}{ENVIRONMENT}](?:[와과랑및])?[가-힣]")
"""What was found last may have been the beginning of a word: "운영와스"."""


def _narrow(found: Scan) -> bool:
    spans: list[tuple[int, int, Kind, tuple[str, ...]]] = []
    for layer, words in _layer_words():
        spans += [(*m.span(), Kind.LAYER, (layer,)) for m in words.finditer(found.masked)]
    spans += [(*m.span(), Kind.LAYER, ("WAS",)) for m in _was(found)]
    for environments, words in _environment_words():
        spans += [(*m.span(), Kind.ENVIRONMENT, environments) for m in words.finditer(found.masked)]
    taken = -1
    for start, end, kind, values in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= taken:
            found.add(Mention(kind, start, end, values, found.folded.written(start, end)))
            taken = end
    return bool(spans)


def _was(found: Scan) -> list[re.Match[str]]:
    """ "was" as a layer, not as the English verb."""
    text = found.masked
    local = any(hangul(char) or han(char) for char in text)
    shouting = found.folded.raw.isupper()
    hits = []
    for match in lexicon.pattern("numbers", "was").finditer(text):
        capital = found.folded.written(*match.span())[:2].isupper() and not shouting
        named = lexicon.pattern("numbers", "was_after").match(
            text, match.end()
        ) and lexicon.pattern("numbers", "was_before").search(text[: match.start()])
        ap_alone = match[0] == "ap" and not any(map(han, text))
        if (local or capital or named) and not ap_alone:
            hits.append(match)
    return hits


def _has_company(found: Scan, match: Match) -> bool:
    """A name without its head counts beside a layer, an institution or the like."""
    after = found.masked[match.end :]
    before = found.masked[: match.start]
    beside = f"[{LAYER}{ENVIRONMENT}{INSTITUTION}]"
    heads = lexicon.alternatives(w for w in lexicon.words("generic")["words"] if len(w) > 1)
    return bool(
        re.match(rf"(?:'s)?\s*(?:{beside}|(?:{heads})(?![a-z])|0\d)", after)
        or re.search(rf"(?:{beside}|의|的|\bof(?: the)?)\s*$", before)
    )
