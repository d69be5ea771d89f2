"""How updates reach the bot: the queue, long polling with its offset, and the webhook sender."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from tests.doubles.telegram_faults import Dropped, Fail, Faults, LostReply, Slow
from tests.doubles.telegram_methods import Params
from tests.doubles.telegram_state import ApiError, bad

_KINDS = ("update_id", "poison")


class Updates:
    """Updates not yet confirmed, in the order Telegram hands them out."""

    def __init__(self, faults: Faults) -> None:
        self.pending: list[dict[str, Any]] = []
        self.handed_out: list[dict[str, Any]] = []  #: every update made here, oldest first
        self.polls: list[float] = []  #: when getUpdates was called (monotonic seconds)
        self.offsets: list[int | None] = []  #: the offset of each of these calls
        self.conflicts = 0  #: polls that another one ended
        self.delivered: list[tuple[int, int]] = []  #: webhook: (update id, status; 0 = no reply)
        self.webhook: dict[str, Any] = {"url": "", "secret": ""}
        self.redeliver_after = 0.05  #: seconds; Telegram's own schedule is slower
        self.webhook_error: tuple[int, str] | None = None
        self._faults = faults
        self._next_id = 1000
        self._allowed: list[str] | None = None
        self._held: list[dict[str, Any]] | None = None
        self._repeat = 1
        self._drop = 0
        self._news = asyncio.Event()
        self._poll = 0

    def push(self, body: dict[str, Any]) -> int:
        """Queue an update; it gets its id here. Gives the id."""
        update = {"update_id": self._next_id, **body}
        self._next_id += 1
        number = update["update_id"]
        self.handed_out.append(update)
        kind = next((key for key in body if key not in _KINDS), "")
        if self._allowed is not None and kind and kind not in self._allowed:
            return int(number)
        if self._drop:
            self._drop -= 1
            return int(number)
        target = self.pending if self._held is None else self._held
        target.extend([update] * self._repeat)
        self._repeat = 1
        self._wake()
        return int(number)

    def push_raw(self, raw: Any) -> None:
        """Queue anything at all, as it is."""
        self.pending.append(raw)
        self._wake()

    def repeat(self, update: dict[str, Any]) -> None:
        """Hand out an update once more, with the same id."""
        self.push_raw(update)

    def repeat_next(self, times: int) -> None:
        """The next update is handed out this many times."""
        self._repeat = times

    def drop_next(self, count: int = 1) -> None:
        """The next updates never arrive."""
        self._drop = count

    def hold(self) -> None:
        """Keep new updates back until :meth:`release`."""
        self._held = []

    def release(self, *, backwards: bool = False) -> None:
        """Hand out what was held, in order or backwards."""
        held = self._held or []
        self._held = None
        self.pending.extend(reversed(held) if backwards else held)
        self._wake()

    def restart_ids(self, at: int) -> None:
        """After a quiet week the next id is random: this one."""
        self._next_id = at

    async def get(self, params: Params) -> list[Any]:
        """getUpdates. Confirms below ``offset``; waits up to ``timeout`` seconds for news."""
        self.polls.append(time.monotonic())
        if self.webhook["url"]:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        offset = params.number("offset")
        self.offsets.append(offset)
        self._allow(params)
        self._poll += 1
        mine = self._poll
        self._wake()  # an older long poll notices that it was replaced
        if offset is not None and offset > 0:
            self.pending = [u for u in self.pending if _id(u) >= offset]
        elif offset is not None and offset < 0:
            self.pending = self.pending[offset:]
        deadline = time.monotonic() + min(params.number("timeout") or 0, 50)
        while True:
            if mine != self._poll:
                self.conflicts += 1
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; "
                    "make sure that only one bot instance is running",
                )
            left = deadline - time.monotonic()
            if self.pending or left <= 0:
                return self.pending[: params.number("limit") or 100]
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                continue

    def set_webhook(self, params: Params) -> bool:
        """setWebhook."""
        url = params.text("url")
        if url and not url.startswith(("https://", "http://127.0.0.1")):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        self._allow(params)
        self.webhook = {"url": url, "secret": params.text("secret_token")}
        self._wake()
        return True

    def delete_webhook(self, params: Params) -> bool:
        """deleteWebhook."""
        if params.flag("drop_pending_updates"):
            self.pending.clear()
        self.webhook = {"url": "", "secret": ""}
        return True

    def webhook_info(self) -> dict[str, Any]:
        """getWebhookInfo."""
        info = {
            "url": self.webhook["url"],
            "has_custom_certificate": False,
            "pending_update_count": len(self.pending),
        }
        if self.webhook_error:
            info["last_error_date"], info["last_error_message"] = self.webhook_error
        return info

    async def send_to_webhook(self) -> None:
        """Runs for ever: POST each update to the webhook until it is answered with 2xx."""
        async with aiohttp.ClientSession() as session:
            while True:
                while self.webhook["url"] and self.pending:
                    if await self._deliver(session, self.pending[0]):
                        self.pending.pop(0)
                    else:
                        await asyncio.sleep(self.redeliver_after)
                self._news.clear()
                if not (self.webhook["url"] and self.pending):
                    await self._news.wait()

    async def _deliver(self, session: aiohttp.ClientSession, update: Any) -> bool:
        fault = self._faults.take("webhook")
        if isinstance(fault, Dropped | Fail):
            return False
        if isinstance(fault, Slow):
            await asyncio.sleep(fault.seconds)
        headers = {}
        if self.webhook["secret"]:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self.webhook["secret"]
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with session.post(
                self.webhook["url"], json=update, headers=headers, timeout=timeout
            ) as reply:
                status = reply.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self.delivered.append((_id(update), status))
        if 200 <= status < 300 and not isinstance(fault, LostReply):
            return True
        words = f"Wrong response from the webhook: {status}" if status else "Connection refused"
        self.webhook_error = (int(time.time()), words)
        return False

    def _allow(self, params: Params) -> None:
        allowed = params.json("allowed_updates")
        if allowed is not None:
            self._allowed = allowed or None

    def _wake(self) -> None:
        self._news.set()


def _id(update: Any) -> int:
    number = update.get("update_id") if isinstance(update, dict) else None
    # What has no usable id is never confirmed.
    return number if isinstance(number, int) else 2**62
