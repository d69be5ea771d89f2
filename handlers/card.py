"""The one neutral card. Platforms draw it within their limits; nobody else knows their markup.

Every string here is plain text: it may hold anything a person, a model or a host wrote.  A platform
escapes it, cuts it to its limits, and never lets it ping or link.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from engine.execution.outcome import written_out
from storage.redaction import hidden

#: Controls, marks of direction, half surrogates, odd line breaks. Joiners are part of words and
#: pictures, and stay.
_HIDING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


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
    code: str = ""  #: what programs call it in the message schema (A8); "" = its token
    may_want_code: bool = False  #: the press may take the six digits of a second factor


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

    def seen(self) -> Card:
        """The same with every character written out that would hide or turn what stands there."""
        fields = tuple(Field(_seen(field.label), _seen(field.value)) for field in self.fields)
        return replace(
            self,
            text=_seen(self.text),
            title=_seen(self.title),
            fields=fields,
            code=_seen(self.code),
            note=_seen(self.note),
        )

    def without_secrets(self) -> Card:
        """The same without what is known as a secret or has the form of one."""
        return replace(
            self,
            text=hidden(self.text),
            title=hidden(self.title),
            fields=tuple(Field(f.label, hidden(f.value)) for f in self.fields),
            code=hidden(self.code),
            note=hidden(self.note),
            buttons=tuple(replace(b, label=hidden(b.label)) for b in self.buttons),
        )

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


def _seen(words: str) -> str:
    return _HIDING.sub(lambda found: written_out(found[0]), words.replace("\r\n", "\n"))
