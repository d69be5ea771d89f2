"""Which of the hosts that a message names the request is about."""

from __future__ import annotations

from itertools import pairwise

from engine.language import lexicon
from engine.language.exclusion import Split
from engine.language.fold import hangul
from engine.language.intents import Cue, Wish
from engine.language.scanned import Kind, Mention, Scan


def not_asked(scan: Scan, wish: Wish, split: Split) -> list[Mention]:
    """Hosts that stand apart from every request of the message, where another one has one.

    "ap01 was done earlier, now restart ap02": nothing is asked of ap01.
    """
    nodes = [m for m in split.meant if m.kind is Kind.NODE]
    if not nodes:
        return []
    named = [m for m in split.meant if m.kind in (Kind.NODE, Kind.SYSTEM)]
    rows = _rows(scan, named)
    if len(rows) < 2:
        return []
    asked = {_row_of(scan, cue, rows, wish) for cue in wish.live() if cue.strong}
    if not asked:
        told = {_row_of(scan, cue, rows, wish) for cue in wish.cues if cue.strong and not cue.live}
        asked = set(range(len(rows))) - told
    known = {value for at in asked for mention in rows[at] for value in mention.values}
    return [
        mention
        for at, row in enumerate(rows)
        if asked and at not in asked
        for mention in row
        if mention.kind is Kind.NODE and not known & set(mention.values)
    ]


def _rows(scan: Scan, nodes: list[Mention]) -> list[list[Mention]]:
    """The hosts, those together that are listed with nothing but list words between."""
    rows = [[node] for node in nodes[:1]]
    listing = lexicon.pattern("asked", "listing")
    for one, other in pairwise(nodes):
        if other.start <= one.end or listing.fullmatch(scan.masked, one.end, other.start):
            rows[-1].append(other)
        else:
            rows.append([other])
    return rows


def _row_of(scan: Scan, cue: Cue, rows: list[list[Mention]], wish: Wish) -> int:
    """The row in the cue's clause; else the last before it; else the first behind it."""
    start, end = next((c for c in wish.clauses if c[0] <= cue.start < c[1]), (cue.start, cue.end))
    inside = [at for at, row in enumerate(rows) if any(start <= m.start < end for m in row)]
    if inside:
        # Of two as near, Korean means the one before its verb, the others the one behind it.
        first = 1 if any(map(hangul, scan.masked[cue.start : cue.end])) else -1
        return min(inside, key=lambda at: (_gap(cue, rows[at]), first * at))
    before = [at for at, row in enumerate(rows) if row[-1].end <= cue.start]
    return before[-1] if before else 0


def _gap(cue: Cue, row: list[Mention]) -> int:
    return max(row[0].start - cue.end, cue.start - row[-1].end, 0)
