"""The hand-written sentences of prompts/training/text: reading them, and filling their slots."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.language import lexicon
from engine.language.contract import INTENTS, LAYERS
from engine.language.marks import PRIORITIES
from engine.training.details import DETAILS
from engine.training.names import Names, Place

TEXT = Path(__file__).resolve().parents[2] / "prompts" / "training" / "text"
_SLOT = re.compile(
    r"\{(?P<role>[?~-]?)(?P<kind>[isnr]|WAS|WEB|DB|f|sh|u|p|ip|port|path|num|time|date|ver|url"
    r"|ticket|tbl|col|cve)"
    r"(?::(?P<words>[^{}|]+))?\}"
)
_NAMED = frozenset({"i", "s", "n", "r", *LAYERS, "f", "sh"})
"""The slots whose places are kept; ``r`` is a short list or range of hosts."""
_CHOICE = re.compile(r"<([^<>]*\|[^<>]*)>")


@dataclass(frozen=True)
class Sentence:
    """One line: what it asks for, and its text with slots."""

    intent: str
    steps: tuple[str, ...]
    priority: str
    """Empty where the line does not say."""
    text: str
    language: str


@dataclass(frozen=True)
class Slot:
    """A name in a filled sentence.

    ``role``: empty = meant, ``?`` unknown, ``-`` ruled out, ``~`` only mentioned.
    """

    kind: str
    role: str
    start: int
    end: int


@dataclass(frozen=True)
class Filled:
    """A sentence with names in it."""

    sentence: Sentence
    text: str
    slots: tuple[Slot, ...]


def load(folder: Path = TEXT) -> list[Sentence]:
    """Every sentence of the folder. Raises ValueError naming the file and line of a bad one."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                try:
                    found.append(_sentence(line))
                except ValueError as error:
                    raise ValueError(f"{path.name}:{number}: {error}") from None
    return found


def _sentence(line: str) -> Sentence:
    head, bar, text = line.partition(" | ")
    main, _, steps = head.partition(":")
    main, _, priority = main.partition("@")
    steps, _, late = steps.partition("@")
    priority = priority or late
    order = tuple(steps.split(",")) if steps else (main,)
    if not bar or not text.strip():
        raise ValueError("no text after ' | '")
    for intent in (main, *order):
        if intent not in INTENTS:
            raise ValueError(f"{intent!r} is no intent")
    if priority and priority not in PRIORITIES:
        raise ValueError(f"{priority!r} is no priority")
    plain = _SLOT.sub("", text.replace("{{", "").replace("}}", ""))
    if "{" in plain or "}" in plain:
        raise ValueError("a slot that is not known")
    text = text.replace("\\n", "\n")
    return Sentence(main, order, priority, text, language_of(plain))


def language_of(text: str) -> str:
    """ko, zh-TW or en, by the script of its words."""
    if re.search("[가-힣ㄱ-ㅣ]", text):
        return "ko"
    return "zh-TW" if re.search("[\u4e00-\u9fff\u3105-\u3129]", text) else "en"


def fill(sentence: Sentence, names: Names, place: Place, words: str | None = None) -> Filled:
    """Put invented names into the slots. ``words``: a variation of the sentence's text."""
    draw = names.random
    text = sentence.text if words is None else words
    text = _CHOICE.sub(lambda match: draw.choice(match[1].split("|")), text)
    owners = _owners(text, place, draw)
    used: set[str] = set()
    slots: list[Slot] = []
    pieces: list[str] = []
    size = at = 0
    for match in _SLOT.finditer(text):
        before = text[at : match.start()].replace("{{", "{").replace("}}", "}")
        codes = owners.get(match.start())
        name = _name(match, sentence.language, names, place, used, codes)
        pieces += [before, name]
        start = size + len(before)
        size = start + len(name)
        if match["kind"] in _NAMED:
            kind = "n" if match["kind"] == "r" else match["kind"]
            slots.append(Slot(kind, match["role"], start, size))
        at = match.end()
    pieces.append(text[at:].replace("{{", "{").replace("}}", "}"))
    return Filled(sentence, "".join(pieces), tuple(slots))


def _name(
    match: re.Match[str],
    language: str,
    names: Names,
    place: Place,
    used: set[str],
    codes: tuple[str, ...] | None,
) -> str:
    kind, unknown = match["kind"], match["role"] == "?"
    if match["words"]:
        return str(match["words"])
    if kind in LAYERS:
        return _layer(kind, language, names.random)
    for _ in range(20):
        if unknown:
            name = _unknown(kind, language, names)
        else:
            name = _known(kind, language, names, place, codes)
        if name not in used:
            break
    used.add(name)
    return name


def _layer(kind: str, language: str, draw: random.Random) -> str:
    def fits(word: str) -> bool:
        return word.isascii() if language == "en" else language_of(word) in (language, "en")

    words = [word for word in lexicon.words("layers")[kind] if fits(word)]
    return str(draw.choice([kind, kind.lower(), *words]))


def _unknown(kind: str, language: str, names: Names) -> str:
    if kind == "i":
        return names.institution(language)
    if kind == "s":
        return names.system(language)
    layer = names.random.choice(LAYERS)
    return names.host(names.stem(), layer, names.random.randint(1, 40))


def _owners(text: str, place: Place, draw: random.Random) -> dict[int, tuple[str, ...]]:
    """Codes of known systems and organisations by place; an organisation owns what follows it."""
    found = [m for m in _SLOT.finditer(text) if m["kind"] in "is" and m["role"] != "?"]
    systems = list(place.systems)
    draw.shuffle(systems)
    named = [match for match in found if match["kind"] == "s"]
    codes: dict[int, tuple[str, ...]] = {
        m.start(): (systems[at % len(systems)],) for at, m in enumerate(named)
    }
    for match in found:
        if match["kind"] == "i":
            after = [m for m in named if m.start() > match.start()] or named
            owned = after and match["role"] == ""
            system = place.inventory.systems[codes[after[0].start()][0]] if owned else None
            other = draw.choice(list(place.institutions))
            codes[match.start()] = (system.institution if system else other,)
    return codes


def _known(
    kind: str, language: str, names: Names, place: Place, codes: tuple[str, ...] | None
) -> str:
    draw = names.random
    if kind in ("i", "s"):
        held = place.institutions if kind == "i" else place.systems
        given = held[codes[0]] if codes else draw.choice(list(held.values()))
        return _in_language(given, language, draw)
    if kind == "n":
        return draw.choice(place.nodes)
    if kind == "r":
        return draw.choice(place.ranges) if place.ranges else draw.choice(place.nodes)
    return DETAILS[kind](names, language)


def _in_language(given: list[str], language: str, draw: random.Random) -> str:
    own = [name for name in given if language_of(name) == language]
    return draw.choice(own if own and draw.random() < 0.8 else given)


def slots_of(text: str) -> Iterator[re.Match[str]]:
    """The slots of a sentence's text."""
    return _SLOT.finditer(text)
