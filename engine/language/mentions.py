"""What a message mentions: names, layers, environments, numbers and files, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from itertools import pairwise

from engine.language import lexicon
from engine.language.fold import (
    ENVIRONMENT,
    FILE,
    INSTITUTION,
    LAYER,
    NODE,
    NUMBER,
    OTHER_SPAN,
    SYSTEM,
    Folded,
    han,
    hangul,
)
from engine.language.names import Match, NameIndex


class Kind(StrEnum):
    NODE = "node"
    SYSTEM = "system"
    INSTITUTION = "institution"
    LAYER = "layer"
    ENVIRONMENT = "environment"
    NUMBER = "number"  #: "01", "2호기", "node 2": part of a group that stands elsewhere
    SERVICE = "service"  #: a unit's name; narrows only
    SOME = "some"  #: "only one of them": a part that is not named


_MASK = {
    Kind.NODE: NODE,
    Kind.SYSTEM: SYSTEM,
    Kind.INSTITUTION: INSTITUTION,
    Kind.LAYER: LAYER,
    Kind.ENVIRONMENT: ENVIRONMENT,
    Kind.NUMBER: NUMBER,
    Kind.SERVICE: LAYER,
    Kind.SOME: NUMBER,
}


@dataclass(frozen=True)
class Mention:
    """Something named. ``values``: codes, layers, environments or digits, by kind."""

    kind: Kind
    start: int
    end: int
    values: tuple[str, ...]
    written: str
    exact: bool = False
    """For a node: an asset code or container, not a host."""


@dataclass(frozen=True)
class FileName:
    """A file named in the message."""

    written: str
    start: int
    script: bool


@dataclass
class Scan:
    """A message with everything that was recognised in it."""

    folded: Folded
    mentions: list[Mention] = field(default_factory=list)
    files: list[FileName] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Members of a host list or range that the inventory does not have."""
    masked: str = ""
    """The folded text with private-use characters over what was recognised; same length."""

    def cover(self, start: int, end: int, char: str) -> None:
        self.masked = self.masked[:start] + char * (end - start) + self.masked[end:]

    def add(self, mention: Mention) -> None:
        self.mentions.append(mention)
        self.cover(mention.start, mention.end, _MASK[mention.kind])

    def of(self, *kinds: Kind) -> list[Mention]:
        return [mention for mention in self.mentions if mention.kind in kinds]


_SCRIPTS = frozenset(lexicon.listed("files", "scripts"))
_EXTENSIONS = lexicon.alternatives([*lexicon.listed("files", "packages"), *_SCRIPTS])
_FILE = re.compile(
    r"(?<![a-z0-9_.+\-/:@])(?:[a-z0-9_.+-]*/)*[a-z0-9_][a-z0-9_.+-]*?\."
    rf"(?P<ext>{_EXTENSIONS})(?![a-z0-9_]|[-+./][a-z0-9])"
)
_RANGES = frozenset({"~", "〜", "..", "부터", "에서", "to", "through", "thru", "到", "至", "-"})
_RANGE_LIMIT = 100
_COUNTS = {
    **dict.fromkeys(("두", "兩", "二", "two", "both"), "2"),
    **dict.fromkeys(("세", "三", "three"), "3"),
    **dict.fromkeys(("네", "四", "four"), "4"),
    **dict.fromkeys(("다섯", "五", "five"), "5"),
}
_TRAILING = re.compile(r"^(.*?)(\d+)$", re.ASCII)


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
    _find_narrowing(found)
    for match in soft:
        if _has_company(found, match):
            found.add(_mention(found, match))
    _find_numbers(found)
    found.mentions = sorted(_targets(found), key=lambda mention: mention.start)
    return found


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


