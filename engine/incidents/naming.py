"""Which asset the labels of a report name: by whole values, never by words within a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from engine.inventory import Asset, Inventory

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/]+))(?::\d{1,5})?")
_UNIT_ENDING = ".service"


def asset_of(inventory: Inventory, named: str, labels: Mapping[str, str]) -> str | None:
    """The code of the one asset that is meant; None when it is none, or could be several.

    ``named`` is what the reporter calls it and goes first. A code beats every other name; hosts,
    addresses (with or without a port), containers and units narrow each other down.
    """
    if named:
        return _one(inventory, [named])
    return _one(inventory, labels.values())


def _one(inventory: Inventory, values: Iterable[str]) -> str | None:
    given = list(dict.fromkeys(value.strip() for value in values if value.strip()))
    lower = {value.lower() for value in given}
    codes = [code for code in inventory.assets if code.lower() in lower]
    if codes:
        return codes[0] if len(codes) == 1 else None
    left: set[str] | None = None
    for value in given:
        meant = {asset.code for asset in inventory.assets.values() if _means(value, asset)}
        if meant:
            left = meant if left is None else left & meant
    return next(iter(left)) if left and len(left) == 1 else None


def _means(value: str, asset: Asset) -> bool:
    if value == asset.container:
        return True
    if asset.service and _unit(value) == _unit(asset.service):
        return True
    places = {place.lower() for place in (asset.host, asset.address) if place}
    return any(host.lower() in places for host in _hosts(value))


def _unit(name: str) -> str:
    return name.removesuffix(_UNIT_ENDING)


def _hosts(value: str) -> Iterator[str]:
    """The value as a host, and without a port."""
    yield value
    if match := _WITH_PORT.fullmatch(value):
        yield match["v6"] or match["host"]
