"""A text as its words, each variable in it as ``VARIABLE``: what symptoms and groups share."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import Pattern

VARIABLE = "*"
"""Stands for whatever varies; neighbours become one."""
VALUE = "="
"""Before a word that stands after an equals sign."""
LONGEST = 4000
"""Characters that are looked at; of a longer text its first and its last half of them."""
MOST_WORDS = 64
"""Words that are kept."""

_TABLE = Path(__file__).with_name("variables.toml")
_MASK = "\x01"
_DIGITS = re.compile(r"\d+")
_DOTS = re.compile(r"\.{2,}")
_LETTER = re.compile(r"[^\W_]")
# Hangul and Han are words of their own, because identifiers stand beside them without a space.
_WORD = re.compile(
    r"[^\s\"'`()\[\]{}<>,;:=|\u1100-\u11ff\u3000-\uffef]+"
    r"|[\u1100-\u11ff\u3040-\u9fff\uac00-\ud7a3\uf900-\ufaff]+"
    r"|=(?!\s*[\w.]+=)"
)
_QUOTED = re.compile(r"\"([^\"\n]{1,80})\"|(?<!\w)'([^'\n]{1,80})'(?!\w)")
_MOST_QUOTED_WORDS = 3


@dataclass(frozen=True, slots=True)
class Variables:
    """The table of what varies."""

    pattern: Pattern[str]
    units: frozenset[str]
    values: frozenset[str]
    announce: frozenset[str]
    """Words after which a name comes."""
    lead: frozenset[str]
    """Words after which a name comes more often than a statement."""


@cache
def variables() -> Variables:
    """The table that ships, read once."""
    table = tomllib.loads(_TABLE.read_text("utf-8"))
    return Variables(
        re.compile("|".join(table["patterns"])),
        *(frozenset(table[name]) for name in ("units", "values", "announce", "lead")),
    )


def collapsed(text: str) -> str:
    """The text, cut to ``LONGEST``, with each run of digits as one 0."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} {text[-LONGEST // 2 :]}"
    return _DIGITS.sub("0", text.replace(_MASK, " "))


def words(text: str) -> tuple[str, ...]:
    """The words of a collapsed text, variables as ``VARIABLE``; empty where there is no word."""
    table = variables()
    masked = _QUOTED.sub(_as_one_word, text)
    masked = table.pattern.sub(f" {_MASK} ", _DOTS.sub(" ", masked))
    found: list[str] = []
    after_equals = False
    for raw in _WORD.findall(masked):
        if raw == "=":
            after_equals = True
            continue
        word = raw.strip(".!?*-")
        if _varies(word, found, table):
            word = VARIABLE
        elif not _LETTER.search(word):
            continue
        elif after_equals:
            word = VALUE + word
        after_equals = False
        # The same again is a list, the length of which varies; but a user may be called "user".
        if not found or found[-1] != word or word.lower() in table.announce:
            found.append(word)
            if len(found) == MOST_WORDS:
                break
    return tuple(found)


def unquoted(text: str) -> str:
    """The text without its quoted values. Keys and sentences of JSON are no values and stay."""
    return _QUOTED.sub(_value, text)


def _value(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - 4) : match.start()].rstrip()[-1:]
    after = match.string[match.end() : match.end() + 2].lstrip()[:1]
    sentence = before == ":" and len((match[1] or match[2]).split()) > _MOST_QUOTED_WORDS
    return match[0] if after == ":" or sentence else f" {_MASK} "


def _varies(word: str, before: list[str], table: Variables) -> bool:
    if _MASK in word or "0" in word:
        return True
    lower = word.lower()
    if lower in table.values:
        return True
    return bool(before) and before[-1] == VARIABLE and lower in table.units


def _as_one_word(match: re.Match[str]) -> str:
    """A quoted name of few words is one word, so that its length does not matter."""
    inside = match[1] or match[2]
    parts = inside.split()
    if 1 < len(parts) <= _MOST_QUOTED_WORDS and "0" not in inside and "/" not in inside:
        return f" {'_'.join(parts)} "
    return match[0]
