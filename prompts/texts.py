"""Every message to a person, in three languages.

A message lives in ``prompts/messages/<area>.toml`` as one table per key with one entry per
language.  Code never holds a sentence: it makes a :class:`Text` (key and values), which is plain
JSON, and the place that knows the reader's language says it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2

LANGUAGES = ("en", "ko", "zh-TW")
DEFAULT_LANGUAGE = "en"
_MESSAGES = Path(__file__).parent / "messages"


@dataclass(frozen=True)
class Text:
    """A message by key, with the values that fill it.

    A value may be a Text itself, or words of the team's own as language → words.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "values": {k: _pack(v) for k, v in self.values.items()}}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Text:
        return Text(raw["key"], {k: _unpack(v) for k, v in raw.get("values", {}).items()})


def text(key: str, /, **values: Any) -> Text:
    """Shorthand for a Text with keyword values."""
    return Text(key, values)


def say(message: Text | str, language: str) -> str:
    """The message in a language. A bare string is data (a name, a host's output): left as it is.

    Raises KeyError for a key that no catalogue file holds: that is a bug, and a test finds it.
    """
    if isinstance(message, str):
        return message
    template = _template(message.key, language if language in LANGUAGES else DEFAULT_LANGUAGE)
    values = {name: _spoken(value, language) for name, value in message.values.items()}
    return template.render(values)


def _spoken(value: Any, language: str) -> Any:
    if isinstance(value, Text):
        return say(value, language)
    if isinstance(value, list | tuple):
        return [_spoken(item, language) for item in value]
    if isinstance(value, Mapping) and DEFAULT_LANGUAGE in value:
        return value.get(language) or value[DEFAULT_LANGUAGE]
    return value


def _pack(value: Any) -> Any:
    if isinstance(value, Text):
        return {"$text": value.to_json()}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _unpack(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"$text"}:
        return Text.from_json(value["$text"])
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    return value


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All messages: key → language → template source. Keys are unique over all files."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(_MESSAGES.glob("*.toml")):
        for key, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if key in found:
                raise ValueError(f"{path.name}: the message {key!r} is also in another file")
            found[key] = entry
    return found


@cache
def _template(key: str, language: str) -> jinja2.Template:
    """Compiled when it is first said: all of them together would take half of a start."""
    return _environment().from_string(catalogue()[key][language])


@cache
def _environment() -> jinja2.Environment:
    # Plain text, not HTML: each platform escapes what it draws.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["josa"] = josa
    environment.filters["clock"] = clock
    return environment


def josa(word: object, pair: str) -> str:
    """A Korean word with its particle; ``pair``: after a consonant/after a vowel, e.g. 을/를."""
    closed, open_ = pair.split("/")
    last = str(word)[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - 0xAC00) % 28
        bare = final == 0 or (closed == "으로" and final == 8)
    else:
        bare = last.lower() not in "013678lmnr"
    return f"{word}{open_ if bare else closed}"


_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)


def show_times_in(zone: str) -> None:
    """From now on, times in messages are shown in this zone; "" = the machine's own."""
    _zone.set(ZoneInfo(zone) if zone else None)


def clock(epoch_ms: int | None) -> str:
    """A moment as a person reads it, with the name of its zone."""
    if epoch_ms is None:
        return "–"
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC).astimezone(_zone.get())
    return moment.strftime("%Y-%m-%d %H:%M %Z")
