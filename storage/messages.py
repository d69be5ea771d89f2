"""What was said and shown in rooms that Watchstander itself keeps: the web room's history.

The body is JSON without words of ours::

    {"msg_type": "CHAT", "content": "text"}                     what a person or an agent said
    {"msg_type": "CARD", "cards": {"en": {…}, "ko": {…}, …}}    what the bot shows, in each language

and may hold ``target`` (the agent it is for) and ``itsm_metadata``.  ``schema`` gives a message
the shape that programs see (message schema A8 of the requirements).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from storage import counters
from storage.database import Transaction
from storage.tables import messages

METADATA = ("itsm_ticket_id", "asset_code", "severity")

NEWS = "web"
"""Where other processes are told of messages (Database.hear): one of these and its key or row."""
ADDED, REWRITTEN, SESSION_ENDED = "+", "*", "-"


class SenderType(StrEnum):
    HUMAN = "HUMAN"
    BOT = "BOT"
    AGENT = "AGENT"


@dataclass(frozen=True)
class Message:
    """One message. ``id`` orders a room; ``key`` (MSG-YYYYMMDD-NNNN) is what the outside knows."""

    id: int
    key: str
    room_id: int
    at: int
    sender: str
    sender_type: str
    to_person: int | None
    """Only this person sees it; None = everyone in the room."""
    body: dict[str, Any]
    state: int = 0
    """Another number after each rewriting; it means nothing outside this process."""

    def visible_to(self, person_id: int) -> bool:
        return self.to_person is None or self.to_person == person_id

    def button(self, token: str) -> dict[str, Any] | None:
        """The button with this token or code, as it stands on the message now."""
        for card in self.body.get("cards", {}).values():
            for button in card["buttons"]:
                if token and token in (button["token"], button.get("code")):
                    return dict(button)
        return None


@dataclass(frozen=True)
class Added:
    """``fresh`` is False when the same message (by ``dedupe``) was there before."""

    message: Message
    fresh: bool


async def add(
    tx: Transaction,
    room_id: int,
    sender: str,
    sender_type: SenderType,
    body: Mapping[str, Any],
    *,
    to_person: int | None = None,
    dedupe: str | None = None,
) -> Added:
    """Keep a message. With ``dedupe`` the same one is kept once, however often it is added."""
    if dedupe is not None and (before := await _by_dedupe(tx, dedupe)) is not None:
        return Added(before, False)
    values = {
        "room_id": room_id,
        "at": tx.now,
        "sender": sender,
        "sender_type": sender_type.value,
        "to_person": to_person,
        "dedupe": dedupe,
        "body": json.dumps(dict(body), ensure_ascii=False),
    }
    try:
        # A savepoint: on PostgreSQL two may add the day's first message, or the same one, at once.
        async with tx.connection.begin_nested():
            message = await _insert(tx, values)
    except sa.exc.IntegrityError:
        if dedupe is not None and (before := await _by_dedupe(tx, dedupe)) is not None:
            return Added(before, False)
        message = await _insert(tx, values)
    tx.wake("messages")
    tx.tell(NEWS, ADDED + message.key)
    return Added(message, True)


async def _insert(tx: Transaction, values: Mapping[str, Any]) -> Message:
    [key] = await counters.take(tx, "MSG")
    await tx.insert(messages, key=key, **values)
    message = await by_key(tx, key)
    assert message is not None
    return message


async def change(tx: Transaction, key: str, body: Mapping[str, Any]) -> Message | None:
    """Rewrite a message in place and give it; None when there is no such message."""
    changed = await tx.change(
        messages.update()
        .where(messages.c.key == key)
        .values(body=json.dumps(dict(body), ensure_ascii=False))
    )
    if changed == 0:
        return None
    tx.wake("messages")
    tx.tell(NEWS, REWRITTEN + key)
    return await by_key(tx, key)


async def withdraw(tx: Transaction, key: str) -> None:
    """Take back a message that turned out not to have been accepted."""
    await tx.change(messages.delete().where(messages.c.key == key))


async def by_key(tx: Transaction, key: str) -> Message | None:
    """A message by what the outside knows it by."""
    row = await tx.one(sa.select(messages).where(messages.c.key == key))
    return _message(row) if row else None


async def since(
    tx: Transaction, room_id: int, after_id: int, limit: int, person_id: int | None = None
) -> list[Message]:
    """The next messages of a room above a row id, oldest first.

    With ``person_id`` those for the room and for this person; without, all of them.
    """
    query = _in_room(room_id, person_id).where(messages.c.id > after_id)
    rows = await tx.all(query.order_by(messages.c.id).limit(limit))
    return [_message(row) for row in rows]


async def latest(
    tx: Transaction, room_id: int, limit: int, person_id: int, before_id: int | None = None
) -> list[Message]:
    """The newest messages (below a row id) that a person may see, oldest first."""
    query = _in_room(room_id, person_id)
    if before_id is not None:
        query = query.where(messages.c.id < before_id)
    rows = await tx.all(query.order_by(messages.c.id.desc()).limit(limit))
    return [_message(row) for row in reversed(rows)]


def _in_room(room_id: int, person_id: int | None) -> sa.Select[Any]:
    query = sa.select(messages).where(messages.c.room_id == room_id)
    if person_id is None:
        return query
    mine = sa.or_(messages.c.to_person.is_(None), messages.c.to_person == person_id)
    return query.where(mine)


async def _by_dedupe(tx: Transaction, dedupe: str) -> Message | None:
    row = await tx.one(sa.select(messages).where(messages.c.dedupe == dedupe))
    return _message(row) if row else None


def _message(row: sa.Row[Any]) -> Message:
    return Message(
        row.id,
        row.key,
        row.room_id,
        row.at,
        row.sender,
        row.sender_type,
        row.to_person,
        json.loads(row.body),
        hash(row.body),
    )


def schema(message: Message, language: str, *, updated: bool = False) -> dict[str, Any]:
    """The message as programs and the page see it (A8), in a viewer's language.

    Beyond A8: ``seq`` (order within the room), ``interactive_actions`` (all buttons), ``card`` (for
    drawing), ``private`` and ``target``. ``updated`` marks a card that was rewritten just now.
    """
    cards = message.body.get("cards", {})
    card = cards.get(language) or next(iter(cards.values()), None)
    kind = message.body["msg_type"]
    actions = [
        {
            "type": "BUTTON",
            "label": button["label"],
            "command_code": button.get("code") or button["token"],
        }
        for button in (card["buttons"] if card else ())
    ]
    known = message.body.get("itsm_metadata") or {}
    return {
        "seq": message.id,
        "message_id": message.key,
        "timestamp": _iso(message.at),
        "sender": message.sender,
        "sender_type": message.sender_type,
        "msg_type": "CARD_UPDATE" if updated and kind == "CARD" else kind,
        "content": plain(card) if card else message.body.get("content", ""),
        "is_widget": kind == "CARD",
        "interactive_action": actions[0] if actions else None,
        "interactive_actions": actions,
        "itsm_metadata": {name: known.get(name) for name in METADATA},
        "card": card,
        "private": message.to_person is not None,
        "target": message.body.get("target"),
    }


def plain(card: Mapping[str, Any]) -> str:
    """A card's JSON as plain text, for whoever cannot draw it."""
    fields = [f"{field['label']}: {field['value']}" for field in card["fields"]]
    parts = [card["title"], card["text"], "\n".join(fields), card["code"], card["note"]]
    return "\n".join(part for part in parts if part)


def _iso(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
