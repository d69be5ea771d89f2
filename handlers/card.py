"""The one neutral card. Platforms draw it within their limits; nobody else knows their markup.

Every string here is plain text: it may hold anything a person, a model or a host wrote.  A platform
escapes it, cuts it to its limits, and never lets it ping or link.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Tone(StrEnum):
    PLAIN = "plain"
    WAITING = "waiting"
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"


@dataclass(frozen=True)
class Field:
    """A short labelled value."""

    label: str
    value: str


@dataclass(frozen=True)
class Button:
    """Something to press. ``token`` is opaque and at most 32 ASCII characters."""

    label: str
    token: str
    style: str = "plain"  #: plain, good, danger
    wants_reason: bool = False  #: the platform may ask for a line of text before it sends the press


@dataclass(frozen=True)
class Card:
    """What a room sees. An answer in one sentence is a card that has only ``text``."""

    text: str = ""  #: a paragraph; newlines are kept
    title: str = ""
    tone: Tone = Tone.PLAIN
    fields: tuple[Field, ...] = ()
    code: str = ""  #: verbatim: a plan or a host's output
    note: str = ""  #: small print below
    buttons: tuple[Button, ...] = ()
    overflow_name: str = "details.txt"  #: name of the file when ``code`` does not fit

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Card:
        return Card(
            **{
                **raw,
                "tone": Tone(raw["tone"]),
                "fields": tuple(Field(**f) for f in raw["fields"]),
                "buttons": tuple(Button(**b) for b in raw["buttons"]),
            }
        )
