"""What a text is searched by: its terms, and the string in which a question's words are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.knowledge.synonyms import Mention, Synonyms
from engine.knowledge.words import Word, folded, words

CONCEPT = "#"
"""Before the name of a concept among terms; no word begins so."""
PIECE = "~"
"""Before two syllables of a Korean word among terms."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """A folded text, its words and the concepts that it names."""

    text: str
    words: list[Word]
    mentions: list[Mention]


def analysed(text: str, synonyms: Synonyms) -> Analysed:
    """A text as written, taken apart."""
    text = folded(text)
    found = list(words(text))
    return Analysed(text, found, synonyms.mentions(text, found))


def pairs(run: str) -> Iterator[str]:
    """Each two characters that stand together."""
    return (run[at : at + 2] for at in range(len(run) - 1))


def terms(parts: Analysed) -> Counter[str]:
    """How often each term occurs."""
    found: Counter[str] = Counter(CONCEPT + mention.concept for mention in parts.mentions)
    for word in parts.words:
        if word.kind == "latin":
            found[word.stem] += 1
        elif word.kind == "hangul":
            found[word.stem] += 1
            found.update(PIECE + pair for pair in pairs(word.stem))
        else:
            found.update(word.text)
            found.update(pairs(word.text))
    return found


def haystack(parts: Analysed) -> str:
    """One line: stems, then Korean and Chinese as written, then concepts, blanks around each."""
    stems = [word.stem for word in parts.words if word.kind != "han"]
    runs = [word.text for word in parts.words if word.kind != "latin"]
    concepts = {CONCEPT + mention.concept for mention in parts.mentions}
    return _spaced(stems) + _spaced(runs) + _spaced(sorted(concepts))


def _spaced(each: Iterable[str]) -> str:
    return f" {' '.join(each)} "
