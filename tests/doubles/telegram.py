"""Telegram on this machine: a strict double of the Bot API that a test can drive and break.

    async with TelegramDouble() as tg:                  # tg.token, tg.api_url for TelegramSettings
        tg.group(-1001, "ops")                          # the bot is a member from now on
        min = tg.user(111, "min")                       # opens no private chat yet
        min.says(-1001, "hello @watchstander_bot")      # gives the message id
        min.says(min.id, "in private")                  # a person's private chat has their id
        min.command(-1001, "/approve 17 ok")
        await tg.until(lambda: tg.screen(-1001)[-1].by_bot)
        card = tg.screen(-1001)[-1]                     # Shown: text, buttons, rows, links, file …
        min.press(-1001, card.id, "Approve")            # by what stands on the button *now*
        min.press_raw(-1001, card.id, "forged data")
        tg.alerts(111)                                  # [Alert(text, modal)], oldest first
        assert not tg.violations                        # limits the bot broke

Script calls are synchronous: they put an update where the bot fetches it (or the webhook sender
takes it).  ``await tg.until(check)`` waits, without sleeping, until ``check()`` is true, and fails
after ``seconds``; it looks again after each call of the API.

More of a person: ``replies(chat, message_id, text)``, ``edits(chat, message_id, text)``,
``forwards(chat, text)``, ``says(…, thread=5)`` in a forum topic, ``says(…, anonymous=True)`` as an
anonymous admin, ``starts()`` to open their private chat, ``blocks()`` to close it.

Reading: ``screen(chat)`` is a list of Shown, oldest first; ``cards(chat)`` only the bot's messages;
``links`` on a Shown is what a tap would do something with (must stay empty for foreign text);
``commands(language, scope)`` the registered menu; ``calls`` every API call as (method, fields).

Breaking things (telegram_faults): ``tg.faults.next("sendMessage", TooMany(3), LostReply())``; kinds
TooMany, Fail, Refuse, LostReply, Dropped, Slow; ``"webhook"`` names deliveries to the webhook.
Updates (telegram_updates): ``tg.updates.repeat_next(3)``, ``.hold()``/``.release(backwards=True)``,
``.drop_next()``, ``.restart_ids(at)``, ``.push_raw(anything)``, ``.polls`` (times of getUpdates).
``tg.migrate(old, new)`` makes a group a supergroup; ``announce=False`` hides the service message.

``violations`` holds oversize text, data or answers, more than 100 entities, sustained more than one
message a second to a chat, 30 a second to all, 20 a minute to a group (``tg.pace.on = False``
stops the last three).  An answer that comes later than ``tg.methods.press_lifetime`` seconds, or
twice, is refused as Telegram does.  Two pollers, or a poller beside a webhook, get 409.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.doubles.telegram_faults import (
    Dropped,
    Fail,
    Fault,
    Faults,
    LostReply,
    Pace,
    Refuse,
    Slow,
    TooMany,
)
from tests.doubles.telegram_methods import METHODS, Methods, Params
from tests.doubles.telegram_people import TelegramUser
from tests.doubles.telegram_state import Alert, ApiError, Chat, Press, Shown, State
from tests.doubles.telegram_updates import Updates

__all__ = [
    "Alert",
    "Dropped",
    "Fail",
    "LostReply",
    "Refuse",
    "Shown",
    "Slow",
    "TelegramDouble",
    "TooMany",
]


class TelegramDouble:
    """One bot's Telegram. See the module's text."""

    def __init__(
        self,
        token: str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        username: str = "watchstander_bot",
        *,
        privacy: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token = token
        self.state = State(int(token.partition(":")[0]), username, privacy)
        self.faults = Faults()
        self.updates = Updates(self.faults)
        self.pace = Pace(clock)
        self.methods = Methods(self.state, self.pace, clock)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.api_url = ""
        self._clock = clock
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._sender: asyncio.Task[None] | None = None
        self._last_press = 0

    async def __aenter__(self) -> TelegramDouble:
        app = web.Application(client_max_size=60 * 1024 * 1024)
        app.router.add_post("/bot{token}/{method}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.api_url = f"http://127.0.0.1:{port}/bot"
        self._sender = asyncio.create_task(self.updates.send_to_webhook())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._sender is not None and self._runner is not None
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        await self._runner.cleanup()

    # -- what a test reads

    @property
    def violations(self) -> list[str]:
        return self.state.violations

    def screen(self, chat: int) -> list[Shown]:
        """The messages of a chat as people see them now, oldest first."""
        return sorted(self.state.chats[chat].messages.values(), key=lambda shown: shown.id)

    def cards(self, chat: int) -> list[Shown]:
        """The bot's own messages in a chat, oldest first."""
        return [shown for shown in self.screen(chat) if shown.by_bot]

    def alerts(self, user: int) -> list[Alert]:
        """What answers to this user's presses showed, oldest first; empty text = nothing shown."""
        return self.state.alerts.get(user, [])

    def commands(self, language: str = "", scope: str = "default") -> list[tuple[str, str]]:
        """The registered menu of a language code and scope."""
        return self.state.commands.get((scope, language), [])

    def called(self, method: str) -> list[dict[str, Any]]:
        """The fields of every call of a method, oldest first, failed ones as well."""
        return [fields for name, fields in self.calls if name == method]

    async def until(self, check: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until ``check()`` is true; AssertionError after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not check():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds} s; the last calls: {self.calls[-5:]}"
            self._changed.clear()
            try:
                # Looks again at times on its own: not everything awaited is a call of the API.
                await asyncio.wait_for(self._changed.wait(), min(left, 0.05))
            except TimeoutError:
                continue

    # -- what a test does

    def group(self, chat: int, title: str = "ops", *, forum: bool = False) -> int:
        """A supergroup with the bot in it."""
        self.state.chats[chat] = Chat(chat, "supergroup", title, forum=forum)
        return chat

    def user(self, user: int, name: str = "") -> TelegramUser:
        """A person; the same id is the same person, whatever the name."""
        return TelegramUser(self, user, name or f"user{user}")

    def kick(self, chat: int) -> None:
        """The bot is thrown out."""
        self.state.chats[chat].open = False

    def delete(self, chat: int, message: int) -> None:
        """Somebody deletes a message."""
        del self.state.chats[chat].messages[message]

    def migrate(self, old: int, new: int, *, announce: bool = True) -> None:
        """A group becomes a supergroup: a new id, an empty history."""
        before = self.state.chats[old]
        before.moved_to = new
        self.group(new, before.title)
        if announce:
            message = self._service(before) | {"migrate_to_chat_id": new}
            self.updates.push({"message": message})
            message = self._service(self.state.chats[new]) | {"migrate_from_chat_id": old}
            self.updates.push({"message": message})

    def poison(self) -> int:
        """An update of a shape that nobody foresaw."""
        return self.updates.push({"message": {"message_id": "?", "chat": None, "text": ["?"]}})

    def pressed(self, user: int, chat: int, message: int, data: str) -> str:
        """A callback query; gives its id."""
        self._last_press += 1
        press = Press(f"cq{self._last_press}", user, message, self._clock())
        self.state.presses[press.id] = press
        place = self.state.chats[chat]
        shown = place.messages.get(message)
        where: dict[str, Any] = {"message_id": message, "date": 0, "chat": place.to_json()}
        if shown is not None:
            where |= {"date": int(time.time()), "from": self.state.bot, "text": shown.text}
            if shown.thread is not None:
                where |= {"message_thread_id": shown.thread, "is_topic_message": True}
        self.updates.push(
            {
                "callback_query": {
                    "id": press.id,
                    "from": {"id": user, "is_bot": False, "first_name": f"user{user}"},
                    "message": where,
                    "chat_instance": "1",
                    "data": data,
                }
            }
        )
        return press.id

    def _service(self, chat: Chat) -> dict[str, Any]:
        return {
            "message_id": self.state.next_message(),
            "date": int(time.time()),
            "chat": chat.to_json(),
            "from": {"id": 1, "is_bot": False, "first_name": "owner"},
        }

    # -- the server

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.match_info["token"] != self.token:
            return _error(ApiError(401, "Unauthorized"))
        if request.content_type == "application/json":
            fields = await request.json()
        else:
            fields = dict(await request.post())
        self.calls.append((method, fields))
        fault = self.faults.take(method)
        try:
            refused = _refused(fault, request)
            if refused is not None:
                return refused
            reply = web.json_response({"ok": True, "result": await self._call(method, fields)})
        except ApiError as error:
            reply = _error(error)
        finally:
            self._changed.set()
        if isinstance(fault, Slow):
            await (fault.gate.wait() if fault.gate else asyncio.sleep(fault.seconds))
        if isinstance(fault, LostReply):
            _hang_up(request)
        return reply

    async def _call(self, method: str, fields: dict[str, Any]) -> Any:
        params = Params(fields)
        if method == "getUpdates":
            return await self.updates.get(params)
        special: dict[str, Callable[[], Any]] = {
            "setWebhook": lambda: self.updates.set_webhook(params),
            "deleteWebhook": lambda: self.updates.delete_webhook(params),
            "getWebhookInfo": self.updates.webhook_info,
        }
        if method in special:
            return special[method]()
        if method not in METHODS:
            raise ApiError(404, "Not Found")
        return getattr(self.methods, METHODS[method])(params)


def _refused(fault: Fault | None, request: web.Request) -> web.Response | None:
    if isinstance(fault, TooMany):
        wait = fault.retry_after
        raise ApiError(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
    if isinstance(fault, Refuse):
        raise ApiError(fault.code, fault.description)
    if isinstance(fault, Fail):
        return web.Response(status=fault.status, text="<html>nginx</html>")
    if isinstance(fault, Dropped):
        _hang_up(request)
        return web.Response()
    return None


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _error(error: ApiError) -> web.Response:
    body: dict[str, Any] = {
        "ok": False,
        "error_code": error.code,
        "description": error.description,
    }
    if error.parameters:
        body["parameters"] = error.parameters
    return web.json_response(body, status=error.code)
