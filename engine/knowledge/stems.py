"""Words brought to one form: English endings, Korean particles and verb endings."""

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


_PARTICLE = re.compile(
    "(?:에서는|에서도|에서만|한테서|으로는|으로도|이라고|이라는|이라도|까지는|에서|에게|에다|에만|에도|에는|한테|으로|이랑|"
    "하고|까지|부터|마다|처럼|밖에|이나|이란|라고|라는|께서|보다|은|는|이|가|을|를|의|에|로|와|과|랑|도|만|나|요|란)$"
)
_ENDING = re.compile(
    "(?:하려고|하려면|하려는|하시면|하세요|하나요|하는데|하는지|하지만|하거나|하도록|하면서|했는데|했어요|했습니다|합니다|합니까|"
    "할까요|할게요|할지|하고|하기|하는|하면|하여|해야|해서|해도|해요|해줘|하다|하지|한다|했다|했을|할|한|함|해|했|"
    "되려면|되나요|되는데|되는지|되지만|되거나|되도록|되었습니다|되었어요|됐는데|됐어요|됐습니다|됩니다|됩니까|될까요|되고|되기|되는|되면|"
    "되어|돼야|돼서|돼도|돼요|되다|되지|된다|됐다|될|된|됨|돼|됐|시키기|시켜|"
    "습니다|습니까|입니다|입니까|인가요|인데요|인데|이에요|예요|나요|네요|는데요|는데|어요|아요|여요|으면|려면|려고|면서|지만|거나|도록|"
    "었는데|았는데|었어요|았어요|었습니다|았습니다|던데|더라|고)$"
)


@lru_cache(maxsize=65536)
def korean(word: str) -> str:
    """A Korean word without its particle or verb ending, never below two syllables."""
    for pattern in (_ENDING, _PARTICLE, _PARTICLE):
        cut = pattern.sub("", word)
        if len(cut) >= 2:
            word = cut
    return word
