"""Telegram's updates as they are kept, and what they mean. Pure: no I/O, no state."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.inbound import Event, EventKind, RoomAddress, Speaker

PLATFORM = "telegram"
_BROKEN = re.compile(r"[\ud800-\udfff]")

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Bot:
    """Who we are on Telegram. Kept with each update, so that reading it needs nothing else."""

    id: int
    username: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "username": self.username}


def storable(raw: Any) -> Any:
    """The same JSON without lone surrogates, which no database takes."""
    if isinstance(raw, str):
        return _BROKEN.sub("\ufffd", raw)
    if isinstance(raw, list):
        return [storable(item) for item in raw]
    if isinstance(raw, dict):
        return {storable(key): storable(value) for key, value in raw.items()}
    return raw


def update_id(raw: Any) -> int | None:
    """The update's number, None when it has none (a poison update)."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def delivery_id(bot: int, raw: Any) -> str:
    """The same for each repetition of an update, different for any other update of any bot."""
    number = update_id(raw)
    if number is not None:
        return f"{bot}:{number}"
    canonical = json.dumps(raw, sort_keys=True, ensure_ascii=True)
    return f"{bot}:sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def lane(raw: Any) -> str:
    """The chat, within which order is kept; "" for an update that has none."""
    found = _at(raw, "message", "chat", "id")
    if found is None:
        found = _at(raw, "callback_query", "message", "chat", "id")
    if found is None:
        found = _at(raw, "my_chat_member", "chat", "id")
    return "" if found is None else str(found)


def callback_id(raw: Any) -> str:
    """The id of a button press that has to be answered; "" when the update is no press."""
    found = _at(raw, "callback_query", "id")
    return found if isinstance(found, str) else ""


def moved(bot: Bot, old: int, new: int) -> dict[str, Any]:
    """A delivery that says what Telegram said in an error: the chat has a new id."""
    message = {
        "message_id": 0,
        "chat": {"id": old, "type": "group"},
        "migrate_to_chat_id": new,
    }
    return {"bot": bot.to_json(), "update": {"message": message}}


def translate(raw: Raw) -> Event | None:
    """A kept delivery as an event; None for what nobody has to act on.

    Raises KeyError, TypeError or ValueError on an update that is not of Telegram's shape.
    """
    bot = Bot(raw["bot"]["id"], raw["bot"]["username"])
    update = raw["update"]
    if "message" in update:
        return _message(update["message"], bot)
    if "callback_query" in update:
        return _press(update["callback_query"])
    update["update_id"]  # anything else Telegram may send has at least this; poison raises here
    return None


def _press(query: Raw) -> Event | None:
    message = query.get("message")
    if message is None or "data" not in query:
        return None  # a button of an inline message or a game: not one of ours
    chat = message["chat"]
    return Event(
        kind=EventKind.BUTTON,
        room=_room(chat),
        speaker=Speaker(PLATFORM, "", str(int(query["from"]["id"]))),
        button=str(query["data"]),
        message=str(int(message["message_id"])),
        direct=chat["type"] == "private",
        room_name=str(chat.get("title", "")),
        context=_context(message) | {"callback": str(query["id"])},
    )


def _message(message: Raw, bot: Bot) -> Event | None:
    chat = message["chat"]
    event = Event(
        kind=EventKind.OVERHEARD,
        room=_room(chat),
        speaker=_speaker(message),
        direct=chat["type"] == "private",
        room_name=str(chat.get("title", "")),
        context=_context(message),
    )
    if "migrate_to_chat_id" in message:
        return replace(event, kind=EventKind.MOVED, text=str(int(message["migrate_to_chat_id"])))
    text = message.get("text", message.get("caption"))
    program = "sender_chat" not in message and message.get("from", {}).get("is_bot", False)
    if program or not isinstance(text, str) or not text.strip():
        return None
    if "forward_origin" in message or "forward_date" in message:
        # Somebody else's words, passed on: never an order of the person who passes them on.
        return replace(event, text=_without_code(message))
    return _said(replace(event, text=text), message, bot)


def _said(event: Event, message: Raw, bot: Bot) -> Event | None:
    """A command, words to the bot, or talk among people."""
    text = event.text.strip()
    if "text" in message and text.startswith("/"):
        return _command(event, text, bot)
    rest = _without_mention(message, bot)
    if rest is not None and rest.startswith("/"):
        return _command(event, rest, bot)
    if rest is not None:
        return replace(event, kind=EventKind.WORDS, text=rest)
    if event.direct or _answers(message, bot):
        return replace(event, kind=EventKind.WORDS, text=text)
    return replace(event, text=_without_code(message))


def _command(event: Event, line: str, bot: Bot) -> Event | None:
    word = line.split(maxsplit=1)[0]
    name, at, addressee = word.partition("@")
    if at and addressee.lower() != bot.username.lower():
        return None  # another bot's
    return replace(event, kind=EventKind.COMMAND, text=name + line[len(word) :])


def _without_mention(message: Raw, bot: Bot) -> str | None:
    """The text without the mentions of the bot; None when it is not mentioned.

    Entity offsets count UTF-16 units.
    """
    in_text = "text" in message
    units = message["text" if in_text else "caption"].encode("utf-16-le")
    kept, end, found = b"", 0, False
    for entity in message.get("entities" if in_text else "caption_entities", ()):
        start, stop = entity["offset"] * 2, (entity["offset"] + entity["length"]) * 2
        name = units[start:stop].decode("utf-16-le", "replace")
        mention = entity["type"] == "mention" and name.lower() == f"@{bot.username}".lower()
        by_id = entity["type"] == "text_mention" and entity["user"]["id"] == bot.id
        if mention or by_id:
            kept, end, found = kept + units[end:start], stop, True
    rest = (kept + units[end:]).decode("utf-16-le", "replace")
    return re.sub(r"[ \t]{2,}", " ", rest).strip() if found else None


def _without_code(message: Raw) -> str:
    """The text with spaces where the person marked code: they quote it, they do not say it."""
    in_text = "text" in message
    units = message["text" if in_text else "caption"].encode("utf-16-le")
    for entity in message.get("entities" if in_text else "caption_entities", ()):
        if entity["type"] in ("code", "pre"):
            start, stop = entity["offset"] * 2, (entity["offset"] + entity["length"]) * 2
            units = units[:start] + " ".encode("utf-16-le") * entity["length"] + units[stop:]
    return str(units.decode("utf-16-le", "replace")).strip()


def _answers(message: Raw, bot: Bot) -> bool:
    """Is it a reply to a message of the bot?"""
    parent = message.get("reply_to_message")
    if parent is None or "forum_topic_created" in parent:
        return False  # in a topic every message "replies" to the topic's first line
    return bool(parent.get("from", {}).get("id") == bot.id)


def _speaker(message: Raw) -> Speaker:
    """The person, or somebody nobody is: an anonymous admin, a channel."""
    mask = message.get("sender_chat")
    if mask is not None or "from" not in message:
        behind = mask["id"] if mask is not None else message["chat"]["id"]
        return Speaker(PLATFORM, "", f"anonymous:{behind}")
    return Speaker(PLATFORM, "", str(int(message["from"]["id"])))


def _room(chat: Raw) -> RoomAddress:
    return RoomAddress(PLATFORM, "", str(int(chat["id"])))


def _context(message: Raw) -> dict[str, Any]:
    context: dict[str, Any] = {"message": int(message["message_id"])}
    if message.get("is_topic_message"):
        context["thread"] = int(message["message_thread_id"])
    return context


def _at(raw: Any, *path: str) -> Any:
    for step in path:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(step)
    return raw
