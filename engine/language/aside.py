"""What a message names but does not mean: fine as it is, for later, or beside "only this one"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.language import lexicon
from engine.language.contract import CHANGING
from engine.language.intents import Cue, Wish
from engine.language.scanned import Kind, Mention, Scan

_REACH = 60
_TARGETS = frozenset({Kind.NODE, Kind.NUMBER, Kind.SYSTEM, Kind.LAYER, Kind.ENVIRONMENT})
_CLASSES = (
    frozenset({Kind.NODE, Kind.NUMBER}),
    frozenset({Kind.LAYER}),
    frozenset({Kind.ENVIRONMENT}),
    frozenset({Kind.SYSTEM}),
    frozenset({Kind.INSTITUTION}),
)
"""What stands for the same kind of thing, the innermost first."""
_DIGITS = re.compile(r"\d+", re.ASCII)


def aside_rows(scan: Scan, wish: Wish) -> Iterator[list[list[Mention]]]:
    """Rows of mentions that may be left aside, each with its narrower readings behind it.

    The caller takes the first reading that leaves something to act on.
    """
    rows = [match.span() for match in lexicon.pattern("exclusion", "row").finditer(scan.masked)]
    if wish.intent in CHANGING:
        for start, end in rows:
            tail = scan.masked[end : end + _REACH]
            row = _inside(scan, start, end)
            if _pattern("fine").match(tail):
                comma = scan.masked.rfind(",", start, end)
                yield [row, [mention for mention in row if mention.start > comma]]
            elif _pattern("later").match(tail) or _ours(scan, start, tail):
                yield [row]
        yield from _postponed(scan, wish)
    for start, end in rows:
        head = scan.masked[max(0, start - _REACH) : start]
        if _pattern("likened").match(scan.masked, end) or _pattern("likened_before").search(head):
            yield [_inside(scan, start, end)]
    yield from _beside_only(scan, wish, rows)


def _ours(scan: Scan, start: int, tail: str) -> bool:
    """ "semrap02 I'll do myself": whoever writes takes care of it."""
    head = scan.masked[max(0, start - _REACH) : start]
    return bool(_pattern("ours").match(tail) or _pattern("ours_before").search(head))


def _inside(scan: Scan, start: int, end: int) -> list[Mention]:
    return [m for m in scan.mentions if start <= m.start and m.end <= end]


def _postponed(scan: Scan, wish: Wish) -> Iterator[list[list[Mention]]]:
    """ "ap01 now, restart ap02 tomorrow": two times, and what is for later is not for now."""
    parts = [(a, b, _own(scan, a, b)) for a, b in wish.clauses]
    parts = [(a, b, row) for a, b, row in parts if row]
    if len(parts) < 2:
        return
    at_once = [scan.masked[a:b] for a, b, _ in parts if _pattern("now").search(scan.masked, a, b)]
    for start, end, row in parts:
        if _pattern("now").search(scan.masked, start, end):
            continue
        when = _pattern("then").search(scan.masked, start, end)
        cues = _live(wish, start, end)
        if when is None or any(cue.intent != wish.intent for cue in cues):
            continue
        behind = when.start() > row[-1].start
        others = any(_live(wish, a, b) for a, b, _ in parts if a != start)
        if at_once or (behind and others):
            yield [row]


def _own(scan: Scan, start: int, end: int) -> list[Mention]:
    return [m for m in scan.mentions if start <= m.start < end and m.kind in _TARGETS]


def _live(wish: Wish, start: int, end: int) -> list[Cue]:
    return [cue for cue in wish.live() if cue.strong and start <= cue.start < end]


def _beside_only(
    scan: Scan, wish: Wish, rows: list[tuple[int, int]]
) -> Iterator[list[list[Mention]]]:
    """ "only 02, 01 has users on it": what else is named tells why, if nothing is asked of it."""
    for start, end in rows:
        only = _pattern("only_after").match(scan.masked, end)
        only = only or _pattern("only_before").search(scan.masked[max(0, start - 40) : start])
        meant = _inside(scan, start, end)
        alike = next((c for c in _CLASSES if any(m.kind in c for m in meant)), None)
        if not only or alike is None:
            continue
        same = [m for m in meant if m.kind in alike]
        for a, b in wish.clauses:
            holds_it = any(a <= m.start < b for m in same)
            row = [
                m
                for m in scan.mentions
                if a <= m.start < b and m.kind in alike and not _same_thing(m, same)
            ]
            if row and not holds_it and not _live(wish, a, b):
                yield [row]


def _same_thing(mention: Mention, others: list[Mention]) -> bool:
    """Whether one of the others names it too: the same codes, or its number."""
    digits = _DIGITS.findall(mention.written)
    number = int(digits[-1][:9]) if digits else None
    return any(
        set(mention.values) & set(other.values)
        or (
            mention.kind is not other.kind
            and number is not None
            and [number] == [int(d[:9]) for d in _DIGITS.findall(other.written)[-1:]]
        )
        for other in others
    )


def _pattern(key: str) -> re.Pattern[str]:
    return lexicon.pattern("aside", key)
