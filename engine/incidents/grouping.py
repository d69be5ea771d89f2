"""Texts of the same event in one group, found while they come in.

A text becomes its *shape*: its words, with one mark for what varies by its look (numbers, paths,
addresses). Equal shapes are one group. What looks like any other word (names of users, queues) is
found by counting: shapes that differ in one word, or in two, are kept under what they share; when
enough different words stood in that place, the place is a variable and the shapes are one group.
How much a word counts depends on where it stands and how it looks, because "root" after "user" is
a name sooner than "started" at the end of a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from zlib import crc32

from engine.incidents.tokens import VALUE, VARIABLE, collapsed, variables, words

_ENOUGH = 0.999
"""A sum of weights that makes a variable; below 1 only by what floats lose."""

_LONGEST_REMEMBERED = 400
"""Characters; longer texts seldom come twice."""


@dataclass(frozen=True)
class GroupingSettings:
    """How soon a word is taken for a variable, and how much is held.

    A weight is the share of the proof that one more different word in a place gives: 0.2 asks for
    five. A third more or less of each hardly changes the accuracy on real logs.
    """

    variable: float = 0.5
    """Weight of a variable by its look beside words in the same place: with names it is enough."""
    name: float = 0.5
    """Weight of a word after one that announces a name, as "user" does: two are enough."""
    dotted: float = 0.34
    """Weight of a word with a dot or another sign of an identifier in it: three are enough."""
    value: float = 0.2
    """Weight of a word after an equals sign: five, because states stand there as well as names."""
    led: float = 0.26
    """Weight of a word after one like "from" or "for": four are enough."""
    word: float = 0.15
    """Weight of any other word: seven."""
    constant: float = 0.08
    """Weight of a word that looks like a state ("started", "FAILED"): they are few and matter."""
    first: float = 0.05
    """Weight of the first word, which mostly says who speaks or what is done."""
    most_shapes: int = 10_000
    """Shapes held; about 1 KB each. Later ones join what is there, or 1,024 coarse groups."""
    most_places: int = 400_000
    """Places held in which words are counted; about 200 bytes each. Later ones are not counted."""
    most_remembered: int = 20_000
    """Texts, digits aside, whose shape is remembered, which is for speed alone."""
    pairs_up_to: int = 10
    """Words of the longest shape in which two places are counted together, pair by pair."""


@dataclass(slots=True)
class _Place:
    """What shapes share that differ in one or two words; counts until it is a variable."""

    members: list[int]
    group: int | None = None
    """The shape that they became; None while counting."""


class Groups:
    """Numbers of groups for texts, in the order they come. Not safe for several threads."""

    def __init__(self, settings: GroupingSettings | None = None) -> None:
        self._settings = settings or GroupingSettings()
        self._shapes: dict[tuple[str, ...], int] = {}
        self._words: list[tuple[str, ...]] = []
        self._parents: list[int] = []
        self._places: dict[int, _Place] = {}
        self._remembered: dict[str, int] = {}
        self._coarse: dict[int, int] = {}

    def add(self, text: str) -> int:
        """The number of the text's shape; ask ``group`` for its group. Never raises for content."""
        key = collapsed(text)
        number = self._remembered.get(key)
        if number is None:
            number = self._shape(words(key))
            if len(key) <= _LONGEST_REMEMBERED:
                if len(self._remembered) >= self._settings.most_remembered:
                    self._remembered.clear()
                self._remembered[key] = number
        return number

    def group(self, number: int) -> int:
        """The group that the shape is in by now: a number, the same for all shapes of a group."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def template(self, number: int) -> str:
        """The words that the group of this shape shares, with * for each variable."""
        group = self.group(number)
        return " ".join(self._words[group])

    def __len__(self) -> int:
        """Shapes held."""
        return len(self._words)

    def _shape(self, shape: tuple[str, ...]) -> int:
        number = self._shapes.get(shape)
        if number is not None:
            return number
        if len(self._words) >= self._settings.most_shapes:
            return self._late(shape)
        number = self._new(shape)
        self._shapes[shape] = number
        places = list(self._where(shape))
        for key, _ in places:
            place = self._places.get(key)
            if place is not None and place.group is not None:
                self._join(number, place.group)
                return number
        for key, at in places:
            self._count(key, at, number)
            if self._parents[number] != number:
                break
        return number

    def _late(self, shape: tuple[str, ...]) -> int:
        """Where a shape goes for which there is no room."""
        for key, _ in self._where(shape):
            place = self._places.get(key)
            if place is not None and place.group is not None:
                return place.group
        start = shape[0] if shape else ""
        coarse = crc32(f"{len(shape)} {start}".encode("utf-8", "replace")) % 1024
        if coarse not in self._coarse:
            self._coarse[coarse] = self._new((start, VARIABLE))
        return self._coarse[coarse]

    def _new(self, shape: tuple[str, ...]) -> int:
        number = len(self._words)
        self._words.append(shape)
        self._parents.append(number)
        return number

    def _where(self, shape: tuple[str, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The places of a shape: a key over the other words, and the positions left out."""
        size = len(shape)
        fixed = [at for at in range(size) if shape[at] != VARIABLE]
        for at in reversed(range(size)):
            if len(fixed) > (shape[at] != VARIABLE):
                yield hash((at, shape[:at], shape[at + 1 :])), (at,)
        if size > self._settings.pairs_up_to:
            return
        for left, right in combinations(fixed, 2):
            # Half of what is said must stay, and two words of it.
            if left and len(fixed) >= 4:
                rest = shape[:left], shape[left + 1 : right], shape[right + 1 :]
                yield hash((left, right, rest)), (left, right)

    def _count(self, key: int, at: tuple[int, ...], number: int) -> None:
        place = self._places.get(key)
        if place is None:
            if len(self._places) < self._settings.most_places:
                self._places[key] = _Place([number])
            return
        members = [one for one in place.members if self._parents[one] == one]
        members.append(number)
        place.members = members
        if len(members) > 1 and self._proof(members, at) >= _ENOUGH:
            self._merge(place, at, number)

    def _proof(self, members: list[int], at: tuple[int, ...]) -> float:
        """The sum of weights of the different words; of two places, that of the lesser."""
        sums = []
        for position in at:
            seen: dict[str, float] = {}
            for member in members:
                shape = self._words[member]
                seen[shape[position]] = self._weight(shape, position)
            sums.append(sum(seen.values()) if len(seen) > 1 else 0.0)
        return min(sums)

    def _merge(self, place: _Place, at: tuple[int, ...], number: int) -> None:
        wide: list[str] = []
        for position, word in enumerate(self._words[number]):
            wider = VARIABLE if position in at else word
            if wider != VARIABLE or not wide or wide[-1] != VARIABLE:
                wide.append(wider)
        members, place.members = place.members, []
        group = self._shape(tuple(wide))
        place.group = group
        for member in members:
            self._join(member, group)

    def _join(self, number: int, group: int) -> None:
        """The shape's group becomes part of that group, which is the wider one."""
        self._parents[self.group(number)] = self.group(group)

    def _weight(self, shape: tuple[str, ...], at: int) -> float:
        word, settings = shape[at], self._settings
        if word == VARIABLE:
            return settings.variable
        if word.startswith(VALUE):
            return settings.value
        if at and shape[at - 1].lower() in variables().announce:
            return settings.name
        if _states(word):
            return settings.constant
        if at == 0:
            return settings.dotted if word.count(".") > 1 else settings.first
        if _identifies(word):
            return settings.dotted
        return settings.led if shape[at - 1].lower() in variables().lead else settings.word


def _states(word: str) -> bool:
    return word.rpartition(".")[2].isupper() or word.endswith(("ed", "ing"))


def _identifies(word: str) -> bool:
    return any(sign in word for sign in ".@$\\/")
