"""A card as Telegram shows it: HTML within 4096 UTF-16 units, nothing in it but our own markup.

Telegram makes links, pings and tappable commands out of plain text by itself.  It does not look
inside code, so a word that it could turn into one of these is shown as code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import escape

from handlers.card import Card, Field, Tone
from prompts.texts import say, text

LIMIT = 4096
ALERT_LIMIT = 200
_ENTITIES = 90  # Telegram takes 100 and silently drops the rest
_TITLE, _NOTE, _LABEL, _VALUE, _BUTTON = 256, 300, 80, 400, 64
_FIELDS = 12
_TONES = {Tone.WAITING: "⏳", Tone.GOOD: "✅", Tone.BAD: "❌", Tone.WARNING: "⚠️"}
_LIVELY = re.compile(r"://|[@#]\w|\$[A-Za-z]|(?<![\w/])/\w|\w\.[^\W\d_]{2}")
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_BROKEN = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Drawn:
    """A card ready to send."""

    html: str
    plain: str  #: the same, as a person reads it
    rows: tuple[tuple[tuple[str, str, str], ...], ...] = ()  #: rows of (label, token, style)
    file_name: str = ""
    file_text: str = ""  #: what did not fit; "" when everything did


def draw(card: Card, language: str) -> Drawn:
    """Draw a card. What does not fit is cut, the message says so, and the whole goes to a file."""
    card = _visible(card)
    rows = _rows(card)
    whole = _paragraphs(card)
    if utf16(_plain(whole)) <= LIMIT:
        return _drawn(whole, rows)
    hint = clean(say(text("telegram_overflow", name=_file_name(card)), language))
    cut = _cut(card, hint)
    only_code = replace(cut, code="") == replace(card, code="")
    return replace(
        _drawn([*_paragraphs(cut), [("note", hint)]], rows),
        file_name=_file_name(card),
        file_text=card.code if only_code else _plain(whole),
    )


def plain(card: Card) -> str:
    """The words of a card without its buttons, uncut."""
    return _plain(_paragraphs(_visible(card)))


def clean(data: str) -> str:
    """Text with everything a person cannot see made visible; nothing is left out silently."""
    data = _BROKEN.sub("\ufffd", data.replace("\r\n", "\n"))
    return _HIDDEN.sub(_picture, data)


def utf16(data: str) -> int:
    """Length as Telegram counts it."""
    return len(data) + sum(character > "\uffff" for character in data)


def shorten(data: str, limit: int) -> str:
    """At most ``limit`` UTF-16 units, ending in … when something was cut."""
    if utf16(data) <= limit:
        return data
    room = limit - 1
    kept = data[:room]
    while utf16(kept) > room:
        kept = kept[: len(kept) - max(1, (utf16(kept) - room) // 2)]
    return f"{kept}…"


def _picture(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\\u{code:04x}"


def _visible(card: Card) -> Card:
    return replace(
        card,
        text=clean(card.text).strip("\n"),
        title=clean(card.title).strip(),
        code=clean(card.code).strip("\n"),
        note=clean(card.note).strip("\n"),
        fields=tuple(Field(clean(f.label), clean(f.value)) for f in card.fields),
    )


_Line = list[tuple[str, str]]  # (style, text) pieces; pieces of a line are joined by nothing


def _paragraphs(card: Card) -> list[_Line]:
    """The message line by line. Every piece is data of one style."""
    lines: list[_Line] = []
    mark = _TONES.get(card.tone, "")
    if card.title:
        lines.append([("mark", f"{mark} " if mark else ""), ("title", card.title)])
    if card.text:
        lines.append([("mark", "" if card.title or not mark else f"{mark} "), ("text", card.text)])
    lines += [[("title", f.label), ("text", f": {f.value}")] for f in card.fields]
    if card.code:
        lines.append([("code", card.code)])
    if card.note:
        lines.append([("note", card.note)])
    if not "".join(piece for line in lines for _, piece in line).strip():
        return [[("text", "–")]]  # Telegram takes no empty message
    return lines


def _plain(lines: list[_Line]) -> str:
    return "\n".join("".join(piece for _, piece in line) for line in lines)


def _drawn(lines: list[_Line], rows: tuple[tuple[tuple[str, str, str], ...], ...]) -> Drawn:
    html = "\n".join("".join(_markup(style, piece) for style, piece in line) for line in lines)
    words = _plain(lines)
    if html.count("</") > _ENTITIES:
        # Too many lively words to mark one by one: the whole message becomes one block of code.
        html = f"<pre>{escape(words, quote=False)}</pre>"
    return Drawn(html, words, rows)


_TAGS = {"title": "b", "note": "i", "text": "", "mark": ""}


def _markup(style: str, data: str) -> str:
    if style == "code":
        return f"<pre>{escape(data, quote=False)}</pre>"
    tag = _TAGS[style]
    parts = []
    for piece in re.split(r"(\s+)", data):
        lively = _LIVELY.search(piece) is not None
        parts.append((lively, escape(piece, quote=False)))
    return "".join(_wrapped("code" if lively else tag, piece) for lively, piece in _merged(parts))


def _merged(parts: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    merged: list[tuple[bool, str]] = []
    quiet: list[str] = []
    for lively, piece in parts:
        if not lively:
            quiet.append(piece)
            continue
        merged += [(False, "".join(quiet)), (True, piece)]
        quiet = []
    merged.append((False, "".join(quiet)))
    return [(lively, piece) for lively, piece in merged if piece]


def _wrapped(tag: str, piece: str) -> str:
    return f"<{tag}>{piece}</{tag}>" if tag and not piece.isspace() else piece


def _cut(card: Card, hint: str) -> Card:
    """The card with each part at its share; the code gets what the others leave."""
    short = replace(
        card,
        title=shorten(card.title, _TITLE),
        text=shorten(card.text, 1500),
        note=shorten(card.note, _NOTE),
        fields=_cut_fields(card.fields, 1500),
        code="",
    )
    left = LIMIT - utf16(_plain(_paragraphs(short))) - utf16(hint) - 4
    return replace(short, code=shorten(card.code, left))


def _cut_fields(fields: tuple[Field, ...], room: int) -> tuple[Field, ...]:
    kept: list[Field] = []
    for field in fields[:_FIELDS]:
        short = Field(shorten(field.label, _LABEL), shorten(field.value, min(_VALUE, max(room, 1))))
        room -= utf16(short.label) + utf16(short.value) + 3
        if room < 0:
            break
        kept.append(short)
    return tuple(kept)


def _file_name(card: Card) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", card.overflow_name).lstrip(".")[:64]
    return name or "details.txt"


def _rows(card: Card) -> tuple[tuple[tuple[str, str, str], ...], ...]:
    """Short buttons in pairs, long ones on lines of their own; Telegram takes a hundred."""
    rows: list[tuple[tuple[str, str, str], ...]] = []
    for button in card.buttons[:100]:
        label = shorten(clean(button.label).strip() or "–", _BUTTON)
        key = (label, button.token, button.style)
        pairs = rows and len(rows[-1]) == 1 and utf16(rows[-1][0][0]) + utf16(label) <= 30
        if pairs:
            rows[-1] = (rows[-1][0], key)
        else:
            rows.append((key,))
    return tuple(rows)
