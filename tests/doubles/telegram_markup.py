"""Telegram's reading of text: strict HTML, and what it makes of plain words by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "blockquote"}
_CODE = {"code", "pre"}
_TAG = re.compile(r"<(/?)([a-zA-Z0-9-]*)([^<>]*)>")
_LIVE = {
    "url": re.compile(r"(?:https?|ftp|tg|ton)://\S+|(?<![\w.@-])(?:[\w-]+\.)+[^\W\d_]{2,}(?![\w])"),
    "email": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    "mention": re.compile(r"(?<![\w/@])@[A-Za-z0-9_]{2,32}"),
    "bot_command": re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]+)?"),
    "hashtag": re.compile(r"(?<!\w)#\w*[^\W\d]\w*"),
    "cashtag": re.compile(r"(?<!\w)\$[A-Z]{1,8}(?!\w)"),
}


class BadMarkup(Exception):
    """Telegram's own words about what is wrong with the HTML."""


@dataclass(frozen=True)
class Entity:
    """A stretch of the visible text (in Python characters) that is not plain."""

    type: str
    start: int
    end: int


def utf16(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """The visible text and its entities. Raises BadMarkup as Telegram would."""
    visible, entities, open_tags, at = "", [], [], 0
    while at < len(source):
        if source[at] != "<":
            stop = source.find("<", at)
            stop = len(source) if stop < 0 else stop
            visible += _decoded(source[at:stop])
            at = stop
            continue
        found = _TAG.match(source, at)
        place = len(source[:at].encode())
        if found is None:
            raise BadMarkup(f"Unclosed start tag at byte offset {place}")
        closing, name, rest = found.groups()
        if closing:
            _close(name, open_tags, entities, visible, place)
        else:
            _check_start(name, rest, place)
            open_tags.append((name, len(visible)))
        at = found.end()
    if open_tags:
        raise BadMarkup(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"')
    return visible, entities


def live(visible: str, entities: list[Entity]) -> list[tuple[str, str]]:
    """What Telegram makes tappable by itself, (kind, text): not inside code."""
    covered = [False] * len(visible)
    for entity in entities:
        if entity.type in _CODE:
            covered[entity.start : entity.end] = [True] * (entity.end - entity.start)
    open_text = "".join("\0" if hidden else c for c, hidden in zip(visible, covered, strict=True))
    return [(kind, m.group()) for kind, rx in _LIVE.items() for m in rx.finditer(open_text)]


def typed_entities(text: str, mentions: dict[str, dict]) -> list[dict]:
    """The entities Telegram adds to what a person types; offsets in UTF-16 units."""
    found = []
    for kind in ("bot_command", "mention"):
        for match in _LIVE[kind].finditer(text):
            found.append(
                {
                    "type": kind,
                    "offset": utf16(text[: match.start()]),
                    "length": utf16(match.group()),
                }
            )
    for name, user in mentions.items():
        start = text.index(name)
        place = {"offset": utf16(text[:start]), "length": utf16(name)}
        found.append({"type": "text_mention", "user": user, **place})
    return sorted(found, key=lambda entity: entity["offset"])


def _decoded(text: str) -> str:
    # Telegram knows the four names and numbers; any other &name; stays as it is.
    return re.sub(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);", lambda m: unescape(m.group()), text)


def _check_start(name: str, rest: str, place: int) -> None:
    known = name.lower() in TAGS and not rest.strip()
    link = name == "a" and re.fullmatch(r'\s+href="[^"]*"', rest)
    if not known and not link:
        raise BadMarkup(f'Unsupported start tag "{name}" at byte offset {place}')


def _close(name: str, open_tags: list, entities: list, visible: str, place: int) -> None:
    if not open_tags:
        raise BadMarkup(f"Unexpected end tag at byte offset {place}")
    expected, start = open_tags.pop()
    if name and name.lower() != expected.lower():
        raise BadMarkup(
            f'Unmatched end tag at byte offset {place}, expected "</{expected}>", found "</{name}>"'
        )
    if len(visible) > start:
        entities.append(Entity(expected.lower(), start, len(visible)))
