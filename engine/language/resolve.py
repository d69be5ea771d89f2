"""The rules of selection: from what a message mentions to assets, or to one question."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from engine.inventory import Asset, Inventory
from engine.language.contract import CHANGING
from engine.language.exclusion import Split
from engine.language.mentions import Kind, Mention
from engine.language.names import NameIndex

_DIGITS = re.compile(r"\d+", re.ASCII)
_TAIL = re.compile(r"\d+$", re.ASCII)


class Doubt(StrEnum):
    """Why nothing is selected."""

    WHICH_SYSTEM = "which_system"  #: none is named
    WHICH_INSTITUTION = "which_institution"  #: several have a system of that name
    WHICH_ASSET = "which_asset"  #: one of several is meant, it is not said which
    UNKNOWN_NAME = "unknown_name"  #: a name that the inventory does not have
    NO_SUCH = "no_such"  #: the system has nothing in that layer, environment or number
    NOTHING_LEFT = "nothing_left"  #: all that is named is ruled out
    TWO_WISHES = "two_wishes"  #: different things are asked for on different targets


@dataclass(frozen=True)
class Selection:
    """``assets`` is sorted; empty where there is a doubt. ``candidates`` are what it may mean."""

    assets: tuple[str, ...] = ()
    doubt: Doubt | None = None
    candidates: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """The names that the doubt is about, as written."""
    fits: tuple[Callable[[Asset], bool], ...] = field(default=(), compare=False, repr=False)
    """Whether an asset is what else is named: all of it, and then less and less of it."""


def select(
    inventory: Inventory,
    index: NameIndex,
    split: Split,
    intent: str,
    unknown: tuple[str, ...] = (),
) -> Selection:
    """What the mentions select, by the contract's rules 1 to 5."""
    picker = _Picker(inventory, index, split, intent)
    chosen = picker.pick()
    if unknown:
        likely = chosen.assets if picker.of(Kind.NODE, Kind.SYSTEM) else ()
        chosen = Selection(doubt=Doubt.UNKNOWN_NAME, candidates=likely, names=unknown)
    elif not chosen.doubt:
        chosen = picker.left_of(chosen.assets)
    return replace(chosen, fits=picker.fits()) if chosen.doubt else chosen


def numbers_of(asset: Asset) -> frozenset[int]:
    """The numbers an asset goes by: the last in its host, its code and its container."""
    found = set()
    for name in (asset.host, asset.code, asset.container):
        digits = _DIGITS.findall(name)
        if digits:
            found.add(int(digits[-1][:9]))
    return frozenset(found)


def _count(some: Mention) -> int:
    """How many are meant, of those that are named."""
    return int(some.values[0]) if some.values and some.values[0].isdigit() else 1


