"""The word lists, read once and compiled: layers, environments, ordinary words, particles."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from engine.language.fold import ENVIRONMENT, FILE, INSTITUTION, LAYER, NODE, NUMBER, SYSTEM, fold

_FOLDER = Path(__file__).parent

PARTICLE = (
    "(?:에서는|에서도|에서만|에다가|한테서|이랑은|이라도|이라고|에서|에게|에다|에만|에도|에는|에선|한테|으로|이랑|랑은|하고|까지|"
    "부터|마다|처럼|밖에|이나|만은|만이|이고|이라|라고|라도|이요|인데|쪽에|쪽을|쪽은|쪽도|쪽만|쪽이|쪽|측|등|님|은|는|이|가|을|를|"
    "의|에|로|와|과|랑|도|만|나|요|야|좀|건|껀|거|꺼|께|용|들|대|호기|번|호)"
)
"""One Korean particle, the longer first."""


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def words(section: str) -> dict[str, Any]:
    """A section of lexicon.toml."""
    section_words: dict[str, Any] = _table("lexicon")[section]
    return section_words


_SLOTS = {
    "<name>": f"[{NODE}{SYSTEM}{INSTITUTION}]",
    "<item>": f"[{NODE}{SYSTEM}{INSTITUTION}{LAYER}{ENVIRONMENT}{NUMBER}]",
    "[<system><institution><env>]": f"[{SYSTEM}{INSTITUTION}{ENVIRONMENT}]",
    "[<system><node>]": f"[{SYSTEM}{NODE}]",
    "<node>": NODE,
    "<system>": SYSTEM,
    "<institution>": INSTITUTION,
    "<file>": FILE,
    "<layer>": LAYER,
    "<env>": ENVIRONMENT,
    "<digit>": NUMBER,
}


_NAME = "(?<![a-z0-9_.-])[a-z0-9]+(?:[-_][a-z0-9]+)*(?![a-z0-9_.-])"
_NAMES = rf"{_NAME}(?:\s*(?:[,、/&+·]|와|과|랑|이랑|하고|및|and|or|和|跟|與|及)\s*{_NAME})*"
_INNER = ("unit", "port", "counted_noun")
"""Patterns of [numbers] that stand in other patterns."""


@cache
def pattern(section: str, key: str, table: str = "patterns") -> re.Pattern[str]:
    """A pattern of patterns.toml or cues.toml, by ASCII rules: a Latin word may touch Hangul.

    Raises KeyError where the table has no such key.
    """
    given = _table(table)[section][key]
    source = given if isinstance(given, str) else "|".join(f"(?:{each})" for each in given)
    source = source.replace("<names>", _NAMES)
    for slot in _INNER:
        source = source.replace(f"<{slot}>", _table("patterns")["numbers"][slot])
    for slot, characters in _SLOTS.items():
        source = source.replace(slot, characters)
    return re.compile(source, re.ASCII)


def warm() -> None:
    """Compile every pattern, so that the first message is read as quickly as the next."""
    for table in ("patterns", "cues"):
        for section, given in _table(table).items():
            for key in given:
                if (table, section) not in _PLAIN and (section, key) not in _PLAIN:
                    pattern(section, key, table)


_PLAIN = frozenset(
    {("patterns", "tails"), ("files", "packages"), ("files", "scripts"), ("words", "compound")}
)
"""What is a list of words, not a pattern."""


def listed(section: str, key: str) -> list[str]:
    """The words of a text of patterns.toml."""
    return str(_table("patterns")[section][key]).split()


def keys(section: str) -> list[str]:
    """The keys of a section of patterns.toml, in its order."""
    return list(_table("patterns")[section])


@cache
def ordinary() -> frozenset[str]:
    """Words that are never taken for a name."""
    return frozenset(fold(word) for text in _table("ordinary").values() for word in text.split())


@cache
def ordinary_chinese() -> re.Pattern[str]:
    """A run of ordinary Chinese words, the longest first."""
    cannot = _table("patterns")["words"]["cannot"]
    return re.compile(f"(?:{cannot}|{alternatives(_table('ordinary')['chinese'].split())})*")


def alternatives(given: Iterable[str]) -> str:
    """A regular expression for any of the words, the longest first."""
    return "|".join(
        re.escape(word) for word in sorted(set(map(fold, given)), key=lambda w: -len(w))
    )


def bounded(given: Iterable[str]) -> str:
    """Any of the words, standing as words: Latin ones whole, Hangul ones not inside a word."""
    by_script: dict[str, list[str]] = {"latin": [], "hangul": [], "han": []}
    for word in given:
        kind = "latin" if word[-1].isascii() else "hangul" if "가" <= word[-1] <= "힣" else "han"
        by_script[kind].append(word)
    parts = []
    if by_script["latin"]:
        parts.append(
            rf"(?<![a-z0-9_.\ufffd-])(?:{alternatives(by_script['latin'])})(?![a-z0-9_\ufffd]|[-.][a-z0-9])"
        )
    if by_script["hangul"]:
        parts.append(
            rf"(?:(?<![가-힣])|{_JOINED})(?:{alternatives(by_script['hangul'])})"
            rf"(?={PARTICLE}{{0,2}}(?![가-힣])|{tail_words()})"
        )
    if by_script["han"]:
        parts.append(f"(?:{alternatives(by_script['han'])})")
    return "(?:" + "|".join(parts) + ")"


_JOINED = "|".join(f"(?<=[{LAYER}{ENVIRONMENT}]{particle})" for particle in "와과랑및")
"""Behind what was recognised and its particle: "웹서버와와스"."""


@cache
def tail_words() -> str:
    """What may follow a Korean name without a space: its particle and a verb, a layer, a head."""
    heads = [word for word in words("generic")["words"] if "가" <= word[0] <= "힣"]
    layers = [
        word for layer in words("layers").values() for word in layer if "가" <= word[0] <= "힣"
    ]
    stems = listed("tails", "words")
    return f"(?:{PARTICLE}{{0,2}}(?:{alternatives([*heads, *layers, *stems])}))"


@cache
def prefix_words() -> re.Pattern[str]:
    """What may stand before a Korean name without a space."""
    environments = [
        word
        for environment in words("environments").values()
        for word in environment
        if "가" <= word[0] <= "힣"
    ]
    return re.compile(f"(?:{alternatives([*environments, *listed('tails', 'before')])})")


@cache
def hangul_tail() -> re.Pattern[str]:
    """What may follow a Korean name in the same word."""
    return re.compile(rf"{PARTICLE}{{0,3}}(?![가-힣])|{tail_words()}")
