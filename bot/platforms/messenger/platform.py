"""Any other messenger: it posts to us, and we post to its room's webhook.

A room is ``messenger:SOURCE/ROOM`` (tenant = source), a speaker is the source and its user id.
Such a messenger cannot rewrite what it has shown, so an edit is posted as a message of its own,
under the same message id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from bot.platforms.messenger.intake import Incoming
from bot.platforms.messenger.settings import MessengerSettings
from bot.platforms.port import Draft, Health, Keep, SendGone, SendRefused, SendRetry
from engine.incidents.reports import Report
from handlers.card import Card
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from handlers.webhooks import intake
from prompts.texts import Text, say, text
from storage import failpoints, messages, people, rooms
from storage.database import Database
from storage.messages import Message, SenderType
from storage.people import Account, Person

_BOT = "Watchstander"
_NUMBER = re.compile(r"#(\d{1,12})", re.ASCII)
_LONGEST_RETRY_S = 3600.0


class MessengerPlatform:
    """``routes.messenger_routes(platform)`` gives the webhook that messages come in by."""

    name = "messenger"
    per_room_interval = 0.2

    def __init__(self, settings: MessengerSettings, db: Database) -> None:
        empty = sorted(name for name, secret in settings.secrets.items() if not secret)
        if empty:
            raise ValueError(f"[messenger.{empty[0]}] secret is empty; give it a long random one")
        if len(set(settings.secrets.values())) < len(settings.secrets):
            raise ValueError("two messengers have the same secret; give each its own")
        self.settings = settings
        self.db = db
        self.keep: Keep | None = None
        self._client: httpx.AsyncClient | None = None
        self._trouble: dict[str, Text] = {}

    async def start(self, keep: Keep) -> None:
        self.keep = keep
        # No redirects and no proxies from the environment: it goes where the configuration says.
        self._client = httpx.AsyncClient(
            timeout=self.settings.timeout_s, follow_redirects=False, trust_env=False
        )

    async def stop(self) -> None:
        self.keep = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def listed(self, source: str, room: str) -> bool:
        """Whether the configuration names this room of a source."""
        async with self.db.read() as tx:
            place = await rooms.find(tx, self.name, source, room)
        return place is not None and place.listed

    async def reporter(self, source: str, user: str) -> Person | None:
        """The listed person or program behind a messenger's user."""
        async with self.db.read() as tx:
            return await people.by_account(tx, Account(self.name, source, user))

    async def take_alert(
        self, keep: Keep, source: str, message: Incoming, alert: Report, person: Person
    ) -> bool:
        """Keep a checked alert; False when it was kept before."""
        body = intake.pack(person.actor, [replace(alert, source=f"{self.name}:{source}")])
        delivery = f"{self.name}:{source}:{message.room}:{message.message_id}"
        return await keep(intake.SOURCE, delivery, body, f"{self.name}:{source}")

    async def take(self, keep: Keep, source: str, message: Incoming) -> bool:
        """Keep a checked message; False when it was kept before."""
        raw = {
            "source": source,
            "room": message.room,
            "user": message.user,
            "text": message.text,
            "files": [dict(one) for one in message.files],
            "message_id": message.message_id,
            "command_code": message.command_code,
        }
        delivery = f"{source}:{message.room}:{message.message_id}"
        return await keep(self.name, delivery, raw, f"{source}/{message.room}")

    def translate(self, raw: Mapping[str, Any]) -> Event | None:
        """A kept message as an event; None for one that holds only files."""
        room = RoomAddress(self.name, raw["source"], raw["room"])
        speaker = Speaker(self.name, raw["source"], raw["user"])
        context = {"message_id": raw["message_id"], "files": raw["files"]}
        if raw["command_code"]:
            return Event(
                EventKind.BUTTON, room, speaker, button=raw["command_code"], context=context
            )
        if not raw["text"]:
            return None
        kind = EventKind.COMMAND if raw["text"].startswith("/") else EventKind.WORDS
        return Event(kind, room, speaker, text=raw["text"], context=context)

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        """Post it to the room's webhook; gives the message id. A retry carries the same id."""
        message = await self._row(room, draft)
        await self._send(room, draft, message, note=None)
        return message.key

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        """Post the new text: what was shown before stays as it was."""
        async with self.db.write() as tx:
            changed = await messages.change(tx, message, _body(draft))
        if changed is None:
            raise SendGone(f"{room}: there is no message {message}")
        await self._send(room, draft, changed, note=text("messenger_update"))
        return changed.key

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:
        """There is no whispering: the room is told whom it is for."""
        message = await self._row(room, draft)
        await self._send(room, draft, message, note=text("messenger_to", user=user), user=user)

    async def ask_reason(self, room: RoomAddress, user: str, token: str, draft: Draft) -> bool:
        """Never: there are no forms."""
        del room, user, token, draft
        return False

    def health(self) -> Health:
        if self.keep is None:
            return Health(False, text("link_not_started"))
        if self._trouble:
            rooms_ill = [
                text("link_messenger_room", room=room, why=why)
                for room, why in self._trouble.items()
            ]
            return Health(False, text("link_messenger_rooms", rooms=rooms_ill))
        return Health(True, text("link_messenger_up", count=len(self.settings.secrets)))

    async def _row(self, room: RoomAddress, draft: Draft) -> Message:
        async with self.db.write() as tx:
            place = await rooms.find(tx, room.platform, room.tenant, room.address)
            if place is None or not place.listed:
                raise SendRefused(f"{room}: this room is not in the configuration")
            body = _body(draft)
            added = await messages.add(
                tx, place.id, _BOT, SenderType.BOT, body, dedupe=f"outbox:{draft.outbox_id}"
            )
            if added.message.body == body:
                return added.message
            # An earlier try came this far; a card may have moved on since it was drawn.
            return await messages.change(tx, added.message.key, body) or added.message

    async def _send(
        self,
        room: RoomAddress,
        draft: Draft,
        message: Message,
        *,
        note: Text | None,
        user: str = "",
    ) -> None:
        url = self.settings.webhook_urls.get(f"{room.tenant}/{room.address}")
        if not url:
            raise SendRefused(f"{room}: has no webhook_url in the configuration")
        if self._client is None:
            raise SendRetry("the messenger platform is stopped")
        parts = [say(note, draft.language) if note else "", _words(draft.card, draft.language)]
        payload = {
            "room": room.address,
            "text": "\n".join(part for part in parts if part),
            "card": messages.schema(message, draft.language, updated=note is not None and not user),
        }
        if user:
            payload["user"] = user
        headers = {"Idempotency-Key": f"outbox-{draft.outbox_id}"}
        try:
            failpoints.before("messenger.post")
            answer = await self._client.post(url, json=payload, headers=headers)
            failpoints.after("messenger.post")
        except httpx.ConnectError as error:
            raise self._retry(room, text("link_messenger_away", why=str(error))) from None
        except httpx.TransportError as error:
            why = text("link_messenger_silent", why=type(error).__name__)
            raise self._retry(room, why, doubt=True) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise SendRefused(f"{room}: webhook_url cannot be used: {error}") from None
        self._judge(room, answer)

    def _judge(self, room: RoomAddress, answer: httpx.Response) -> None:
        status = answer.status_code
        answered = text("link_messenger_answered", status=status)
        if answer.is_success:
            self._trouble.pop(str(room), None)
        elif status in (408, 425, 429) or answer.is_server_error:
            raise self._retry(room, answered, delay=_retry_after(answer))
        else:
            # A redirect is refused too: the configuration says where messages go, not the answer.
            self._trouble[str(room)] = answered
            raise SendRefused(f"{room}: its webhook answered {status}; check webhook_url")

    def _retry(
        self, room: RoomAddress, why: Text, *, delay: float = 2.0, doubt: bool = False
    ) -> SendRetry:
        self._trouble[str(room)] = why
        return SendRetry(f"{room}: {say(why, 'en')}", delay, doubt=doubt)


def _body(draft: Draft) -> dict[str, Any]:
    cards = {language: card.seen().to_json() for language, card in draft.cards.items()}
    card = draft.card
    widget = bool(card.title or card.fields or card.code or card.buttons)
    return {"msg_type": "CARD" if widget else "CHAT", "cards": cards}


def _words(card: Card, language: str) -> str:
    """The card as text, with its buttons told as what to write instead."""
    plain = messages.plain(card.seen().to_json())
    if not card.buttons:
        return plain
    number = _NUMBER.search(card.title)
    hint = text(
        "messenger_choices",
        choices=" · ".join(button.label for button in card.buttons),
        number=number.group(1) if number else "",
    )
    return f"{plain}\n{say(hint, language)}"


def _retry_after(answer: httpx.Response) -> float:
    """Seconds of a Retry-After header; dates and nonsense count as five seconds."""
    given = answer.headers.get("retry-after", "")
    if given.isascii() and given.isdigit() and len(given) < 9:
        return min(float(given), _LONGEST_RETRY_S)
    return 5.0
