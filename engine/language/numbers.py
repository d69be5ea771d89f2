"""Numbers that stand for members of a group: lists, ranges, "2호기", "the second one"."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from engine.language import lexicon
from engine.language.fold import NODE, NUMBER
from engine.language.names import Match, NameIndex
from engine.language.scanned import Kind, Mention, Scan

_RANGES = frozenset({"~", "〜", "..", "부터", "에서", "to", "through", "thru", "到", "至", "-"})
_RANGE_LIMIT = 100
_COUNTS = {
    **dict.fromkeys(("두", "兩", "二", "two", "both"), "2"),
    **dict.fromkeys(("세", "三", "three"), "3"),
    **dict.fromkeys(("네", "四", "four"), "4"),
    **dict.fromkeys(("다섯", "五", "five"), "5"),
}
_TRAILING = re.compile(r"^(.*?)(\d+)$", re.ASCII)


def fill_ranges(found: Scan, index: NameIndex) -> None:
    """The hosts between the ends of "lib01부터 lib03까지"."""
    nodes = found.of(Kind.NODE)
    for one, other in pairwise(nodes):
        between = found.folded.text[one.end : other.start]
        if set(found.masked[one.end : other.start]) == {NODE}:
            continue  # filled before
        first, last = (_TRAILING.match(m.written.casefold()) for m in (one, other))
        if not (lexicon.pattern("ranges", "between").fullmatch(between) and first and last):
            continue
        if first[1] != last[1] or int(last[2]) - int(first[2]) > _RANGE_LIMIT:
            continue
        for each in range(int(first[2]) + 1, int(last[2])):
            name = f"{first[1]}{each:0{len(first[2])}d}"
            _add_member(found, index, name, (other.start, other.end))
        found.cover(one.end, other.start, NODE)  # a range is one row
    found.mentions.sort(key=lambda mention: mention.start)


def extend_list(found: Scan, match: Match, index: NameIndex) -> None:
    """The further members of "budget-was-01, 02" and "budget-was-01~03"."""
    stem = _TRAILING.match(match.entry.key)
    if stem is None:
        return
    base, width, last, at = stem[1], len(stem[2]), int(stem[2]), match.end
    while following := _next(found, match, index, at):
        number, sep = int(following["number"]), following["sep"].strip(", ")
        if sep == "" and not following["sep"].startswith(",") and len(following["number"]) != width:
            return
        numbers = [number]
        if sep in _RANGES:
            if not last < number <= last + _RANGE_LIMIT:
                return
            numbers = list(range(last + 1, number + 1))
        span = following.start("lead" if "lead" in following.groupdict() else "number")
        for each in numbers:
            _add_member(found, index, f"{base}{each:0{width}d}", (span, following.end("number")))
        if len(numbers) > 1 or sep in _RANGES:
            found.cover(at, span, NODE)
        last, at = number, following.end()


def _next(found: Scan, match: Match, index: NameIndex, at: int) -> re.Match[str] | None:
    """The next member of a list, by its number alone or with the letters before it."""
    text = found.folded.text
    plain = lexicon.pattern("numbers", "next").match(text, at)
    if plain:
        return plain
    short = lexicon.pattern("numbers", "next_short").match(text, at)
    if short is None or not _is_short_for(match.entry.key, short["lead"]):
        return None
    if index.entry(short["lead"] + short["number"]) is not None:
        return None
    loud = found.folded.written(*short.span("lead")).isupper()
    plainly = found.folded.written(match.start, match.end).isupper()
    # "web-p1, P2": behind a comma, a capital letter may be a priority.
    return None if loud and not plainly and not short["sep"].strip(", ") else short


def _is_short_for(name: str, lead: str) -> bool:
    """Whether the letters are the last piece of a host's name before its number: "p", "web-p1"."""
    stem = _TRAILING.match(name)
    return bool(stem and re.search(rf"[-_.\d]{re.escape(lead)}$", stem[1], re.ASCII))


def find_short(found: Scan, index: NameIndex) -> None:
    """ "web-p01~p04, not p02": short names that stand apart from the hosts that they belong to.

    One that is named in full as well, or that is written with a leading zero, is that host.
    """
    nodes = found.of(Kind.NODE)
    for match in list(lexicon.pattern("numbers", "short").finditer(found.masked)):
        for node in nodes:
            name = node.written.casefold()
            if not _is_short_for(name, match["lead"]):
                continue
            digits = _TRAILING.match(name)
            full = f"{digits[1]}{match['number']}" if digits else ""
            entry = index.entry(full)
            known = entry is not None and set(entry.nodes) & {v for n in nodes for v in n.values}
            if entry is not None and entry.nodes and (known or match["number"].startswith("0")):
                _add_member(found, index, full, match.span())
                break


def _add_member(found: Scan, index: NameIndex, name: str, span: tuple[int, int]) -> None:
    entry = index.entry(name)
    if entry is None or not entry.nodes:
        found.absent.append(name)
        found.cover(*span, NUMBER)
        return
    found.add(Mention(Kind.NODE, *span, tuple(entry.nodes), entry.shown, entry.exact))


def find_numbers(found: Scan) -> None:
    """Add the numbers that pick members of a group: "app2", "2호기", "第二台", "01~03"."""
    for match in list(lexicon.pattern("numbers", "compact").finditer(found.masked)):
        layer = {"ap": "WAS", "app": "WAS"}.get(match["tier"], match["tier"].upper())
        start, middle, end = match.start(), match.end("tier"), match.end()
        found.add(Mention(Kind.LAYER, start, middle, (layer,), found.folded.written(start, middle)))
        found.add(_number(found, match["number"], *match.span("number")))
        found.cover(middle, end, NUMBER)
    for match in list(lexicon.pattern("numbers", "marked").finditer(found.masked)):
        group = next(name for name in "abcde" if match[name])
        nth = group == "e"
        found.add(replace(_number(found, match[group], *match.span(group)), nth=nth))
        _extend_numbers(found, match.end(group))
    for digit in lexicon.keys("ordinals"):
        for match in list(lexicon.pattern("ordinals", digit).finditer(found.masked)):
            if _of_several(found, match):
                continue  # "first the web servers": an order, not a number
            kind = Kind.NUMBER if digit.isdigit() else Kind.SOME
            found.add(replace(_number(found, digit, *match.span()), kind=kind, nth=True))
    for match in list(lexicon.pattern("numbers", "counted").finditer(found.masked)):
        count = _COUNTS.get(match["n"], match["n"])
        found.mentions.append(
            Mention(Kind.SOME, *match.span(), (count,), found.folded.written(*match.span()))
        )
    for match in list(lexicon.pattern("numbers", "some").finditer(found.masked)):
        found.add(Mention(Kind.SOME, *match.span(), (), found.folded.written(*match.span())))


def _of_several(found: Scan, ordinal: re.Match[str]) -> bool:
    """Whether the English noun that an ordinal counts is a plural."""
    noun = ordinal.groupdict().get("noun")
    if noun is None:
        return False
    text = found.folded.text[slice(*ordinal.span("noun"))]
    return text.endswith("s") and not text.endswith("was")


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
