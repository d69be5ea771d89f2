"""Every name of the inventory, found in a folded text; their number hardly matters."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations, islice

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from engine.inventory import Inventory
from engine.language.fold import BROKEN, fold, han, hangul, latin
from engine.language.lexicon import hangul_tail, ordinary, prefix_words, words
from engine.language.slips import same_but_for_a_slip

MEND_FROM = 4
"""Characters a name must have before one typing error in it is mended."""
_NEAR_ENOUGH = 60.0
_NEAR_POOL = 1500
_NEAR_SIDE = 300
"""Names looked at for a suggestion: the first of the file, and those that begin alike."""
_LONGEST_PREFIX = 24
"""Syllables before a name that are looked at; what introduces a name is much shorter."""
_CJK_SPACE = re.compile(r"(?<=[^\x00-\x7f]) +| +(?=[^\x00-\x7f])")


@dataclass(slots=True)
class Entry:
    """What one name stands for. A name may stand for several things."""

    key: str
    shown: str
    spaced: str
    institutions: list[str] = field(default_factory=list)
    systems: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    """Asset codes, for a host, an asset code, a container or an asset's own name."""
    exact: bool = False
    """An asset code or a container, not only a host."""
    services: list[str] = field(default_factory=list)
    soft: bool = False
    """A name without its head ("budget" of "budget system"): needs company to count."""


@dataclass(frozen=True, slots=True)
class Match:
    """A name in the text, from ``start`` to ``end`` of the folded text."""

    start: int
    end: int
    entry: Entry
    hangs: bool = False
    """It begins inside a word, so another match must end there."""


