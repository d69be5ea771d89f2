"""A card as Slack blocks. Data is only ever put where Slack reads no markup: plain_text and
preformatted text.  The one marked-up place, the notification text, is escaped.

Slack's limits (docs.slack.dev/reference/block-kit): 50 blocks, 3000 characters a section, 10 fields
of 2000, 75 on a button, 25 buttons a row, 150 in a header, and about 13,000 in a message.  The
budgets below stay under that sum, so no card can be too big; what was cut goes into a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.platforms.slack.plain import cut, escape, pieces, size, visible, whole_lines
from handlers.card import Button, Card, Field, Tone
from prompts.texts import say, text

TITLE = 150
TEXT = 4500
SECTION = 3000
FIELDS_TOTAL = 2400
FIELD = 600
FIELDS = 30
FIELDS_A_SECTION = 10
CODE = 2500
NOTE = 500
BUTTONS = 25
BUTTONS_A_ROW = 5
LABEL = 75
FALLBACK = 300

_SIGN = {Tone.PLAIN: "", Tone.WAITING: "⏳", Tone.GOOD: "✅", Tone.BAD: "⛔", Tone.WARNING: "⚠️"}
_STYLE = {"good": "primary", "danger": "danger"}
_EMPTY = "–"

Block = dict[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A text file with what did not fit."""

    name: str
    content: str


@dataclass(frozen=True)
class Drawing:
    """What chat.postMessage takes, and the file that goes with it."""

    text: str
    """Notification text, escaped."""
    blocks: list[Block]
    file: Attachment | None = None


def draw(card: Card, language: str, overflow_note: str = "slack_rest_in_thread") -> Drawing:
    """The card within Slack's limits. ``overflow_note``: the message key that tells of the file."""
    shown = _shown(card)
    file = _overflow(shown)
    blocks = [
        *_header(shown),
        *_paragraphs(shown.text),
        *_fields(shown.fields),
        *_code(shown.code),
    ]
    notes = [cut(shown.note, NOTE)] if shown.note else []
    if file is not None:
        notes.append(cut(say(text(overflow_note, name=file.name), language), NOTE))
    if notes:
        blocks.append({"type": "context", "elements": [_plain(note) for note in notes]})
    blocks += _rows(shown.buttons)
    return Drawing(_fallback(shown), blocks or [_section(_EMPTY)], file)


def _shown(card: Card) -> Card:
    """The card with every string made visible and blank strings emptied."""
    return Card(
        text=_tidy(card.text),
        title=_tidy(card.title),
        tone=card.tone,
        fields=tuple(Field(_tidy(f.label), _tidy(f.value)) for f in card.fields),
        code=_tidy(card.code),
        note=_tidy(card.note),
        buttons=card.buttons,
        overflow_name=_tidy(card.overflow_name).replace("/", "_") or "details.txt",
    )


def _tidy(raw: str) -> str:
    return visible(raw) if raw.strip() else ""


def _overflow(card: Card) -> Attachment | None:
    name = cut(card.overflow_name, 100)
    prose_fits = (
        size(card.text) <= TEXT
        and size(card.title) <= TITLE - 4
        and size(card.note) <= NOTE
        and len(card.fields) <= FIELDS
        and all(size(_field_text(f)) <= FIELD for f in card.fields)
        and sum(size(_field_text(f)) for f in card.fields) <= FIELDS_TOTAL
    )
    if not prose_fits:
        return Attachment(name, whole(card))
    return Attachment(name, card.code) if size(card.code) > CODE else None


def whole(card: Card) -> str:
    """Everything the card says, as plain text."""
    fields = "\n".join(f"{f.label}: {f.value}" for f in card.fields)
    parts = (card.title, card.text, fields, card.code, card.note)
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(card: Card) -> list[Block]:
    if not card.title:
        return []
    title = " ".join(card.title.split())
    sign = _SIGN[card.tone]
    return [{"type": "header", "text": _plain(cut(f"{sign} {title}".strip(), TITLE))}]


def _paragraphs(body: str) -> list[Block]:
    return [_section(piece) for piece in pieces(cut(body, TEXT), SECTION)]


def _fields(fields: Sequence[Field]) -> list[Block]:
    texts: list[str] = []
    room = FIELDS_TOTAL
    for item in fields[:FIELDS]:
        if room < 2:
            break
        drawn = cut(_field_text(item), min(FIELD, room))
        texts.append(drawn)
        room -= size(drawn)
    return [
        {"type": "section", "fields": [_plain(t) for t in texts[at : at + FIELDS_A_SECTION]]}
        for at in range(0, len(texts), FIELDS_A_SECTION)
    ]


def _field_text(item: Field) -> str:
    return f"{item.label or _EMPTY}\n{item.value or _EMPTY}"


def _code(code: str) -> list[Block]:
    if not code:
        return []
    # A rich_text leaf is literal: no fence that data could close, and nothing to cut in two.
    leaf = {"type": "text", "text": whole_lines(code, CODE) or cut(code, CODE)}
    preformatted = {"type": "rich_text_preformatted", "elements": [leaf]}
    return [{"type": "rich_text", "elements": [preformatted]}]


def _rows(buttons: Sequence[Button]) -> list[Block]:
    drawn = [_button(number, button) for number, button in enumerate(buttons[:BUTTONS])]
    return [
        {"type": "actions", "elements": drawn[at : at + BUTTONS_A_ROW]}
        for at in range(0, len(drawn), BUTTONS_A_ROW)
    ]


def _button(number: int, button: Button) -> Block:
    drawn: Block = {
        "type": "button",
        "action_id": f"ws:{number}",
        "text": _plain(cut(_tidy(button.label) or _EMPTY, LABEL)),
        "value": button.token,
    }
    style = _STYLE.get(button.style)
    return drawn | ({"style": style} if style else {})


def _section(body: str) -> Block:
    return {"type": "section", "text": _plain(body)}


def _plain(body: str) -> Block:
    # emoji off: ":skull:" in a name is five letters between colons.
    return {"type": "plain_text", "text": body, "emoji": False}


def _fallback(card: Card) -> str:
    words = " ".join(" ".join((_SIGN[card.tone], card.title, card.text)).split())
    if not words:
        words = " ".join((card.code or card.note or _EMPTY).split())
    return escape(cut(words, FALLBACK))
