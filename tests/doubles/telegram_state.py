"""What the doubled Telegram holds: chats, messages, button presses."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.doubles.telegram_markup import Entity


class ApiError(Exception):
    """An error answer of the Bot API."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad(description: str, **parameters: int) -> ApiError:
    """400 with Telegram's words."""
    return ApiError(400, f"Bad Request: {description}", **parameters)


@dataclass(frozen=True)
class Key:
    """A button as it is on the screen."""

    label: str
    data: str


@dataclass
class Shown:
    """A message as people see it now."""

    id: int
    chat: int
    sender: int  #: user id; the bot's own id for its messages
    text: str
    by_bot: bool = False
    rows: list[list[Key]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    """What a tap would do something with: (url | mention | bot_command | …, text)."""
    entities: list[Entity] = field(default_factory=list)
    file: tuple[str, str] | None = None  #: name and content of an attached text file
    reply_to: int | None = None
    thread: int | None = None
    preview: bool = False  #: a link preview would be fetched
    edits: int = 0

    @property
    def buttons(self) -> list[str]:
        """The labels, left to right and down."""
        return [key.label for row in self.rows for key in row]

    def data_of(self, label: str) -> str:
        """What the button with this label sends; AssertionError when it is not on the screen."""
        for row in self.rows:
            for key in row:
                if key.label == label:
                    return key.data
        raise AssertionError(f"no button {label!r} on message {self.id}; it has {self.buttons}")


@dataclass
class Chat:
    """A chat and what is in it."""

    id: int
    type: str  #: private, group, supergroup
    title: str = ""
    messages: dict[int, Shown] = field(default_factory=dict)
    open: bool = True  #: False: the bot was kicked or blocked, or was never started
    moved_to: int | None = None
    forum: bool = False

    def to_json(self) -> dict:
        raw: dict = {"id": self.id, "type": self.type}
        if self.type == "private":
            raw["first_name"] = self.title
        else:
            raw["title"] = self.title
        return raw


@dataclass
class Press:
    """A button press that Telegram waits to have answered."""

    id: str
    user: int
    message: int
    at: float
    answered: bool = False


@dataclass(frozen=True)
class Alert:
    """What an answer to a press showed; ``text`` is empty when only the spinning stopped."""

    text: str
    modal: bool  #: a box to close (show_alert), not a line that fades


@dataclass
class State:
    """Everything the bot's account has."""

    bot_id: int
    username: str
    privacy: bool = False
    chats: dict[int, Chat] = field(default_factory=dict)
    presses: dict[str, Press] = field(default_factory=dict)
    alerts: dict[int, list[Alert]] = field(default_factory=dict)
    commands: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    last_message: int = 100

    @property
    def bot(self) -> dict:
        """The bot as a User."""
        return {
            "id": self.bot_id,
            "is_bot": True,
            "first_name": "Watchstander",
            "username": self.username,
        }

    def chat(self, chat_id: int) -> Chat:
        """A chat the bot may write to. Raises ApiError in Telegram's words."""
        chat = self.chats.get(chat_id)
        if chat is None:
            raise bad("chat not found")
        if chat.moved_to is not None:
            raise bad(
                "group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to
            )
        if not chat.open:
            kicked = {
                "private": "bot was blocked by the user",
                "group": "bot was kicked from the group chat",
                "supergroup": "bot was kicked from the supergroup chat",
            }
            raise ApiError(403, f"Forbidden: {kicked[chat.type]}")
        return chat

    def add(self, chat: Chat, shown: Shown) -> Shown:
        chat.messages[shown.id] = shown
        return shown

    def next_message(self) -> int:
        self.last_message += 1
        return self.last_message

    def message_json(self, shown: Shown) -> dict:
        """A message of the bot as the API returns it."""
        return {
            "message_id": shown.id,
            "date": int(time.time()),
            "chat": self.chats[shown.chat].to_json(),
            "from": self.bot,
            "text": shown.text,
        }