class NameIndex:
    """The names of an inventory. Built once; read-only afterwards."""

    def __init__(self, inventory: Inventory) -> None:
        self.entries: dict[str, Entry] = {}
        self._add_all(inventory)
        self.by_system: dict[str, list[str]] = {code: [] for code in inventory.systems}
        """Asset codes by system code, in the inventory's order."""
        for asset in inventory.assets.values():
            self.by_system[asset.system].append(asset.code)
        owners = {
            code: "\n".join(map(fold, institution.names))
            for code, institution in inventory.institutions.items()
        }
        self.owners = {code: owners[s.institution] for code, s in inventory.systems.items()}
        """By system code, the folded names of the institution that it belongs to."""
        self._lengths = self._index_lengths()
        self._sorted = sorted(self.entries)
        self._by_digits: dict[str, dict[int, list[str]]] = {}
        for key in self.entries:
            self._by_digits.setdefault(_digits(key), {}).setdefault(len(key), []).append(key)
        self._by_ends: dict[tuple[str, str, int], list[str]] = {}
        for key, entry in self.entries.items():
            if entry.systems and not entry.soft and _distinct_chinese(key):
                self._by_ends.setdefault((key[0], key[-1], len(key) - 1), []).append(key)
        self.first_parts = frozenset(
            re.split(r"[-_.\d]", entry.key)[0] for entry in self.entries.values() if entry.nodes
        ) - {""}

        self.underscored = frozenset(
            key.split("_")[0] for key, entry in self.entries.items() if entry.nodes and "_" in key
        )
        """First parts of the hosts and containers that are written with an underscore."""

    def _add_all(self, inventory: Inventory) -> None:
        for institution in inventory.institutions.values():
            for name in (institution.code, *institution.names):
                self._add(name, "institutions", institution.code)
        for system in inventory.systems.values():
            for name in (system.code, *system.names):
                self._add(name, "systems", system.code)
        for asset in inventory.assets.values():
            for name in (asset.code, asset.container, *asset.names):
                self._add(name, "nodes", asset.code, exact=True)
            self._add(asset.host, "nodes", asset.code)
            # A unit's name narrows what else is named; alone it points at nothing.
            self._add(asset.service.removesuffix(".service"), "services", asset.code)
        for system in inventory.systems.values():
            for name in system.names:
                self._add_short(name, system.code)
        self._add_short_institutions(inventory)

    def _add_short_institutions(self, inventory: Inventory) -> None:
        """ "Lisheng" of "Lisheng Logistics", where it means one institution and nothing else."""
        tails = frozenset(words("organisations")["english_tails"])
        meant: dict[str, set[str]] = {}
        for institution in inventory.institutions.values():
            for name in institution.names:
                *first, last = fold(name).split() or [""]
                if first and last in tails:
                    meant.setdefault(" ".join(first), set()).add(institution.code)
        for short, codes in meant.items():
            free = _key(short) not in self.entries and short not in ordinary()
            if free and len(codes) == 1 and short.isascii() and len(short) >= MEND_FROM:
                self._add(short, "institutions", *codes)

    def entry(self, name: str) -> Entry | None:
        """The entry of exactly this name, spaces and case aside."""
        return self.entries.get(_key(name))

    def _add(self, name: str, kind: str, code: str, *, exact: bool = False) -> None:
        key = _key(name)
        if len(key) < 2:
            return
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry(
                key, name, _CJK_SPACE.sub("", " ".join(fold(name).split()))
            )
        codes: list[str] = getattr(entry, kind)
        if code not in codes[-1:]:
            codes.append(code)
        entry.exact = entry.exact or exact

    def _add_short(self, name: str, system: str) -> None:
        folded = fold(name)
        for head in words("generic")["heads"]:
            short = folded.removesuffix(head).rstrip(" -_")
            if short != folded and len(short) > 1:
                known = self.entries.get(_key(short))
                if known is None or known.soft:
                    self._add(short, "systems", system)
                    self.entries[_key(short)].soft = True
                return

    def _index_lengths(self) -> dict[str, list[int]]:
        lengths: dict[str, set[int]] = {}
        for key in self.entries:
            lengths.setdefault(key[:2], set()).add(len(key))
        return {head: sorted(sizes, reverse=True) for head, sizes in lengths.items()}

    def find(self, text: str, blocked: bytearray) -> list[Match]:
        """The names in the text, left to right, not overlapping; the longest reading wins."""
        at = [i for i, char in enumerate(text) if char != " "]
        squeezed = text.replace(" ", "")
        found: list[Match] = []
        for i in range(len(squeezed) - 1):
            sizes = self._lengths.get(squeezed[i : i + 2])
            if sizes and not blocked[at[i]]:
                found.extend(self._matches(text, squeezed, at, i, sizes))
        return _best_cover(found)

    def _matches(
        self, text: str, squeezed: str, at: list[int], i: int, sizes: list[int]
    ) -> Iterable[Match]:
        start = at[i]
        for size in sizes:
            entry = self.entries.get(squeezed[i : i + size]) if i + size <= len(at) else None
            if entry is None:
                continue
            end = at[i + size - 1] + 1
            if not _may_start(text, start, bool(entry.nodes)) or not _spaces_fit(
                text[start:end], entry
            ):
                continue
            if self._may_end(text, end, squeezed, i + size):
                yield Match(start, end, entry, _hangs(text, start))

    def _may_end(self, text: str, end: int, squeezed: str, j: int) -> bool:
        following = text[end : end + 1]
        if not following:
            return True
        last = text[end - 1]
        if latin(last):
            if latin(following) or following in ("_", BROKEN):
                return False
            if following == "-" and _opens_range(text, end):
                return True
            return not (following in "-.@" and end + 1 < len(text) and latin(text[end + 1]))
        if hangul(last) and hangul(following):
            return bool(hangul_tail().match(text, end)) or squeezed[j : j + 2] in self._lengths
        return True

    def mend(self, word: str) -> Entry | None:
        """The one name that a single typing error away could be this word, or None.

        The word and the name must hold the same digits in the same order.
        """
        key = _key(word)
        near: set[str] = set()
        by_size = self._by_digits.get(_digits(key), {})
        for size in range(max(MEND_FROM, len(key) - 1), len(key) + 2):
            pool = by_size.get(size, [])
            near.update(
                found[0]
                for found in process.extract(
                    key, pool, scorer=OSA.distance, score_cutoff=1, limit=3
                )
            )
        if len(near) != 1 or not same_but_for_a_slip(key, *near):
            return None
        entry = self.entries[near.pop()]
        same_script = entry.key.isascii() == key.isascii()
        return entry if same_script and not entry.soft and _has_target(entry) else None

    def mend_chinese(self, run: str) -> list[tuple[int, Entry]]:
        """Where a system's Chinese name stands in the run with one wrong character inside it.

        Only names of four characters and more, their head ("系統") aside: of shorter ones, two
        that differ in one character are two names.
        """
        found = []
        for first, last in combinations(range(len(run)), 2):
            for key in self._by_ends.get((run[first], run[last], last - first), ()):
                pairs = zip(run[first : last + 1], key, strict=True)
                if sum(one != other for one, other in pairs) == 1:
                    found.append((first, self.entries[key]))
        return found

    def nearest(self, word: str, limit: int) -> list[Entry]:
        """Names that look like this one, the nearest first; at most ``limit``."""
        key = _key(word)
        at = bisect_right(self._sorted, key)
        pool = dict.fromkeys(self._sorted[max(0, at - _NEAR_SIDE) : at + _NEAR_SIDE])
        pool.update(dict.fromkeys(islice(self.entries, _NEAR_POOL)))
        found = process.extract(
            key, list(pool), scorer=fuzz.ratio, score_cutoff=_NEAR_ENOUGH, limit=limit * 3
        )
        entries = [self.entries[hit[0]] for hit in found]
        return [entry for entry in entries if not entry.soft and _has_target(entry)][:limit]


