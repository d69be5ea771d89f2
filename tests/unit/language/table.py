"""The sentences of the language tests, and the inventories they are read against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.inventory import Inventory, load_inventory
from engine.language.names import NameIndex
from engine.language.rules import Understood, understand

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Sentence:
    """What a sentence must come to."""

    text: str
    intent: str
    assets: tuple[str, ...]
    artifacts: tuple[str, ...]


@cache
def inventory(name: str) -> tuple[Inventory, NameIndex]:
    loaded = load_inventory(_HERE / f"{name}.toml")
    return loaded, NameIndex(loaded)


def read(text: str, name: str = "inventory") -> Understood:
    return understand(text, *inventory(name))


def examples() -> list[Sentence]:
    """The examples of the parse contract."""
    rows = [json.loads(line) for line in (_HERE / "examples.jsonl").read_text("utf-8").splitlines()]
    return [
        Sentence(
            row["text"],
            row["expected"]["intent_type"],
            tuple(row["expected"]["assets"]),
            tuple(row["expected"]["deploy_artifacts"]),
        )
        for row in rows
    ]


def sentences() -> list[Sentence]:
    """The product's own sentences: intent | assets | artifacts | text."""
    found = []
    for name in ("sentences", "sentences_second", "sentences_third"):
        for line in (_HERE / f"{name}.txt").read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                intent, assets, artifacts, text = (part.strip() for part in line.split("|", 3))
                found.append(Sentence(text, intent, _listed(assets, True), _listed(artifacts)))
    return found


@dataclass(frozen=True)
class Hunted:
    """A message of the hunt after wrong targets, and what it may come to."""

    text: str
    inventory: str
    intents: tuple[str, ...]
    assets: frozenset[tuple[str, ...]]
    artifacts: tuple[str, ...]
    by_model: bool
    """The rules miss the intent; with the right one the targets are theirs all the same."""


FIRST_PLACES = ("bank", "freight", "city")
FURTHER_PLACES = ("hospital", "citycard", "telecom", "factory", "game", "bank2")


def hunted(
    kind: str = "hunt", places: tuple[str, ...] = FIRST_PLACES + FURTHER_PLACES
) -> list[Hunted]:
    """The messages of ``<kind>_*.txt``: intents | assets | artifacts | text.

    ``A/B`` allows two intents, ``~A`` is an intent that the model has to read; assets in brackets
    may be selected or left out.
    """
    found = []
    for place in places:
        for line in (_HERE / f"{kind}_{place}.txt").read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                intents, assets, artifacts, text = (part.strip() for part in line.split("|", 3))
                allowed = {_listed(assets.strip("()"), True)} | (
                    {()} if assets[0] == "(" else set()
                )
                found.append(
                    Hunted(
                        text.replace("\\n", "\n"),
                        f"hunt_{place}",
                        tuple(intents.lstrip("~").split("/")),
                        frozenset(allowed),
                        _listed(artifacts),
                        intents.startswith("~"),
                    )
                )
    return found


def _listed(text: str, in_order: bool = False) -> tuple[str, ...]:
    words = [] if text == "-" else text.split()
    return tuple(sorted(words) if in_order else words)
