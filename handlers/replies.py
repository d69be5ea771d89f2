"""Words on their way out: packed as JSON into the outbox, drawn as a card when they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.card import Button, Card, Field, Tone
from handlers.inbound import Event
from prompts.texts import Text, say
from storage import outbox
from storage.database import Transaction
from storage.people import Person


@dataclass(frozen=True)
class Choice:
    """A button on a reply. Its token is made when the reply is sent."""

    label: Text | str
    verb: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    style: str = "plain"
    code: str = ""
    """What programs call it in the message schema (A8); "" = its token."""


@dataclass(frozen=True)
class Reply:
    """What to say. A ``str`` anywhere is data and is shown as it is."""

    text: Text | str = ""
    title: Text | str = ""
    tone: Tone = Tone.PLAIN
    fields: tuple[tuple[Text | str, Text | str], ...] = ()
    lines: tuple[Text | str, ...] = ()
    """Shown below ``text``, one a line."""
    code: str = ""
    note: Text | str = ""
    choices: tuple[Choice, ...] = ()
    many: bool = False
    """Each choice may be taken once; else one of them, once."""


async def whisper(
    tx: Transaction, room_id: int, person: Person, event: Event, reply: Reply
) -> None:
    """Answer one person, in their language, where the whole room need not see it."""
    body = _pack(reply) | {
        "user": event.speaker.user,
        "person_id": person.id,
        "language": person.language,
        "context": dict(event.context),
    }
    await outbox.whisper(tx, room_id, body)


async def answer(tx: Transaction, room_id: int, person: Person, event: Event, reply: Reply) -> None:
    """Answer in the open, in the asker's language, as a reply to what they said."""
    body = _pack(reply) | {"language": person.language, "context": dict(event.context)}
    await outbox.say(tx, room_id, body)


async def announce(
    tx: Transaction, room_id: int, reply: Reply, context: Mapping[str, Any] | None = None
) -> None:
    """News for a room, in its language; with ``context``, where that event was (a thread)."""
    await outbox.say(tx, room_id, _pack(reply) | ({"context": dict(context)} if context else {}))


def draw(body: Mapping[str, Any], language: str, tokens: list[str]) -> Card:
    """The packed reply as a card; ``tokens`` has one button token per choice, in order."""
    texts = [_say(line, language) for line in [body["text"], *body.get("lines", ())]]
    return Card(
        text="\n".join(line for line in texts if line),
        title=_say(body.get("title", ""), language),
        tone=Tone(body.get("tone", "plain")),
        fields=tuple(
            Field(_say(k, language), _say(v, language)) for k, v in body.get("fields", ())
        ),
        code=body.get("code", ""),
        note=_say(body.get("note", ""), language),
        buttons=tuple(
            Button(
                _say(choice["label"], language), token, choice["style"], code=choice.get("code", "")
            )
            for choice, token in zip(body.get("choices", ()), tokens, strict=True)
        ),
    )


def _pack(reply: Reply) -> dict[str, Any]:
    return {
        "text": _json(reply.text),
        "title": _json(reply.title),
        "tone": reply.tone.value,
        "fields": [[_json(label), _json(value)] for label, value in reply.fields],
        "lines": [_json(line) for line in reply.lines],
        "code": reply.code,
        "note": _json(reply.note),
        "many": reply.many,
        "choices": [
            {
                "label": _json(choice.label),
                "verb": choice.verb,
                "payload": dict(choice.payload),
                "style": choice.style,
                "code": choice.code,
            }
            for choice in reply.choices
        ],
    }


def _json(message: Text | str) -> Any:
    return message.to_json() if isinstance(message, Text) else message


def _say(raw: Any, language: str) -> str:
    return raw if isinstance(raw, str) else say(Text.from_json(raw), language)
