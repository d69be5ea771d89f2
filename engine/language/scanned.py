"""What a message mentions, as data: names, layers, environments, numbers and files, in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.language.fold import (
    ENVIRONMENT,
    INSTITUTION,
    LAYER,
    NODE,
    NUMBER,
    SYSTEM,
    Folded,
)


class Kind(StrEnum):
    NODE = "node"
    SYSTEM = "system"
    INSTITUTION = "institution"
    LAYER = "layer"
    ENVIRONMENT = "environment"
    NUMBER = "number"  #: "01", "2호기", "node 2": part of a group that stands elsewhere
    SERVICE = "service"  #: a unit's name; narrows only
    SOME = "some"  #: "only one of them": a part that is not named


_MASK = {
    Kind.NODE: NODE,
    Kind.SYSTEM: SYSTEM,
    Kind.INSTITUTION: INSTITUTION,
    Kind.LAYER: LAYER,
    Kind.ENVIRONMENT: ENVIRONMENT,
    Kind.NUMBER: NUMBER,
    Kind.SERVICE: LAYER,
    Kind.SOME: NUMBER,
}


@dataclass(frozen=True)
class Mention:
    """Something named. ``values``: codes, layers, environments or digits, by kind."""

    kind: Kind
    start: int
    end: int
    values: tuple[str, ...]
    written: str
    exact: bool = False
    """For a node: an asset code or container, not a host."""
    asks: bool = False
    """For an institution: it says who asks, which need not be what is meant."""
    nth: bool = False
    """For a number: it counts the members ("the second one"), where none goes by it."""


@dataclass(frozen=True)
class FileName:
    """A file named in the message."""

    written: str
    start: int
    script: bool


@dataclass
class Scan:
    """A message with everything that was recognised in it."""

    folded: Folded
    mentions: list[Mention] = field(default_factory=list)
    files: list[FileName] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Members of a host list or range that the inventory does not have."""
    masked: str = ""
    """The folded text with private-use characters over what was recognised; same length."""

    def cover(self, start: int, end: int, char: str) -> None:
        self.masked = self.masked[:start] + char * (end - start) + self.masked[end:]

    def add(self, mention: Mention) -> None:
        self.mentions.append(mention)
        self.cover(mention.start, mention.end, _MASK[mention.kind])

    def of(self, *kinds: Kind) -> list[Mention]:
        return [mention for mention in self.mentions if mention.kind in kinds]
