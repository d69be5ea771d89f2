"""Words of the trade that mean the same in three languages, found in a text as concepts."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.knowledge.words import Word, folded, words

_FILE = Path(__file__).with_name("synonyms.toml")
_INSIDE = 3
"""Korean forms of so many syllables are also found inside of a word; shorter ones at its start."""
_PARTICLES = "은는이가을를에의도로만"
"""With one of these a Korean form of one syllable is found too, and alone; not before others."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A concept that a text names, and where: from ``start`` to ``end`` of the folded text."""

    concept: str
    start: int
    end: int


class Synonyms:
    """Groups of forms. A form may stand in several groups."""

    def __init__(self, groups: dict[str, dict[str, list[str]]]) -> None:
        self.size = len(groups)
        self._phrases: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._first: dict[str, int] = {}
        self._runs: dict[str, list[str]] = defaultdict(list)
        self._heads: dict[str, list[int]] = {}
        for concept, languages in groups.items():
            for form in (form for forms in languages.values() for form in forms):
                self._add(concept, folded(form))

    def mentions(self, text: str, found: list[Word]) -> list[Mention]:
        """Every concept that a folded text with these words names, as often as it does."""
        return [*self._latin(found), *self._written_together(text, found)]

    def _add(self, concept: str, form: str) -> None:
        parts = list(words(form))
        if all(part.kind == "latin" for part in parts):
            key = tuple(part.stem for part in parts)
            if concept not in self._phrases[key]:
                self._phrases[key].append(concept)
            self._first[key[0]] = max(len(key), self._first.get(key[0], 0))
            return
        run = "".join(form.split())
        if len(run) == 1:
            for particle in _PARTICLES:
                self._add(concept, run + particle)
        if concept not in self._runs[run]:
            self._runs[run].append(concept)
        lengths = {*self._heads.get(run[:2], []), len(run)}
        self._heads[run[:2]] = sorted(lengths, reverse=True)

    def _latin(self, found: list[Word]) -> Iterator[Mention]:
        stems = [word.stem if word.kind == "latin" else "" for word in found]
        for at, stem in enumerate(stems):
            longest = min(self._first.get(stem, 0), len(stems) - at)
            for length in range(longest, 0, -1):
                concepts = self._phrases.get(tuple(stems[at : at + length]))
                if concepts:
                    end = found[at + length - 1].end
                    yield from (Mention(each, found[at].start, end) for each in concepts)
                    break

    def _written_together(self, text: str, found: list[Word]) -> Iterator[Mention]:
        """Korean and Chinese forms, wherever the writer put the spaces."""
        for word in found:
            if len(word.text) == 1:
                concepts = self._runs.get(word.text, ())
                yield from (Mention(concept, word.start, word.end) for concept in concepts)
        run, places, starts = _run(text, found)
        for at in range(len(run) - 1):
            for length in self._heads.get(run[at : at + 2], ()):
                form = run[at : at + length]
                known = self._runs.get(form)
                if not known or not (length >= _INSIDE or at in starts or _han(run[at])):
                    continue
                end = places[at + len(form) - 1] + 1
                yield from (Mention(concept, places[at], end) for concept in known)
                break


def _run(text: str, found: Iterable[Word]) -> tuple[str, list[int], set[int]]:
    """The words without what is between them, each character's place, and where words start.

    A gap of more than one character, as a full stop and a space, is kept: no form spans it.
    """
    run: list[str] = []
    places: list[int] = []
    starts: set[int] = set()
    end = 0
    for word in found:
        if word.start - end > 1 or text[end : word.start] not in ("", " "):
            run.append("\n")
            places.append(end)
        starts.add(len(run))
        run.extend(word.text)
        places.extend(range(word.start, word.end))
        end = word.end
    return "".join(run), places, starts


def _han(char: str) -> bool:
    return "\u3040" <= char <= "\u9fff"


@cache
def shipped() -> Synonyms:
    """The groups of synonyms.toml."""
    read: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return Synonyms(read)
