"""In which language a message is written, by its script: what figures are sorted by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from engine.inventory import Inventory
from engine.language.fold import han, hangul

LANGUAGES = ("ko", "en", "zh-TW", "mixed", "other")
_LATIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@:'-]*")
_PLAIN = re.compile(r"[A-Za-z]{2,}(?:'[a-z]+)?")
_LETTERS = re.compile(r"[a-z]+")


def latin_names(inventory: Inventory) -> frozenset[str]:
    """The Latin words that the inventory's names are made of, in small letters."""
    return frozenset(word for name in _names(inventory) for word in _LETTERS.findall(name.lower()))


def language_of(text: str, names: frozenset[str]) -> str:
    """One of ``LANGUAGES``. ``names`` are words that stand in every language, see latin_names.

    Mixed is Korean beside Chinese, and either beside an English word. A name, an abbreviation
    (WAS) and whatever has a digit or a sign in it (loan-was-01, app.war) is no English word.
    Other is a message without a letter of the three scripts.
    """
    text = unicodedata.normalize("NFKC", text)
    local = [name for name, kind in (("ko", hangul), ("zh-TW", han)) if any(map(kind, text))]
    if not local:
        return "en" if _LETTERS.search(text.lower()) else "other"
    if len(local) > 1 or any(_is_english(word, names) for word in _LATIN.findall(text)):
        return "mixed"
    return local[0]


def _is_english(word: str, names: frozenset[str]) -> bool:
    word = word.rstrip("._/@:'-")
    return bool(_PLAIN.fullmatch(word)) and not word.isupper() and word.lower() not in names


def _names(inventory: Inventory) -> Iterator[str]:
    for institution in inventory.institutions.values():
        yield from (institution.code, *institution.names)
    for system in inventory.systems.values():
        yield from (system.code, *system.names)
    for asset in inventory.assets.values():
        yield from (asset.code, asset.host, asset.service, asset.container, *asset.names)
