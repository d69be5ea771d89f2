"""A question as units: each a word, or two Chinese characters, and what it weighs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from engine.knowledge.analysis import CONCEPT, PIECE, Analysed, pairs
from engine.knowledge.plain import PLAIN, plain_places, weight
from engine.knowledge.synonyms import Mention
from engine.knowledge.words import Word

LONGEST = 2000
"""Characters of a question that are read."""
MOST_UNITS = 96
INSIDE = 0.9
BY_CONCEPT = 0.85
BY_PAIRS = 0.6
BY_CHARACTERS = 0.25
"""What it counts that an article has a word inside another, its concept, the pieces of a Korean
word, or each of two Chinese characters apart."""
IN_PHRASE = 0.3
"""What a word that says nothing by itself weighs within the name of a concept ("let me in")."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One word of a question, or two Chinese characters of it.

    ``term`` is its index term; ``needles`` are strings to find, each with what finding it counts;
    ``pieces`` are what to look for where none is found; ``weight`` is 0 for a word that says
    nothing; ``places`` are the characters, or the word, that it stands for, each with its weight.
    ``silent``: it says something only as a part of a phrase ("how many"); where an article does
    not have that phrase, this is no lack.
    """

    term: str
    needles: tuple[tuple[str, float], ...]
    concepts: tuple[str, ...]
    pieces: tuple[str, ...]
    weight: float
    places: tuple[tuple[int, float], ...]
    silent: bool = False

    def found(self, text: str) -> float:
        """How far an article's text has it, from 0 to 1."""
        for needle, counts in self.needles:
            if needle in text:
                return counts
        if not self.pieces:
            return 0.0
        share = [piece in text for piece in self.pieces].count(True) / len(self.pieces)
        return share * (BY_PAIRS if len(self.pieces[0]) > 1 else BY_CHARACTERS)


def units(parts: Analysed) -> list[Unit]:
    """The units of a question, those that weigh nothing left out; each once."""
    found: dict[str, Unit] = {}
    for word in parts.words:
        near = [m for m in parts.mentions if m.start < word.end and word.start < m.end]
        for unit in _han(word, near) if word.kind == "han" else [_word(word, near)]:
            if unit.weight and unit.term not in found:
                found[unit.term] = unit
    return list(found.values())[:MOST_UNITS]


def sought(parts: Analysed) -> dict[str, float]:
    """The index terms of a question with what each counts: words that say nothing are left out."""
    found = {CONCEPT + mention.concept: 1.0 for mention in parts.mentions}
    for word in parts.words:
        if word.kind == "han":
            counts = plain_places(word.text)
            each = [*zip(word.text, counts, strict=True)]
            each += zip(
                pairs(word.text),
                ((one + other) / 2 for one, other in pairwise(counts)),
                strict=True,
            )
        else:
            each = [(word.stem, weight(word.text, word.stem))]
            if word.kind == "hangul":
                each += [(PIECE + piece, each[0][1]) for piece in pairs(word.stem)]
        for term, counted in each:
            if counted:
                found[term] = max(counted, found.get(term, 0.0))
    return found


def _word(word: Word, near: list[Mention]) -> Unit:
    concepts = tuple(dict.fromkeys(mention.concept for mention in near))
    needles = [(f" {word.stem} ", 1.0)]
    if word.kind == "hangul" and len(word.stem) > 1:
        needles.append((word.stem, INSIDE))
    pieces = tuple(pairs(word.stem)) if word.kind == "hangul" and len(word.stem) > 2 else ()
    counts = weight(word.text, word.stem)
    silent = not counts
    if word.kind == "hangul" and len(word.stem) == 1 and not concepts:
        counts = min(counts, PLAIN)
    if concepts:
        counts = max(counts, IN_PHRASE)
    needles += _by_concept(concepts)
    place = (word.start, counts)
    return Unit(word.stem, tuple(needles), concepts, pieces, counts, (place,), silent)


def _han(word: Word, near: list[Mention]) -> Iterator[Unit]:
    counts = plain_places(word.text)
    if len(word.text) == 1:
        value = counts[0] / 2
        yield Unit(word.text, ((word.text, 1.0),), (), (), value, ((word.start, value),))
        return
    for at, pair in enumerate(pairs(word.text)):
        start, end = word.start + at, word.start + at + 2
        inside = [m.concept for m in near if m.start <= start and end <= m.end]
        cut = any(start < edge < end for m in near for edge in (m.start, m.end))
        concepts = tuple(dict.fromkeys(inside))
        value = (counts[at] + counts[at + 1]) / 2
        if inside:
            value = 1.0
        elif cut:
            value *= 0.3
        places = tuple((start + step, counts[at + step]) for step in (0, 1) if counts[at + step])
        needles = ((pair, 1.0), *_by_concept(concepts))
        yield Unit(pair, needles, concepts, tuple(pair), value, places, not places)


def _by_concept(concepts: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    return ((f" {CONCEPT}{concept} ", BY_CONCEPT) for concept in concepts)


def rarity(unit: Unit, idf: Callable[[str], float], holds: Callable[[str], bool]) -> float:
    """How rare what a unit means is among the articles."""
    known = [term for term in (CONCEPT + each for each in unit.concepts) if holds(term)]
    if known:
        return max(map(idf, known))
    if holds(unit.term):
        return idf(unit.term)
    held = [PIECE + piece for piece in unit.pieces if holds(PIECE + piece)]
    return idf(unit.term) if not held else max(map(idf, held))