def _has_target(entry: Entry) -> bool:
    return bool(entry.nodes or entry.systems or entry.institutions)


def _key(name: str) -> str:
    return fold(name).replace(" ", "")


def _distinct_chinese(key: str) -> bool:
    if not all(map(han, key)):
        return False
    heads = (head for head in words("generic")["heads"] if key.endswith(fold(head)))
    return len(key) - max(map(len, heads), default=0) >= MEND_FROM


def _digits(key: str) -> str:
    return "".join(char for char in key if char.isdigit())


def _may_start(text: str, start: int, node: bool) -> bool:
    if start == 0:
        return True
    before = text[start - 1]
    if not latin(text[start]):
        return True
    if latin(before) or before in ("_", BROKEN):
        return False
    if before == "/" and node:
        return True  # "momo-db/momo-cache"; paths are covered before names are looked for
    if before in "-./\\":
        return start == 1 or not (latin(text[start - 2]) or text[start - 2] == "_")
    return before != "@" or node


_RANGE = re.compile(r"(?P<first>\d{2,4})-(?P<end>\d{2,4})(?![\da-z_-]|\.\d)", re.ASCII)


def _opens_range(text: str, end: int) -> bool:
    """ "web-01-03": two numbers of one length, the second the greater."""
    start = end
    while start > 0 and text[start - 1].isdigit():
        start -= 1
    found = _RANGE.match(text, start)
    return bool(
        found
        and found.end("first") == end
        and len(found["first"]) == len(found["end"])
        and found["first"] < found["end"]
    )


def _hangs(text: str, start: int) -> bool:
    """Whether a Hangul name begins inside a Hangul word that does not introduce it."""
    if start == 0 or not hangul(text[start]) or not hangul(text[start - 1]):
        return False
    begin = start
    while begin > max(0, start - _LONGEST_PREFIX) and hangul(text[begin - 1]):
        begin -= 1
    return not prefix_words().fullmatch(text, begin, start)


def _spaces_fit(written: str, entry: Entry) -> bool:
    """Spaces may be left out; between Latin words they stand only where the name has them."""
    inner = _CJK_SPACE.sub("", written)
    return " " not in inner or " ".join(inner.split()) == entry.spaced


@dataclass(frozen=True, slots=True)
class _Cover:
    covered: int
    count: int
    last: Match | None
    before: _Cover | None

    @property
    def worth(self) -> tuple[int, int]:
        return self.covered, -self.count


def _best_cover(found: list[Match]) -> list[Match]:
    """The non-overlapping matches that cover most, and of these the fewest: longest match."""
    found.sort(key=lambda match: (match.end, match.start))
    ends: list[int] = [0]
    best: list[_Cover] = [_Cover(0, 0, None, None)]  # best cover up to ends[i]
    exact: dict[int, _Cover] = {}  # best cover whose last match ends there
    for match in found:
        before = (
            exact.get(match.start) if match.hangs else best[bisect_right(ends, match.start) - 1]
        )
        if before is None:
            continue
        cover = _Cover(before.covered + match.end - match.start, before.count + 1, match, before)
        held = exact.get(match.end)
        if held is None or cover.worth > held.worth:
            exact[match.end] = cover
        if cover.worth > best[-1].worth:
            if ends[-1] == match.end:
                best[-1] = cover
            else:
                ends.append(match.end)
                best.append(cover)
    chosen: list[Match] = []
    step: _Cover | None = best[-1]
    while step is not None and step.last is not None:
        chosen.append(step.last)
        step = step.before
    return chosen[::-1]