def fill_ranges(found: Scan, index: NameIndex) -> None:
    """The hosts between the ends of "lib01부터 lib03까지"."""
    nodes = found.of(Kind.NODE)
    for one, other in pairwise(nodes):
        between = found.folded.text[one.end : other.start]
        first, last = (_TRAILING.match(m.written.casefold()) for m in (one, other))
        if not (lexicon.pattern("ranges", "between").fullmatch(between) and first and last):
            continue
        if first[1] != last[1] or int(last[2]) - int(first[2]) > _RANGE_LIMIT:
            continue
        for each in range(int(first[2]) + 1, int(last[2])):
            name = f"{first[1]}{each:0{len(first[2])}d}"
            _add_member(found, index, name, (other.start, other.end))
    found.mentions.sort(key=lambda mention: mention.start)


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
        _extend_list(found, match, index)


def _extend_list(found: Scan, match: Match, index: NameIndex) -> None:
    """The further members of "budget-was-01, 02" and "budget-was-01~03"."""
    text = found.folded.text
    stem = _TRAILING.match(match.entry.key)
    if stem is None:
        return
    base, width, last, at = stem[1], len(stem[2]), int(stem[2]), match.end
    while following := lexicon.pattern("numbers", "next").match(text, at):
        number, sep = int(following["number"]), following["sep"].strip(", ")
        if sep == "" and not following["sep"].startswith(",") and len(following["number"]) != width:
            return
        numbers = [number]
        if sep in _RANGES:
            if not last < number <= last + _RANGE_LIMIT:
                return
            numbers = list(range(last + 1, number + 1))
        for each in numbers:
            _add_member(found, index, f"{base}{each:0{width}d}", following.span("number"))
        last, at = number, following.end()


def _add_member(found: Scan, index: NameIndex, name: str, span: tuple[int, int]) -> None:
    entry = index.entry(name)
    if entry is None or not entry.nodes:
        found.absent.append(name)
        found.cover(*span, NUMBER)
        return
    found.add(Mention(Kind.NODE, *span, tuple(entry.nodes), entry.shown, entry.exact))


def _find_narrowing(found: Scan) -> None:
    """Layer and environment words outside of names."""
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


def _find_numbers(found: Scan) -> None:
    for match in list(lexicon.pattern("numbers", "compact").finditer(found.masked)):
        layer = {"ap": "WAS", "app": "WAS"}.get(match["tier"], match["tier"].upper())
        start, middle, end = match.start(), match.end("tier"), match.end()
        found.add(Mention(Kind.LAYER, start, middle, (layer,), found.folded.written(start, middle)))
        found.add(_number(found, match["number"], *match.span("number")))
        found.cover(middle, end, NUMBER)
    for match in list(lexicon.pattern("numbers", "marked").finditer(found.masked)):
        group = next(name for name in "abcde" if match[name])
        found.add(_number(found, match[group], *match.span(group)))
        _extend_numbers(found, match.end(group))
    for digit in lexicon.keys("ordinals"):
        for match in list(lexicon.pattern("ordinals", digit).finditer(found.masked)):
            kind = Kind.NUMBER if digit.isdigit() else Kind.SOME
            found.add(replace(_number(found, digit, *match.span()), kind=kind))
    for match in list(lexicon.pattern("numbers", "counted").finditer(found.masked)):
        count = _COUNTS.get(match["n"], match["n"])
        found.mentions.append(
            Mention(Kind.SOME, *match.span(), (count,), found.folded.written(*match.span()))
        )
    for match in list(lexicon.pattern("numbers", "some").finditer(found.masked)):
        found.add(Mention(Kind.SOME, *match.span(), (), found.folded.written(*match.span())))


def _number(found: Scan, digits: str, start: int, end: int) -> Mention:
    return Mention(Kind.NUMBER, start, end, (digits,), found.folded.written(start, end))


def _extend_numbers(found: Scan, at: int) -> None:
    """The further members of "1,2번" and "01~03"."""
    start = at
    while start > 0 and found.masked[start - 1] == NUMBER:
        start -= 1
    last = int(found.folded.text[start:at])
    while following := lexicon.pattern("numbers", "next").match(found.masked, at):
        number, sep = int(following["number"]), following["sep"].strip(", ")
        numbers = [number]
        if sep in _RANGES and last < number <= last + _RANGE_LIMIT:
            numbers = list(range(last + 1, number + 1))
        for each in numbers:
            found.add(_number(found, str(each), *following.span("number")))
        last, at = number, following.end()
