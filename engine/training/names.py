"""Invented names: organisations, systems, hosts, files and people, in three languages.

They are put together from parts.  The parts are split in two by their hash, so that the frozen
test speaks of names that training never sees.
"""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from zlib import crc32

from engine.inventory import Asset, Institution, Inventory, System

LANGUAGES = ("ko", "zh-TW", "en")
PARTS = Path(__file__).resolve().parents[2] / "prompts" / "training" / "names.toml"
TEST_SHARE = 10
"""One part in so many is kept for the frozen test."""
_LETTERS = "bcdfghjklmnprstvwz"


@cache
def _parts() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(PARTS.read_text(encoding="utf-8"))


def frozen(text: str) -> bool:
    """Whether a part or a sentence belongs to the frozen test."""
    return crc32(text.encode()) % TEST_SHARE == 0


class Names:
    """Draws names from one half of the parts."""

    def __init__(self, random_: random.Random, *, test: bool) -> None:
        self.random = random_
        self._pools = {
            language: {
                kind: [part for part in parts if frozen(part) == test or kind in _SHARED]
                for kind, parts in kinds.items()
            }
            for language, kinds in _parts().items()
        }

    def _one(self, language: str, kind: str) -> str:
        return self.random.choice(self._pools[language][kind])

    def institution(self, language: str) -> str:
        """A ministry, a city, a bank or a company."""
        if self.random.random() < 0.12:
            return self.word().upper()[:4]
        who = self._one(language, "who")
        if language == "en":
            kind = self._one(language, "organisation")
            return who + (f" {kind}" if self.random.random() < 0.6 else "")
        if self.random.random() < 0.3:
            who += self._one(language, "subject")
        return who + (self._one(language, "organisation") if self.random.random() < 0.75 else "")

    def system(self, language: str) -> str:
        """What people call a system, with or without its head."""
        roll = self.random.random()
        if roll < 0.1:
            return self.word()
        name = self._one(language, "subject")
        gap = " " if language == "en" else ""
        if self.random.random() < 0.3:
            name += gap + self._one(language, "subject")
        if self.random.random() < 0.6:
            name += gap + self._one(language, "head")
        return name

    def word(self) -> str:
        """A made-up Latin word, with a part now and then."""
        pick = self.random.choice
        syllables = range(self.random.randint(1, 3))
        word = "".join(
            pick(_LETTERS) + pick("aeiou") + pick(["", "", pick("nrslm")]) for _ in syllables
        )
        if self.random.random() < 0.25:
            word += "-" + pick(self._pools["en"]["part"])
        return word

    def stem(self) -> str:
        """What the names of a system's hosts begin with."""
        if self.random.random() < 0.5:
            return self.word().split("-", maxsplit=1)[0]
        return "".join(self._one("en", "subject").lower().split())[:10]

    def host(self, stem: str, layer: str, number: int) -> str:
        """A host name of this stem."""
        tier = self.random.choice(_TIERS[layer])
        gap = self.random.choice(["-", "-", "-", "", "_", "."])
        tail = self.random.choice([f"{number:02d}", f"{number}", f"{number:02d}", ""])
        return f"{stem}{gap}{tier}{gap if tail and gap in '-_' else ''}{tail}"

    def package(self) -> str:
        stem = self.stem()
        version = (
            f"{self.random.randint(0, 9)}.{self.random.randint(0, 20)}.{self.random.randint(0, 9)}"
        )
        ending = self.random.choice([".war", ".jar", ".tar.gz", ".zip", ".ear", ".rpm", ".tgz"])
        return self.random.choice(
            [f"{stem}-{version}{ending}", f"{stem}_{version}{ending}", f"{stem}{ending}"]
        )

    def script(self) -> str:
        verb, noun = self._one("en", "verb"), self._one("en", "noun")
        gap = self.random.choice(["_", "-"])
        return f"{verb}{gap}{noun}" + self.random.choice(
            [".sh", ".sh", ".py", ".sql", ".bash", ".pl"]
        )

    def identifier(self) -> str:
        """A table, a column or a key of a database."""
        first, second = self._one("en", "noun"), self._one("en", "tail")
        forms = [
            f"{first}_{second}",
            f"{self.stem()}_{second}",
            f"{first}{second.title()}",
            f"tb_{first}",
            f"{first}_{self.random.randint(2019, 2026)}",
            first.upper(),
        ]
        return self.random.choice(forms)

    def account(self) -> str:
        first, second = self.word().split("-")[0], self.word().split("-")[0]
        return self.random.choice(
            [
                f"{first}.{second}",
                f"{first[:1]}{second}",
                f"{first}{self.random.randint(1, 99)}",
                f"{first}_{second}",
            ]
        )

    def person(self, language: str) -> str:
        return self._one(language, "family") + self._one(language, "given")