class _Picker:
    """One selection under way."""

    def __init__(self, inventory: Inventory, index: NameIndex, split: Split, intent: str) -> None:
        self.inventory = inventory
        self.index = index
        self.split = split
        self.intent = intent
        self.blurred = False
        """It is not clear which assets are ruled out."""

        self._by_kind: dict[Kind, list[Mention]] = {}
        for mention in split.meant:
            self._by_kind.setdefault(mention.kind, []).append(mention)

    def of(self, *kinds: Kind) -> list[Mention]:
        return [mention for kind in kinds for mention in self._by_kind.get(kind, ())]

    def values(self, kind: Kind) -> set[str]:
        return {value for mention in self.of(kind) for value in mention.values}

    def pick(self) -> Selection:
        """What is named, before anything is ruled out."""
        if self.of(Kind.NODE):
            return self.by_node()
        return self.by_system() if self.of(Kind.SYSTEM) else self.by_nothing()

    def left_of(self, assets: tuple[str, ...]) -> Selection:
        """The assets less those that are ruled out, if it is clear which those are."""
        left = tuple(sorted(code for code in set(assets) if not self.spared(code)))
        if not left:
            return Selection(doubt=Doubt.NOTHING_LEFT, candidates=assets)
        self.blurred = self._blurred(assets)
        if self.blurred:
            return Selection(doubt=Doubt.WHICH_ASSET, candidates=tuple(sorted(set(assets))))
        if any(len(left) > _count(m) for m in self.of(Kind.SOME)):
            return Selection(doubt=Doubt.WHICH_ASSET, candidates=left)
        return Selection(left)

    def _blurred(self, assets: tuple[str, ...]) -> bool:
        """Whether a number that is ruled out goes by members of several groups, or by none."""
        named = bool(self.of(Kind.NODE, Kind.NUMBER))
        for row in self.split.ruled_out:
            said = {int(m.values[0]) for m in row if m.kind is Kind.NUMBER}
            if not said:
                continue
            alone = Split([], [row])
            hit = [self.inventory.assets[code] for code in assets]
            hit = [asset for asset in hit if self._spares(alone, asset)]
            missed = said - frozenset().union(*map(numbers_of, hit))
            if (missed and not named) or len({(a.system, a.layer, a.environment) for a in hit}) > 1:
                return True
        return False

    def fits(self) -> tuple[Callable[[Asset], bool], ...]:
        """Tests for an asset, the strictest first: by number, layer and environment."""
        layers, environments = self.values(Kind.LAYER), self.values(Kind.ENVIRONMENT)
        numbers = {int(v) for v in self.values(Kind.NUMBER) if v.isdigit()}

        def free(asset: Asset) -> bool:
            return self.blurred or not self._spares(self.split, asset)

        def in_environment(asset: Asset) -> bool:
            return (not environments or asset.environment in environments) and free(asset)

        def in_layer(asset: Asset) -> bool:
            return (not layers or asset.layer in layers) and free(asset)

        def in_both(asset: Asset) -> bool:
            return in_layer(asset) and in_environment(asset)

        def in_all(asset: Asset) -> bool:
            return in_both(asset) and (not numbers or bool(numbers & numbers_of(asset)))

        return in_all, in_both, in_environment, in_layer

    def _spares(self, split: Split, asset: Asset) -> bool:
        return split.spares(asset, self._institution(asset.system), numbers_of(asset))

    def spared(self, code: str) -> bool:
        return self._spares(self.split, self.inventory.assets[code])

    def _institution(self, system: str) -> str:
        return self.inventory.systems[system].institution

    # Rule 1: a named host, asset code or container, and nothing wider.

    def by_node(self) -> Selection:
        nodes = self.of(Kind.NODE)
        picked: set[str] = set()
        for mention in nodes:
            codes = self._one_node(mention, nodes)
            if isinstance(codes, Selection):
                return codes
            picked |= codes
        joined = self._joined_systems(picked)
        if joined is not None and joined.doubt:
            return joined
        extra = self._beside_numbers(picked)
        if extra.doubt:
            return extra
        return Selection((*picked, *extra.assets, *(joined.assets if joined else ())))

    def _one_node(self, mention: Mention, nodes: list[Mention]) -> set[str] | Selection:
        codes = set(mention.values)
        if len(codes) == 1:
            return codes
        others = [set(o.values) for o in nodes if o is not mention and set(o.values) < codes]
        if others:
            return set.union(*others)  # the host of a container that is named as well
        narrowed = self._narrow_node(codes)
        if mention.exact and len(narrowed) > 1:
            # A container of that name runs on several hosts.
            hosts = set().union(*(set(o.values) for o in nodes if not o.exact))
            on_host = narrowed & hosts
            if len(on_host) != 1:
                return Selection(
                    doubt=Doubt.WHICH_ASSET,
                    candidates=tuple(sorted(narrowed)),
                    names=(mention.written,),
                )
            return on_host
        return narrowed or Selection(
            doubt=Doubt.NO_SUCH, candidates=tuple(sorted(codes)), names=(mention.written,)
        )

    def _narrow_node(self, codes: set[str]) -> set[str]:
        """Several assets of one name: what else is named narrows them."""
        assets = [self.inventory.assets[code] for code in codes]
        systems, layers = self.values(Kind.SYSTEM), self.values(Kind.LAYER)
        if systems & {asset.system for asset in assets}:
            assets = [asset for asset in assets if asset.system in systems]
        if layers and (self.intent in CHANGING or layers & {asset.layer for asset in assets}):
            assets = [asset for asset in assets if asset.layer in layers]
        services = self.values(Kind.SERVICE)
        if services & {asset.code for asset in assets}:
            assets = [asset for asset in assets if asset.code in services]
        return {asset.code for asset in assets}

    def _joined_systems(self, picked: set[str]) -> Selection | None:
        """A system of its own beside the node ("예산 WAS랑 momo-db") is selected too."""
        owners = {self.inventory.assets[code].system for code in picked}
        systems = [m for m in self.of(Kind.SYSTEM) if not owners & set(m.values)]
        layered = [m for m in systems if self._layers_of(m)]
        if not layered:
            return None
        return self.by_system(layered)

    def _beside_numbers(self, picked: set[str]) -> Selection:
        """ "budget-was-01 … and 02": a lone number is a sibling of the hosts that are named."""
        found: set[str] = set()
        assets = [self.inventory.assets[code] for code in sorted(picked)]
        known = frozenset().union(*(numbers_of(asset) for asset in assets))
        for mention in self.of(Kind.NUMBER):
            number = int(mention.values[0])
            if number in known:
                continue
            siblings = self._siblings(assets, number)
            if not siblings:
                return Selection(doubt=Doubt.UNKNOWN_NAME, names=(mention.written,))
            found |= siblings
        return Selection(tuple(found))

    def _siblings(self, assets: list[Asset], number: int) -> set[str]:
        """Assets whose host or code is that of one of these with another number at its end."""
        found: set[str] = set()
        for asset in assets:
            for name in (asset.host, asset.code):
                tail = _TAIL.search(name)
                if tail:
                    entry = self.index.entry(f"{name[: tail.start()]}{number:0{len(tail[0])}d}")
                    found.update(entry.nodes if entry else ())
        return found

    # Rule 2: the system chooses; institution, layer and environment narrow it.

    def by_system(self, mentions: list[Mention] | None = None) -> Selection:
        picked: list[str] = []
        for mention in mentions or self.of(Kind.SYSTEM):
            systems = self._systems_of(mention)
            if isinstance(systems, Selection):
                return systems
            chosen = self._narrowed(mention, systems)
            if chosen.doubt:
                return chosen
            picked += chosen.assets
        return Selection(tuple(picked))

    def _systems_of(self, mention: Mention) -> set[str] | Selection:
        systems = set(mention.values)
        named = {v for m in self.of(Kind.INSTITUTION) if not m.asks for v in m.values}
        inside = {c for c in systems if self._institution(c) in self.values(Kind.INSTITUTION)}
        if named:
            inside = {code for code in systems if self._institution(code) in named}
            if not inside:
                return Selection(
                    doubt=Doubt.NO_SUCH,
                    candidates=self._assets_of(systems),
                    names=(mention.written,),
                )
        if inside:
            return inside
        if len({self._institution(code) for code in systems}) > 1 or len(systems) > 1:
            return Selection(
                doubt=Doubt.WHICH_INSTITUTION,
                candidates=self._assets_of(systems),
                names=(mention.written,),
            )
        return systems

    def _narrowed(self, mention: Mention, systems: set[str]) -> Selection:
        all_of = [self.inventory.assets[code] for code in self._assets_of(systems)]
        layers, environments = self._layers_of(mention), self.values(Kind.ENVIRONMENT)
        services = self.values(Kind.SERVICE)
        assets = [
            asset
            for asset in all_of
            if (not layers or asset.layer in layers)
            and (not environments or asset.environment in environments)
            and (not services or asset.code in services)
        ]
        if not assets:
            return Selection(
                doubt=Doubt.NO_SUCH,
                candidates=tuple(asset.code for asset in all_of),
                names=(mention.written,),
            )
        numbers = {int(v) for v in self.values(Kind.NUMBER) if v.isdigit()}
        if numbers:
            return self._numbered(mention, assets, numbers)
        return Selection(tuple(asset.code for asset in assets))

    def _numbered(self, mention: Mention, assets: list[Asset], numbers: set[int]) -> Selection:
        """ "예산 WAS 2호기": the members that go by these numbers, if that is clear."""
        hit = [asset for asset in assets if numbers & numbers_of(asset)]
        found = frozenset().union(*(numbers_of(asset) for asset in hit))
        kinds = {(asset.system, asset.layer, asset.environment) for asset in hit}
        if not hit and (counted := self._counted(assets)):
            return Selection(tuple(sorted(asset.code for asset in counted)))
        if numbers - found:
            missing = ", ".join(str(number) for number in sorted(numbers - found))
            return Selection(
                doubt=Doubt.NO_SUCH,
                candidates=tuple(asset.code for asset in assets),
                names=(f"{mention.written} {missing}",),
            )
        rivals = self._rivals(assets, hit)
        if len(kinds) > 1 or rivals:
            codes = sorted(asset.code for asset in (*hit, *rivals))
            return Selection(doubt=Doubt.WHICH_ASSET, candidates=tuple(codes))
        return Selection(tuple(asset.code for asset in hit))

    def _counted(self, assets: list[Asset]) -> list[Asset]:
        """ "The second one" of ord11, ord12 and ord13: members by their order.

        Only in one group, and where its numbers do not count the members themselves.
        """
        said = [m for m in self.of(Kind.NUMBER) if m.values[0].isdigit()]
        numbers = [min(numbers_of(asset), default=0) for asset in assets]
        if not all(m.nth for m in said) or len(set(numbers)) < len(assets):
            return []
        if len({(a.system, a.layer, a.environment) for a in assets}) > 1:
            return []
        places = [int(m.values[0]) for m in said]
        if min(numbers) <= len(assets) or max(places) > len(assets):
            return []
        ordered = sorted(assets, key=lambda asset: min(numbers_of(asset)))
        return [ordered[place - 1] for place in places]

    def _rivals(self, assets: list[Asset], hit: list[Asset]) -> list[Asset]:
        """Production assets that "app1" may mean as well: the only one, without a number."""
        layers = {asset.layer for asset in hit}
        beyond = all(asset.environment != "PRD" for asset in hit)
        return [
            asset
            for asset in assets
            if asset.environment == "PRD"
            and asset.layer in layers
            and asset not in hit
            and (beyond or not numbers_of(asset))
        ]

    def _layers_of(self, mention: Mention) -> set[str]:
        """The layers that go with a system: its own, else its neighbour's."""
        if len(self.of(Kind.SYSTEM)) < 2:
            return self.values(Kind.LAYER)
        starts, owned = self._owned
        own = bisect_left(starts, mention.start)
        later = next((group for group in owned[own:] if group), None)
        return later or next((group for group in reversed(owned[:own]) if group), set())

    @cached_property
    def _owned(self) -> tuple[list[int], list[set[str]]]:
        """Where each system stands, and the layers that follow it."""
        starts = sorted(system.start for system in self.of(Kind.SYSTEM))
        owned: list[set[str]] = [set() for _ in starts]
        leading: set[str] = set()
        for layer in self.of(Kind.LAYER):
            before = bisect_right(starts, layer.start)
            (owned[before - 1] if before else leading).update(layer.values)
        if leading:  # "the db of budget and the web of mail"
            owned = [leading, *owned[:-1]] if any(owned) else [leading] * len(starts)
        return starts, owned

    def by_nothing(self) -> Selection:
        """No system is named: nothing is selected; the institution says which could be meant."""
        institutions = self.values(Kind.INSTITUTION)
        systems = [
            system.code
            for system in self.inventory.systems.values()
            if not institutions or system.institution in institutions
        ]
        names = tuple(mention.written for mention in self.of(Kind.INSTITUTION))
        return Selection(doubt=Doubt.WHICH_SYSTEM, candidates=tuple(sorted(systems)), names=names)

    def _assets_of(self, systems: set[str]) -> tuple[str, ...]:
        return tuple(code for system in sorted(systems) for code in self.index.by_system[system])
