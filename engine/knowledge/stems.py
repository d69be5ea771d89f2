"""English words brought to one form."""

from __future__ import annotations

import re
from functools import lru_cache

_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([bdfgmnprt])\1$")

_IRREGULAR = {
    "forgot": "forget", "forgotten": "forget", "lost": "lose", "losing": "lose", "broken": "break",
    "broke": "break", "stolen": "steal", "stole": "steal", "sent": "send", "got": "get",
    "bought": "buy", "paid": "pay", "left": "leave", "froze": "freeze", "frozen": "freeze",
    "ran": "run", "went": "go", "gone": "go", "found": "find", "wrote": "write",
    "written": "write", "threw": "throw", "thrown": "throw", "children": "child",
    "people": "person", "kept": "keep", "dead": "die", "died": "die", "dying": "die",
    "hung": "hang", "stuck": "stick", "spilled": "spill", "spilt": "spill", "chose": "choose",
    "chosen": "choose", "taken": "take", "took": "take", "gave": "give", "given": "give",
    "made": "make", "saw": "see", "seen": "see", "told": "tell", "bring": "bring",
    "brought": "bring", "built": "build", "held": "hold", "leaves": "leave", "news": "news",
    "access": "access", "always": "always", "status": "status", "canvas": "canvas",
    "bus": "bus", "virus": "virus", "business": "business", "address": "address",
    "during": "during", "meeting": "meeting", "training": "training", "building": "building",
    "thing": "thing", "something": "something", "nothing": "nothing", "anything": "anything",
    "spreadsheet": "spreadsheet", "parking": "parking", "wireless": "wireless",
    "process": "process", "windows": "windows",
}  # fmt: skip


@lru_cache(maxsize=65536)
def english(word: str) -> str:
    """A light stem: plural, -ed, -ing, -ly, -er and -ion off, never below three letters."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.isalpha():
        return word
    word = _plural(word)
    for ending in ("ation", "ing", "ion", "ment", "ed", "ly"):
        stem = word[: -len(ending)]
        if word.endswith(ending) and len(stem) >= 3 and _VOWEL.search(stem):
            return _tidied(stem)
    return _tidied(word)


def _plural(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _tidied(stem: str) -> str:
    """One end for the forms of a word: install, installed; charge, charging; copy, copied."""
    if _DOUBLED.search(stem) and len(stem) > 3:
        stem = stem[:-1]
    if stem.endswith("e") and len(stem) > 3:
        return stem[:-1]
    if stem.endswith("y") and len(stem) > 3:
        return stem[:-1] + "i"
    return stem