_NUMBERED = re.compile(r"(.*\D)(\d+)$")
_SHORT = (
    "{first}~{last}",
    "{first}-{last}",
    "{first}, {last}",
    "{first},{last}",
    "{first}/{last}",
    "{first} {last}",
    "{first}부터 {last}까지",
    "{first}到{last}",
    "{first} to {last}",
    "{first} and {last}",
    "{first}, {stem}{last}",
)
_SHARED = frozenset({"head", "organisation", "part", "verb", "noun", "tail", "family", "given"})
"""What is no name by itself is the same on both sides."""
_TIERS = {
    "WAS": ["was", "app", "ap", "api", "WAS", "svc"],
    "WEB": ["web", "www", "WEB", "front", "nginx"],
    "DB": ["db", "DB", "pg", "mysql", "ora", "data"],
}


@dataclass(frozen=True)
class Place:
    """An invented inventory, and the names that sentences may use."""

    inventory: Inventory
    institutions: dict[str, list[str]] = field(default_factory=dict)
    """Names by code."""
    systems: dict[str, list[str]] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    """Hosts, asset codes and containers that are one asset each."""
    ranges: list[str] = field(default_factory=list)
    """Short lists and ranges of hosts: ``web-01~03``, ``web-01, 02``."""


def invent(names: Names, size: int = 10) -> Place:
    """A place with ``size`` organisations, each with a few systems and their machines."""
    draw = names.random
    institutions: dict[str, Institution] = {}
    systems: dict[str, System] = {}
    assets: dict[str, Asset] = {}
    for number in range(size):
        code = f"I{number}{names.word().upper()[:3]}"
        institutions[code] = Institution(code, _in_each(names.institution))
        for _ in range(draw.randint(1, 3)):
            system = System(
                f"S{len(systems)}{names.word().upper()[:3]}", code, _in_each(names.system)
            )
            systems[system.code] = system
            _add_assets(names, system, assets)
    counts: dict[str, int] = {}
    for asset in assets.values():
        for name in {asset.code, asset.host, asset.container} - {""}:
            counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    nodes = [
        name
        for asset in assets.values()
        for name in {asset.code, asset.host, asset.container} - {""}
        if counts[name.casefold()] == 1
    ]
    return Place(
        Inventory(institutions, systems, assets),
        {code: list(each.names) for code, each in institutions.items()},
        {code: list(each.names) for code, each in systems.items()},
        sorted(nodes),
        _ranges(draw, nodes),
    )


def _ranges(draw: random.Random, nodes: list[str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for node in sorted(nodes):
        found = _NUMBERED.match(node)
        if found:
            groups.setdefault(found[1], []).append(found[2])
    ranges = []
    for stem, numbers in groups.items():
        if len(numbers) > 1:
            first, last = numbers[0], numbers[-1]
            short = draw.choice(_SHORT).format(first=first, last=last, stem=stem)
            ranges.append(f"{stem}{short}")
    return ranges


def _in_each(name: object) -> tuple[str, ...]:
    assert callable(name)
    return tuple(dict.fromkeys(name(language) for language in LANGUAGES))


def _add_assets(names: Names, system: System, assets: dict[str, Asset]) -> None:
    draw, stem = names.random, names.stem()
    for layer in draw.sample(("WAS", "WEB", "DB"), draw.randint(1, 3)):
        for number in range(1, draw.randint(1, 3) + 1):
            code = f"{stem.upper()}-{layer}-{number:02d}"
            if code in assets:
                continue
            container = names.word() if draw.random() < 0.2 else ""
            assets[code] = Asset(
                code,
                system.code,
                layer,
                draw.choice(["PRD", "PRD", "STG", "DEV"]),
                names.host(stem, layer, number),
                "" if container else "tomcat",
                container,
            )
