"""Calls to the Bot API, and what its errors mean for the caller."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
    WebhookInfo,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from bot.platforms.port import SendGone, SendRefused, SendRetry
from bot.platforms.telegram.drawing import Drawn, utf16
from bot.platforms.telegram.settings import TelegramSettings
from storage import failpoints

ALLOWED_UPDATES = ["message", "callback_query", "my_chat_member"]
_LANGUAGE_CODES = {"en": "", "ko": "ko", "zh-TW": "zh"}
_STYLES = {"good": "success", "danger": "danger"}
_GONE = ("message to edit not found", "message can't be edited", "message_id_invalid")
_TOO_LATE = ("query is too old", "query id is invalid", "query_id_invalid")
_NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")

T = TypeVar("T")
Moved = Callable[[int, int], Awaitable[None]]


def hush() -> None:
    """Keep the token out of the logs: it is in each URL, and in what these write below WARNING."""
    for name in ("httpx", "httpcore", "telegram"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:  # its own: the root's may change later
            logger.setLevel(logging.WARNING)


@dataclass(frozen=True)
class Place:
    """Where in a chat a message goes."""

    chat: int
    thread: int | None = None
    reply_to: int | None = None


class RawBot(Bot):
    """Bot whose updates stay JSON: one that the library cannot parse must not hold up the rest."""

    async def raw_updates(self, offset: int | None, wait: int, patience: float) -> list[Any]:
        """The next batch. ``offset`` confirms every update below it; times are in seconds.

        Raises TimedOut ``patience`` after Telegram should have answered: a line that is cut
        without a word, or an answer that comes in drops, would otherwise hold the poll for good.
        """
        asked = {"offset": offset, "timeout": wait, "allowed_updates": ALLOWED_UPDATES}
        try:
            async with asyncio.timeout(wait + patience):
                batch = await self._post("getUpdates", asked, read_timeout=wait + patience)
        except TimeoutError:
            raise TimedOut(f"no whole answer within {wait + patience:g} s") from None
        return batch if isinstance(batch, list) else []

    async def _do_post(self, endpoint: str, data: Any, **options: Any) -> Any:
        # The one way of every call.
        failpoints.before(f"telegram.{endpoint}")
        answer = await super()._do_post(endpoint, data, **options)
        failpoints.after(f"telegram.{endpoint}")
        return answer


class Declined(Exception):
    """Telegram answered 400 with this description."""


class Calls:
    """One bot's calls. ``moved(old, new)`` is awaited when a group turns out to have a new id."""

    def __init__(self, settings: TelegramSettings, moved: Moved) -> None:
        hush()
        # The library's own switch: times as timedelta. Without it each 429 makes it warn.
        os.environ.setdefault("PTB_TIMEDELTA", "true")
        self._settings = settings
        self._moved = moved
        self.bot = RawBot(
            settings.token,
            base_url=settings.api_url,
            request=HTTPXRequest(read_timeout=10, write_timeout=10, connect_timeout=5),
            get_updates_request=HTTPXRequest(connection_pool_size=2, connect_timeout=5),
        )

    def told(self, error: BaseException) -> str:
        """An error in words that may be logged: without the token."""
        words = f"{type(error).__name__}: {error}"
        return words.replace(self._settings.token, "***").replace(
            self._settings.webhook_secret or "\0", "***"
        )

    async def updates(self, offset: int | None) -> list[Any]:
        """The next batch of raw updates. Raises TelegramError."""
        wait, patience = self._settings.poll_seconds, self._settings.patience_seconds
        return await self.bot.raw_updates(offset, wait, patience)

    async def point_webhook(self) -> None:
        """Have deliveries as the mode wants them. Raises TelegramError."""
        if self._settings.mode == "polling":
            await self.bot.delete_webhook(drop_pending_updates=False)
            return
        await self.bot.set_webhook(
            self._settings.webhook_url,
            secret_token=self._settings.webhook_secret,
            allowed_updates=ALLOWED_UPDATES,
            drop_pending_updates=False,
        )

    async def webhook(self) -> WebhookInfo:
        """What Telegram thinks of our webhook. Raises TelegramError."""
        return await self.bot.get_webhook_info()

    async def set_commands(self, commands: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Register the menu, per language and scope. Raises TelegramError."""
        scopes = (
            BotCommandScopeDefault(),
            BotCommandScopeAllPrivateChats(),
            BotCommandScopeAllGroupChats(),
        )
        for language, listed in commands.items():
            menu = [BotCommand(name, description[:256]) for name, description in listed[:100]]
            for scope in scopes:
                await self.bot.set_my_commands(menu, scope, _LANGUAGE_CODES[language])

    async def send(self, place: Place, drawn: Drawn) -> int:
        """Post a message and give its id. Raises SendRetry or SendRefused."""
        plain = False
        while True:
            try:
                return await self._ask(place.chat, self._send(place, drawn, plain), once=True)
            except Declined as declined:
                if "parse entities" in str(declined) and not plain:
                    plain = True
                elif "thread not found" in str(declined) and place.thread is not None:
                    place = Place(place.chat, None, place.reply_to)
                else:
                    raise SendRefused(f"telegram chat {place.chat}: {declined}") from None

    async def rewrite(self, chat: int, message: int, drawn: Drawn) -> None:
        """Rewrite a message and its buttons. Raises SendGone, SendRetry or SendRefused."""
        plain = False
        while True:
            try:
                await self._ask(chat, self._rewrite(chat, message, drawn, plain))
                return
            except Declined as declined:
                why = str(declined)
                if "message is not modified" in why:
                    return
                if any(gone in why for gone in _GONE):
                    raise SendGone(f"telegram chat {chat}, message {message}: {why}") from None
                if "parse entities" not in why or plain:
                    raise SendRefused(f"telegram chat {chat}: {why}") from None
                plain = True

    async def attach(self, place: Place, drawn: Drawn) -> None:
        """Post the file that holds what the message could not. Raises SendRetry or SendRefused."""
        file = InputFile(drawn.file_text.encode(), filename=drawn.file_name)
        call = self.bot.send_document(
            place.chat,
            file,
            message_thread_id=place.thread,
            reply_parameters=_reply(place),
            disable_content_type_detection=True,
        )
        try:
            await self._ask(place.chat, call, once=True)
        except Declined as declined:
            raise SendRefused(f"telegram chat {place.chat}: {declined}") from None

    async def answer(self, callback: str, words: str = "", *, alert: bool = False) -> bool:
        """Answer a button press; False when Telegram no longer takes an answer to it.

        Raises SendRetry or SendRefused.
        """
        call = self.bot.answer_callback_query(callback, text=words or None, show_alert=alert)
        try:
            await self._ask(0, call, once=True)
        except Declined as declined:
            if any(late in str(declined) for late in _TOO_LATE):
                return False
            raise SendRefused(f"telegram answer to a press: {declined}") from None
        return True

    async def _send(self, place: Place, drawn: Drawn, plain: bool) -> int:
        message = await self.bot.send_message(
            place.chat,
            drawn.plain if plain else drawn.html,
            parse_mode=None if plain else ParseMode.HTML,
            entities=_all_code(drawn) if plain else None,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            message_thread_id=place.thread,
            reply_parameters=_reply(place),
            reply_markup=keyboard(drawn),
        )
        return message.message_id

    async def _rewrite(self, chat: int, message: int, drawn: Drawn, plain: bool) -> None:
        await self.bot.edit_message_text(
            drawn.plain if plain else drawn.html,
            chat_id=chat,
            message_id=message,
            parse_mode=None if plain else ParseMode.HTML,
            entities=_all_code(drawn) if plain else None,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            reply_markup=keyboard(drawn),
        )

    async def _ask(self, chat: int, call: Awaitable[T], *, once: bool = False) -> T:
        """Await a call; its errors say what to do next. ``once``: a repetition shows twice."""
        try:
            return await call
        except BadRequest as error:
            raise Declined(self.told(error).partition(": ")[2].lower()) from None
        except ChatMigrated as error:
            await self._moved(chat, error.new_chat_id)
            raise SendRetry(f"telegram chat {chat} is now {error.new_chat_id}", 2.0) from None
        except RetryAfter as error:
            raise SendRetry(self.told(error), seconds_of(error)) from None
        except (Forbidden, InvalidToken, Conflict) as error:
            raise SendRefused(f"telegram chat {chat}: {self.told(error)}") from None
        except NetworkError as error:
            # The request may have reached Telegram, unless no connection was made at all.
            sent = type(error.__cause__).__name__ not in _NOT_SENT
            raise SendRetry(self.told(error), 2.0, doubt=once and sent) from None
        except TelegramError as error:
            # What is left is an answer that is not JSON: a proxy's error page.
            raise SendRetry(self.told(error), 5.0, doubt=once) from None


def seconds_of(error: RetryAfter) -> float:
    """How long Telegram asks to wait."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, dt.timedelta) else float(wait)


def _reply(place: Place) -> ReplyParameters | None:
    if place.reply_to is None:
        return None
    return ReplyParameters(place.reply_to, allow_sending_without_reply=True)


def keyboard(drawn: Drawn) -> InlineKeyboardMarkup | None:
    """The buttons in Telegram's form; None for a card without any."""
    rows = [
        [
            InlineKeyboardButton(label, callback_data=token, style=_STYLES.get(style))
            for label, token, style in row
        ]
        for row in drawn.rows
    ]
    return InlineKeyboardMarkup(rows) if rows else None


def _all_code(drawn: Drawn) -> list[MessageEntity]:
    """One block of code over everything: nothing in it becomes a link or a ping."""
    return [MessageEntity(MessageEntity.PRE, 0, utf16(drawn.plain))]
