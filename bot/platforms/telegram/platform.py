"""Telegram as a platform: deliveries into the inbox, cards into chats."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from telegram.error import InvalidToken

from bot.platforms.port import Draft, Health, Keep, SendGone, SendRefused, SendRetry, Turn
from bot.platforms.telegram import reading
from bot.platforms.telegram.budget import Budget, Monotonic
from bot.platforms.telegram.calls import Calls, Place
from bot.platforms.telegram.drawing import ALERT_LIMIT, Drawn, draw, plain, utf16
from bot.platforms.telegram.link import Commands, Link
from bot.platforms.telegram.presses import Presses, Sleep
from bot.platforms.telegram.settings import TelegramSettings
from handlers.inbound import Event, RoomAddress
from prompts.texts import LANGUAGES, say, text

log = logging.getLogger(__name__)

BODY_LIMIT = 1_048_576
_SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a name, no secret
_COMMAND_NAME = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_FILE_TRIES = 5
_FILE_PATIENCE = 30.0  # seconds a send waits for its file; the file goes on after that
_FILES_REMEMBERED = 1000

T = TypeVar("T")


class TelegramPlatform:
    """One Telegram bot. ``commands`` is the menu: language → (name without slash, description)."""

    name = "telegram"
    per_room_interval = 1.0

    def __init__(
        self,
        settings: TelegramSettings,
        commands: Commands,
        turn: Turn | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        """``turn``: which of the processes with this token polls; None = there is but one."""
        _check(commands)
        self._settings = settings
        self._sleep = sleep
        self._keep: Keep | None = None
        self._turn = turn if settings.mode == "polling" else None
        self._calls = Calls(settings, self._moved)
        self._budget = Budget(settings.per_second, settings.per_minute_in_group, monotonic)
        self._presses = Presses(self._answer_empty, settings.press_seconds, sleep)
        self._link = Link(
            settings,
            self._calls,
            commands,
            self._take,
            self._turn,
            sleep=sleep,
            monotonic=monotonic,
        )
        self._files: OrderedDict[tuple[int, int], str] = OrderedDict()  # message → file it has
        self._late_files: set[asyncio.Task[None]] = set()

    async def start(self, keep: Keep) -> None:
        """Connect and begin to take deliveries.

        Raises SendRefused when Telegram refuses the token. When Telegram cannot be reached, it
        returns all the same and goes on trying; :meth:`health` says so.
        """
        self._keep = keep
        try:
            await self._link.start()
        except InvalidToken:
            await self._calls.bot.shutdown()
            raise SendRefused(
                "Telegram refuses the bot's token; get a new one from @BotFather and set it"
            ) from None

    async def stop(self) -> None:
        """Stop taking deliveries and disconnect. What is being stored is stored first."""
        await self._link.stop()
        await self._presses.close()
        late = list(self._late_files)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._calls.bot.shutdown()

    def translate(self, raw: Mapping[str, Any]) -> Event | None:
        """A kept delivery as an event; see :func:`reading.translate`."""
        return reading.translate(raw)

    def health(self) -> Health:
        """The truth about the link."""
        return self._link.health()

    def knock(self, headers: Mapping[str, str]) -> int:
        """May this request's body be read at all? 200, or the status to refuse it with."""
        if self._settings.mode != "webhook":
            return 404
        named = {name.lower(): value for name, value in headers.items()}
        shown = named.get(_SECRET_HEADER, "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(shown, self._settings.webhook_secret.encode()):
            return 401
        length = named.get("content-length", "")
        return 413 if re.fullmatch("[0-9]{7,}", length) and int(length[:20]) > BODY_LIMIT else 200

    async def http(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Take one webhook delivery; gives the HTTP status.

        200 after the inbox row is committed; 500 when it could not be, so that Telegram sends it
        again; 401, 404, 413 and 400 for what is not Telegram's.
        """
        status = self.knock(headers)
        if status != 200:
            return status
        if len(body) > BODY_LIMIT:
            return 413
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            return 400
        if not isinstance(raw, dict):
            return 400
        try:
            await self._take(raw)
        except Exception as error:  # noqa: BLE001
            # The boundary to Telegram: whatever kept us from storing it, it must come again.
            log.warning("telegram: a delivery could not be kept: %s", self._calls.told(error))
            return 500
        return 200

    async def post(self, room: RoomAddress, draft: Draft) -> str:
        """Show a card in a chat. Telegram cannot be searched: after doubt it may be there twice."""
        chat = _chat(room)
        drawn = draw(draft.card, draft.language)
        place = Place(chat, _number(draft, "thread"), _number(draft, "message"))
        self._budget.take(chat, 2 if drawn.file_text else 1)
        message = await self._obeying(chat, self._calls.send(place, drawn))
        if drawn.file_text:
            await self._add_file(Place(chat, place.thread, message), drawn)
        return str(message)

    async def edit(self, room: RoomAddress, message: str, draft: Draft) -> str:
        """Rewrite a card in place. A file is added when what did not fit has changed."""
        chat = _chat(room)
        if not re.fullmatch("[0-9]{1,20}", message):
            raise SendGone(f"telegram: {message!r} is no message id")
        number = int(message)
        drawn = draw(draft.card, draft.language)
        new_file = bool(drawn.file_text) and self._files.get((chat, number)) != _hash(drawn)
        self._budget.take(chat, 2 if new_file else 1)
        await self._obeying(chat, self._calls.rewrite(chat, number, drawn))
        if new_file:
            await self._add_file(Place(chat, None, number), drawn)
        return message

    async def whisper(self, room: RoomAddress, user: str, draft: Draft) -> None:  # noqa: ARG002
        """Answer one person: a pop-up for a button press, else a reply to what they wrote.

        Telegram has nothing else that only one person in a group sees.
        """
        callback = draft.context.get("callback")
        if isinstance(callback, str) and callback and await self._popped_up(callback, draft):
            return
        await self.post(room, draft)

    async def ask_reason(
        self,
        room: RoomAddress,  # noqa: ARG002
        user: str,  # noqa: ARG002
        token: str,  # noqa: ARG002
        draft: Draft,  # noqa: ARG002
    ) -> bool:
        """Telegram has no forms."""
        return False

    async def _popped_up(self, callback: str, draft: Draft) -> bool:
        """Answer a press; True when the pop-up said everything."""
        if not self._presses.claim(callback):
            return False  # answered empty meanwhile, or by an earlier try
        card = draft.card
        words = plain(card)
        short = utf16(words) <= ALERT_LIMIT and not card.buttons and not card.code
        shown = words if short else say(text("telegram_see_message"), draft.language)
        try:
            taken = await self._calls.answer(callback, shown, alert=short)
        except SendRetry:
            self._presses.release(callback)
            raise
        # Refused after doubt: the earlier try did arrive.
        return short and (taken or draft.doubt)

    async def _answer_empty(self, callback: str) -> None:
        try:
            await self._calls.answer(callback)
        except (SendRetry, SendRefused) as error:
            # The button stops spinning by itself after a while; nothing is lost.
            log.info("telegram: a press stays unanswered: %s", error)

    async def _obeying(self, chat: int, call: Awaitable[T]) -> T:
        """Await a send; when it is put off, the chat's other sends wait as well."""
        try:
            return await call
        except SendRetry as error:
            self._budget.pause(chat, error.delay)
            raise

    async def _add_file(self, place: Place, drawn: Drawn) -> None:
        """Send what did not fit. The message stands already, so nothing here may fail it."""
        if place.reply_to is not None:
            self._files[place.chat, place.reply_to] = _hash(drawn)
            while len(self._files) > _FILES_REMEMBERED:
                self._files.popitem(last=False)
        late = asyncio.create_task(self._send_file(place, drawn), name="telegram file")
        self._late_files.add(late)
        late.add_done_callback(self._late_files.discard)
        await asyncio.wait({late}, timeout=_FILE_PATIENCE)

    async def _send_file(self, place: Place, drawn: Drawn) -> None:
        for _ in range(_FILE_TRIES):
            try:
                await self._calls.attach(place, drawn)
                return
            except SendRetry as error:
                await self._sleep(error.delay)
            except SendRefused as error:
                log.warning("telegram: a file was refused: %s", error)
                return
        log.warning("telegram: file %s for chat %s given up", drawn.file_name, place.chat)

    async def _take(self, raw: Any) -> bool:
        me = self._link.me
        if self._keep is None or me is None:
            raise RuntimeError("not connected yet")
        raw = reading.storable(raw)
        body = {"bot": me.to_json(), "update": raw}
        keep = self._turn.keep if self._turn is not None else self._keep
        kept = await keep(self.name, reading.delivery_id(me.id, raw), body, reading.lane(raw))
        callback = reading.callback_id(raw)
        if callback:
            self._presses.opened(callback)
        return kept

    async def _moved(self, old: int, new: int) -> None:
        me = self._link.me
        if self._keep is not None and me is not None:
            name = f"{me.id}:moved:{old}:{new}"
            try:
                await self._keep(self.name, name, reading.moved(me, old, new), str(old))
            except Exception as error:
                # The boundary to the store: the send is tried again and says it again.
                raise SendRetry(f"telegram: the new id of chat {old} could not be kept") from error


def _check(commands: Commands) -> None:
    for language, listed in commands.items():
        if language not in LANGUAGES:
            raise ValueError(f"telegram commands: {language!r} is not one of {LANGUAGES}")
        for name, description in listed:
            if not _COMMAND_NAME.fullmatch(name) or not description.strip():
                raise ValueError(
                    f"telegram command {name!r}: a name is 1 to 32 of a-z 0-9 _, with a description"
                )


def _chat(room: RoomAddress) -> int:
    if not re.fullmatch("-?[0-9]{1,20}", room.address):
        raise SendRefused(f"telegram: {room.address!r} is no chat id")
    return int(room.address)


def _number(draft: Draft, name: str) -> int | None:
    value = draft.context.get(name)
    return value if isinstance(value, int) else None


def _hash(drawn: Drawn) -> str:
    return hashlib.sha256(drawn.file_text.encode()).hexdigest()
