"""The Bot API's methods, strict about every limit, with Telegram's own error texts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.doubles.telegram_faults import Pace
from tests.doubles.telegram_markup import BadMarkup, Entity, live, parse_html, utf16
from tests.doubles.telegram_state import Alert, Chat, Key, Shown, State, bad

_TEXT_LIMIT, _DATA_LIMIT, _ANSWER_LIMIT, _ENTITY_LIMIT, _BUTTON_LIMIT = 4096, 64, 200, 100, 100


METHODS = {
    "getMe": "get_me",
    "sendMessage": "send_message",
    "sendDocument": "send_document",
    "editMessageText": "edit_message_text",
    "editMessageReplyMarkup": "edit_message_reply_markup",
    "deleteMessage": "delete_message",
    "answerCallbackQuery": "answer_callback_query",
    "setMyCommands": "set_my_commands",
    "getMyCommands": "get_my_commands",
}


class Params:
    """The arguments of a call: strings, some of them JSON, and files."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)

    def text(self, name: str) -> str:
        return str(self.fields.get(name, ""))

    def number(self, name: str) -> int | None:
        raw = self.fields.get(name)
        if raw is None or raw == "":
            return None
        if not re.fullmatch(r"-?\d+", str(raw)):
            raise bad(f"{name} must be Integer")
        return int(raw)

    def flag(self, name: str) -> bool:
        return str(self.fields.get(name, "")).lower() == "true"

    def json(self, name: str) -> Any:
        raw = self.fields.get(name)
        if isinstance(raw, str):
            try:
                return json.loads(raw)
            except ValueError:
                raise bad(f"can't parse {name} JSON object") from None
        return raw


