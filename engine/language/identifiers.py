"""Names of tables, columns, jobs and logins: they look like hosts and are none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.language import lexicon
from engine.language.intents import Wish
from engine.language.names import NameIndex
from engine.language.scanned import Scan

_BY_INTENT = {"SCRIPT": "job", "ACCOUNT": "login"}
_KINDS = ("table", "sql")
_ASKS_FOR_NAMES = frozenset({"DB_CHANGE", "ACCOUNT"})
"""What is written with an underscore there is a column or a login, wherever it stands."""


def identifier_spans(scan: Scan, wish: Wish, index: NameIndex) -> list[tuple[int, int]]:
    """Where the message names a part of a database, or a job or a login that it asks for."""
    found = [span for kind in _KINDS for span in _spans(scan, kind)]
    found = [(a, b) for a, b in found if not _like_a_node(scan.masked[a:b], index)]
    if wish.intent in _ASKS_FOR_NAMES:
        found += [
            (a, b)
            for a, b in _spans(scan, "underscored")
            if not _like_a_node(scan.masked[a:b], index) and not _part(scan.masked[a:b])
        ]
    kind = _BY_INTENT.get(wish.intent)
    if kind is not None:
        found += [(a, b) for a, b in _spans(scan, kind) if _no_host(scan.masked[a:b], index)]
    return found


def _part(word: str) -> bool:
    """Whether it holds a word that hosts are called by: "pay_db"."""
    return bool(set(re.split(r"[_\d]+", word)) & set(lexicon.words("unknown")["node_parts"]))


def _spans(scan: Scan, kind: str) -> Iterator[tuple[int, int]]:
    for match in lexicon.pattern("identifiers", kind).finditer(scan.masked):
        for name in _pattern("name").finditer(match[0]):
            yield match.start() + name.start(), match.start() + name.end()


def _like_a_node(word: str, index: NameIndex) -> bool:
    """Whether hosts or containers of the inventory are written this way."""
    return "-" in word or ("_" in word and word.split("_", maxsplit=1)[0] in index.underscored)


def _no_host(word: str, index: NameIndex) -> bool:
    """A job or a login may hold dashes, but not the first part of a host and a number."""
    return not (word[-1:].isdigit() and re.split(r"[-_.\d]", word)[0] in index.first_parts)


def _pattern(key: str) -> re.Pattern[str]:
    return lexicon.pattern("identifiers", key)
