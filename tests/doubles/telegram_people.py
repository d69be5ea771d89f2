"""People with Telegram accounts, as a test speaks for them."""

from __future__ import annotations

import time
from typing import Any, Protocol

from tests.doubles.telegram_markup import typed_entities
from tests.doubles.telegram_state import Chat, Shown, State
from tests.doubles.telegram_updates import Updates

_GROUP_ANONYMOUS_BOT = {"id": 1087968824, "is_bot": True, "first_name": "Group"}


class World(Protocol):
    """What a person acts on: the double."""

    state: State
    updates: Updates

    def pressed(self, user: int, chat: int, message: int, data: str) -> str: ...


class TelegramUser:
    """A person with a Telegram account."""

    def __init__(self, tg: World, user: int, name: str) -> None:
        self._tg = tg
        self.id = user
        self.name = name

    @property
    def raw(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.name, "username": self.name}

    def starts(self) -> None:
        """Open the private chat without a word."""
        self._chat(self.id).open = True

    def blocks(self) -> None:
        """Close the private chat to the bot."""
        self._chat(self.id).open = False

    def says(
        self,
        chat: int,
        text: str,
        *,
        reply_to: int | None = None,
        thread: int | None = None,
        anonymous: bool = False,
        **extra: Any,
    ) -> int:
        """Write a message; gives its id. ``extra`` goes into the message as it is."""
        place = self._chat(chat)
        number = self._tg.state.next_message()
        message = {
            "message_id": number,
            "date": int(time.time()),
            "chat": place.to_json(),
            "from": _GROUP_ANONYMOUS_BOT if anonymous else self.raw,
            "text": text,
            "entities": typed_entities(text, {}),
            **extra,
        }
        if anonymous:
            message["sender_chat"] = place.to_json()
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
        if reply_to is not None:
            message["reply_to_message"] = self._quoted(place, reply_to)
        self._tg.state.add(place, Shown(number, chat, self.id, text, thread=thread))
        if self._visible(message):
            self._tg.updates.push({"message": message})
        return number

    def command(self, chat: int, line: str, **how: Any) -> int:
        """Type a command; the same as saying it."""
        return self.says(chat, line, **how)

    def replies(self, chat: int, message: int, text: str) -> int:
        """Answer a message."""
        return self.says(chat, text, reply_to=message)

    def forwards(self, chat: int, text: str) -> int:
        """Pass on what a stranger wrote."""
        stranger = {"id": 999, "is_bot": False, "first_name": "stranger"}
        return self.says(
            chat, text, forward_origin={"type": "user", "date": 1, "sender_user": stranger}
        )

    def edits(self, chat: int, message: int, text: str) -> None:
        """Change an earlier message of theirs."""
        shown = self._tg.state.chats[chat].messages[message]
        shown.text = text
        edited = {
            "message_id": message,
            "date": int(time.time()),
            "edit_date": int(time.time()),
            "chat": self._chat(chat).to_json(),
            "from": self.raw,
            "text": text,
            "entities": typed_entities(text, {}),
        }
        self._tg.updates.push({"edited_message": edited})

    def press(self, chat: int, message: int, label: str) -> str:
        """Press a button that is on the screen now; gives the callback query's id."""
        data = self._tg.state.chats[chat].messages[message].data_of(label)
        return self.press_raw(chat, message, data)

    def press_raw(self, chat: int, message: int, data: str) -> str:
        """Send callback data that no button need have (a changed client can)."""
        return self._tg.pressed(self.id, chat, message, data)

    def _chat(self, chat: int) -> Chat:
        chats = self._tg.state.chats
        if chat not in chats:
            assert chat == self.id, f"chat {chat} is not there: make it with tg.group({chat})"
            chats[chat] = Chat(chat, "private", self.name)
        return chats[chat]

    def _quoted(self, place: Chat, number: int) -> dict[str, Any]:
        shown = place.messages[number]
        sender = self._tg.state.bot if shown.by_bot else {"id": shown.sender, "is_bot": False}
        return {
            "message_id": number,
            "date": int(time.time()),
            "chat": place.to_json(),
            "from": sender,
            "text": shown.text,
        }

    def _visible(self, message: dict[str, Any]) -> bool:
        """Privacy mode: in a group the bot sees commands, mentions and replies to it."""
        if not self._tg.state.privacy or message["chat"]["type"] == "private":
            return True
        parent = message.get("reply_to_message", {}).get("from", {}).get("id")
        name = f"@{self._tg.state.username}"
        return (
            message["text"].startswith("/")
            or name in message["text"]
            or (parent == self._tg.state.bot_id)
        )