class Methods:
    """One method of the API each, under METHODS' names; all raise ApiError."""

    def __init__(self, state: State, pace: Pace, clock: Callable[[], float]) -> None:
        self._state = state
        self._pace = pace
        self._clock = clock
        self.press_lifetime = 30.0  #: seconds until a press is too old to be answered

    def get_me(self, _: Params) -> dict:
        flags = {"can_join_groups": True, "can_read_all_group_messages": not self._state.privacy}
        return {**self._state.bot, **flags, "supports_inline_queries": False}

    def send_message(self, params: Params) -> dict:
        chat = self._destination(params)
        visible, entities = self._text(params, "message is too long")
        shown = Shown(
            self._state.next_message(),
            chat.id,
            self._state.bot_id,
            visible,
            by_bot=True,
            rows=self._keyboard(params),
            reply_to=self._reply(params, chat),
            thread=self._thread(params, chat),
        )
        self._dress(shown, entities, params)
        self._note(chat)
        return self._state.message_json(self._state.add(chat, shown))

    def send_document(self, params: Params) -> dict:
        chat = self._destination(params)
        upload = params.fields.get("document")
        if isinstance(upload, str) and upload.startswith("attach://"):
            upload = params.fields.get(upload.removeprefix("attach://"))
        if not hasattr(upload, "file"):
            raise bad("there is no document in the request")
        content = upload.file.read()
        if not content:
            raise bad("file must be non-empty")
        shown = Shown(
            self._state.next_message(),
            chat.id,
            self._state.bot_id,
            params.text("caption"),
            by_bot=True,
            file=(upload.filename, content.decode()),
            reply_to=self._reply(params, chat),
            thread=self._thread(params, chat),
        )
        self._note(chat)
        return self._state.message_json(self._state.add(chat, shown))

    def edit_message_text(self, params: Params) -> dict:
        chat = self._destination(params)
        visible, entities = self._text(params, "MESSAGE_TOO_LONG")
        shown = self._editable(params, chat)
        rows = self._keyboard(params)
        self._note(chat)
        if (visible, entities, rows) == (shown.text, shown.entities, shown.rows):
            raise self._same()
        shown.text, shown.rows = visible, rows
        self._dress(shown, entities, params)
        shown.edits += 1
        return self._state.message_json(shown)

    def edit_message_reply_markup(self, params: Params) -> dict:
        chat = self._destination(params)
        shown = self._editable(params, chat)
        rows = self._keyboard(params)
        self._note(chat)
        if rows == shown.rows:
            raise self._same()
        shown.rows = rows
        shown.edits += 1
        return self._state.message_json(shown)

    def delete_message(self, params: Params) -> bool:
        chat = self._destination(params)
        if chat.messages.pop(params.number("message_id") or 0, None) is None:
            raise bad("message to delete not found")
        return True

    def answer_callback_query(self, params: Params) -> bool:
        press = self._state.presses.get(params.text("callback_query_id"))
        text = params.text("text")
        if utf16(text) > _ANSWER_LIMIT:
            self._state.violations.append(f"answer of {utf16(text)} characters")
            raise bad("MESSAGE_TOO_LONG")
        too_old = press is None or self._clock() - press.at > self.press_lifetime
        if press is None or too_old or press.answered:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        press.answered = True
        alert = Alert(text, params.flag("show_alert"))
        self._state.alerts.setdefault(press.user, []).append(alert)
        return True

    def set_my_commands(self, params: Params) -> bool:
        listed = params.json("commands") or []
        if len(listed) > 100:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        for entry in listed:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", entry["command"]):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(entry["description"]) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self._state.commands[self._menu(params)] = [
            (entry["command"], entry["description"]) for entry in listed
        ]
        return True

    def get_my_commands(self, params: Params) -> list[dict]:
        listed = self._state.commands.get(self._menu(params), [])
        return [{"command": name, "description": description} for name, description in listed]

    @staticmethod
    def _menu(params: Params) -> tuple[str, str]:
        scope = params.json("scope") or {"type": "default"}
        language = params.text("language_code")
        if not re.fullmatch(r"(?:[a-z]{2})?", language):
            raise bad("invalid language code specified")
        return scope["type"], language

    def _destination(self, params: Params) -> Chat:
        chat = params.number("chat_id")
        if chat is None:
            raise bad("chat_id is empty")
        return self._state.chat(chat)

    def _text(self, params: Params, too_long: str) -> tuple[str, list[Entity]]:
        source, mode = params.text("text"), params.text("parse_mode")
        if mode not in ("", "HTML"):
            raise bad("unsupported parse_mode")
        try:
            visible, entities = parse_html(source) if mode else (source, self._given(params))
        except BadMarkup as wrong:
            raise bad(f"can't parse entities: {wrong}") from None
        trimmed = visible.strip()
        if not trimmed:
            raise bad("message text is empty")
        if utf16(trimmed) > _TEXT_LIMIT:
            self._state.violations.append(f"message of {utf16(trimmed)} characters")
            raise bad(too_long)
        if len(entities) > _ENTITY_LIMIT:
            self._state.violations.append(f"message with {len(entities)} entities")
        shift = len(visible) - len(visible.lstrip())
        placed = [Entity(e.type, max(0, e.start - shift), e.end - shift) for e in entities]
        return trimmed, [Entity(e.type, e.start, min(e.end, len(trimmed))) for e in placed]

    @staticmethod
    def _given(params: Params) -> list[Entity]:
        units = params.text("text").encode("utf-16-le")
        found = []
        for raw in params.json("entities") or []:
            start = len(units[: raw["offset"] * 2].decode("utf-16-le"))
            end = len(units[: (raw["offset"] + raw["length"]) * 2].decode("utf-16-le"))
            found.append(Entity(raw["type"], start, end))
        return found

    def _dress(self, shown: Shown, entities: list[Entity], params: Params) -> None:
        shown.entities = entities
        shown.links = live(shown.text, entities)
        shown.preview = not (params.json("link_preview_options") or {}).get("is_disabled", False)

    def _keyboard(self, params: Params) -> list[list[Key]]:
        markup = params.json("reply_markup")
        if not markup:
            return []
        rows = [[self._key(raw) for raw in row] for row in markup["inline_keyboard"]]
        if sum(map(len, rows)) > _BUTTON_LIMIT or any(len(row) > 8 for row in rows):
            self._state.violations.append("too many buttons")
            raise bad("REPLY_MARKUP_TOO_LONG")
        return [row for row in rows if row]

    def _key(self, raw: dict) -> Key:
        if not raw.get("text", "").strip():
            raise bad("Text buttons are unallowed in the inline keyboard")
        size = len(raw.get("callback_data", "").encode())
        if not 1 <= size <= _DATA_LIMIT:
            self._state.violations.append(f"callback_data of {size} bytes")
            raise bad("BUTTON_DATA_INVALID")
        if raw.get("style", "primary") not in ("primary", "success", "danger"):
            raise bad("BUTTON_STYLE_INVALID")
        return Key(raw["text"], raw["callback_data"])

    def _reply(self, params: Params, chat: Chat) -> int | None:
        wanted = params.json("reply_parameters")
        if not wanted:
            return None
        if wanted["message_id"] in chat.messages:
            return int(wanted["message_id"])
        if not wanted.get("allow_sending_without_reply"):
            raise bad("message to be replied not found")
        return None

    @staticmethod
    def _thread(params: Params, chat: Chat) -> int | None:
        thread = params.number("message_thread_id")
        if thread is not None and not chat.forum:
            raise bad("message thread not found")
        return thread

    def _editable(self, params: Params, chat: Chat) -> Shown:
        shown = chat.messages.get(params.number("message_id") or 0)
        if shown is None:
            raise bad("message to edit not found")
        if not shown.by_bot or shown.file:
            raise bad("message can't be edited")
        return shown

    @staticmethod
    def _same() -> Exception:
        return bad(
            "message is not modified: specified new message content and reply markup are "
            "exactly the same as a current content and reply markup of the message"
        )

    def _note(self, chat: Chat) -> None:
        violation = self._pace.note(chat.id)
        if violation:
            self._state.violations.append(f"{time.strftime('%H:%M:%S')} {violation}")
