"""What the person rules out: "only 02, leave 01", "01 빼고", "除了 db"."""

from __future__ import annotations

from dataclasses import dataclass

from engine.inventory import Asset
from engine.language import lexicon
from engine.language.aside import aside_rows
from engine.language.intents import Wish
from engine.language.mentions import Kind, Mention, Scan

# The innermost kind of a row is what is ruled out; the outer ones say where it belongs.
_DEPTH = (
    Kind.NUMBER,
    Kind.NODE,
    Kind.SERVICE,
    Kind.LAYER,
    Kind.ENVIRONMENT,
    Kind.SYSTEM,
    Kind.INSTITUTION,
)
_AFTER_REACH = 48
_NARROWING = frozenset({Kind.NUMBER, Kind.LAYER, Kind.ENVIRONMENT})


@dataclass(frozen=True)
class Split:
    """The mentions that are meant, and the rows of mentions that are ruled out."""

    meant: list[Mention]
    ruled_out: list[list[Mention]]

    def spares(self, asset: Asset, institution: str, numbers: frozenset[int]) -> bool:
        """Whether a row rules this asset out. ``numbers``: the numbers it goes by."""
        return any(_matches(row, asset, institution, numbers) for row in self.ruled_out)


def split(scan: Scan, wish: Wish) -> Split:
    """Tell what is meant from what is ruled out."""
    rows = _marked_rows(scan, wish)
    rest = _outside(scan, rows)
    if rows and not _points(_inherit(rest, rows)):
        # "only 02, 01 stays": a comma parts what is meant from what is not.
        rows = [_behind_comma(scan, row) for row in rows]
        rest = _outside(scan, rows)
    for row in _negated_rows(rest, wish):
        ids = {id(mention) for mention in row}
        others = [m for m in rest if id(m) not in ids]
        if any(m.kind in _DEPTH for m in others):
            rows.append(row)
            rest = others
    for readings in aside_rows(scan, wish):
        for row in readings:
            others = [m for m in rest if m not in row]
            left = _inherit(others, [*rows, row])
            narrowed = any(m.kind in _NARROWING for m in others)
            if len(others) < len(rest) and (_points(others) or (narrowed and _points(left))):
                rows.append(row)
                rest = others
                break
    return Split(_inherit(rest, rows), rows)


def _points(mentions: list[Mention]) -> bool:
    return any(m.kind in (Kind.NODE, Kind.SYSTEM) for m in mentions)


def _outside(scan: Scan, rows: list[list[Mention]]) -> list[Mention]:
    taken = {id(mention) for row in rows for mention in row}
    return [mention for mention in scan.mentions if id(mention) not in taken]


def _behind_comma(scan: Scan, row: list[Mention]) -> list[Mention]:
    comma = scan.masked.rfind(",", row[0].start, row[-1].start)
    return [mention for mention in row if mention.start > comma]


def _marked_rows(scan: Scan, wish: Wish) -> list[list[Mention]]:
    text, row = scan.masked, lexicon.pattern("exclusion", "row")
    after, before = lexicon.pattern("exclusion", "after"), lexicon.pattern("exclusion", "before")
    spans = [
        (_begin(scan, wish, *match.span()), match.end())
        for match in row.finditer(text)
        if after.search(text[match.end() : match.end() + _AFTER_REACH])
    ]
    for marker in before.finditer(text):
        following = row.match(text, marker.end())
        if following:
            spans.append(following.span())
    found = [
        [m for m in scan.mentions if start <= m.start and m.end <= end]
        for start, end in dict.fromkeys(spans)
    ]
    return [mentions for mentions in found if mentions]


def _begin(scan: Scan, wish: Wish, start: int, end: int) -> int:
    """Where the ruled-out part of a row begins: "restart ap01, ap02 stays" spares what is asked."""
    head = scan.masked[max(0, start - _AFTER_REACH) : start]
    asked = any(
        cue.strong
        and cue.live
        and cue.end <= start
        and lexicon.pattern("exclusion", "of_verb").fullmatch(scan.masked, cue.end, start)
        for cue in wish.cues
    )
    if not asked and not lexicon.pattern("aside", "only_before").search(head):
        return start
    return max(start, scan.masked.rfind(",", start, end) + 1)


def _negated_rows(rest: list[Mention], wish: Wish) -> list[list[Mention]]:
    """The mentions of clauses in which every cue is negated."""
    rows = []
    for start, end in wish.clauses:
        cues = [cue for cue in wish.cues if cue.strong and start <= cue.start < end]
        if cues and all(cue.negated for cue in cues):
            row = [m for m in rest if start <= m.start < end and m.kind in _DEPTH]
            if row:
                rows.append(row)
    return rows


def _inherit(rest: list[Mention], rows: list[list[Mention]]) -> list[Mention]:
    """ "예산 DB 빼고": where nothing else says which system, the row's outer names do."""
    if any(m.kind in (Kind.NODE, Kind.SYSTEM) for m in rest):
        return rest
    outer = [
        mention
        for row in rows
        for mention in row
        if mention.kind is not Kind.NODE and _depth(mention) > min(map(_depth, row))
    ]
    if any(m.kind is Kind.LAYER for m in rest):
        outer = [m for m in outer if m.kind is not Kind.LAYER]
    return sorted([*rest, *outer], key=lambda mention: mention.start)


def _depth(mention: Mention) -> int:
    return _DEPTH.index(mention.kind) if mention.kind in _DEPTH else len(_DEPTH)


def _matches(row: list[Mention], asset: Asset, institution: str, numbers: frozenset[int]) -> bool:
    """An asset matches a row when it is in every kind that the row names."""
    kinds = {m.kind for m in row}
    nodes = {code for m in row if m.kind is Kind.NODE for code in m.values}
    digits = {int(v) for m in row if m.kind is Kind.NUMBER for v in m.values if v.isdigit()}
    if asset.code in nodes or (nodes and Kind.NUMBER not in kinds):
        return asset.code in nodes
    facts = {
        Kind.LAYER: asset.layer,
        Kind.ENVIRONMENT: asset.environment,
        Kind.SYSTEM: asset.system,
        Kind.INSTITUTION: institution,
    }
    for kind, fact in facts.items():
        named = {value for m in row if m.kind is kind for value in m.values}
        if named and fact not in named:
            return False
    return not digits or bool(digits & numbers)
