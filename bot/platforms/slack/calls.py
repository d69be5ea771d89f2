"""The Web API, with every failure told as what the caller does next."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.platforms.port import SendGone, SendRefused, SendRetry
from bot.platforms.slack.settings import SlackSettings
from prompts.texts import Text, text
from storage import failpoints

#: The token itself is no good: nothing will work until an operator mends it.
DEAD = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
)
_GONE = frozenset({"edit_window_closed", "message_not_found", "cant_update_message"})
#: Slack's own trouble. "some aspect of the operation may have succeeded" (internal_error).
_TROUBLE = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_RATE = frozenset({"ratelimited", "rate_limited"})
_DEFAULT_PAUSE = 5.0


class Refused(SendRefused):
    """Slack said no. ``error`` is Slack's own name for why."""

    def __init__(self, method: str, error: str, detail: str = "") -> None:
        super().__init__(f"slack: {method}: {error}{detail}")
        self.error = error


class RateLimited(SendRetry):
    """Too fast. The link is well."""


class Calls:
    """One client and one connection pool for all calls; remembers the last trouble for health()."""

    def __init__(self, settings: SlackSettings, logger: logging.Logger) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        # No retry handlers: the SDK's default repeats a post whose answer was lost, and so posts it
        # twice.  The outbox repeats, and looks for the first copy before it does.
        self.client = AsyncWebClient(
            token=settings.bot_token,
            base_url=settings.api_url,
            timeout=int(settings.call_timeout) or 1,
            logger=logger,
            retry_handlers=[],
        )
        self.trouble: Text | None = text("link_not_connected_yet")
        self.last_ok = 0.0

    async def open(self) -> None:
        """Open the connection pool. Once."""
        timeout = aiohttp.ClientTimeout(total=self._settings.call_timeout)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self.client.session = self._session

    async def close(self) -> None:
        """Close the connection pool."""
        if self._session is not None:
            await self._session.close()
        self._session = self.client.session = None
        self.trouble = text("link_not_connected")

    async def __call__(
        self, method: Callable[..., Awaitable[Any]], /, **arguments: Any
    ) -> Mapping[str, Any]:
        """Call one method of ``client``; gives Slack's answer.

        Raises SendRetry (``doubt`` when the call may have been carried out), SendGone or Refused.
        """
        name = getattr(method, "__name__", "call").replace("_", ".")
        try:
            with self._told(name):
                failpoints.before(f"slack.{name}")
                answer = await method(**arguments)
                failpoints.after(f"slack.{name}")
        except RateLimited:
            raise
        except SendRetry as retry:
            self.trouble = text("link_trouble", why=str(retry))
            raise
        except Refused as refused:
            # Any answer but a dead token shows that the link itself is well.
            dead = refused.error in DEAD
            self.trouble = text("link_trouble", why=str(refused)) if dead else None
            raise
        self.trouble, self.last_ok = None, time.monotonic()
        data: Mapping[str, Any] = answer.data
        return data

    def idle(self) -> float:
        """Seconds since a call last went well."""
        return time.monotonic() - self.last_ok

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except SlackApiError as error:
            raise _told(name, error) from None
        except aiohttp.ClientConnectorError as error:
            raise SendRetry(f"slack: {name}: cannot connect ({error.os_error})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Sent, perhaps taken: only the answer is missing.
            raise SendRetry(f"slack: {name}: {type(error).__name__}", doubt=True) from None
        except SlackClientError as error:
            raise SendRetry(f"slack: {name}: {type(error).__name__}", doubt=True) from None


def _told(name: str, failure: SlackApiError) -> Exception:
    response = failure.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    data = getattr(response, "data", None)
    data = data if isinstance(data, dict) else {}
    error = str(data.get("error") or f"http_{status}")
    if status == 429 or error in _RATE:
        return RateLimited(f"slack: {name}: rate limited", _pause(response))
    if status >= 500 or error in _TROUBLE or not data:
        return SendRetry(f"slack: {name}: {error}", doubt=True)
    if name.startswith("chat.update") and error in _GONE:
        return SendGone(f"slack: {name}: {error}")
    return Refused(name, error, _detail(data))


def _pause(response: Any) -> float:
    """Retry-After in seconds."""
    raw = (getattr(response, "headers", None) or {}).get("Retry-After", "")
    return float(raw) if str(raw).isascii() and str(raw).isdigit() else _DEFAULT_PAUSE


def _detail(data: Mapping[str, Any]) -> str:
    messages = (data.get("response_metadata") or {}).get("messages") or []
    needed = data.get("needed")
    parts = [*(str(m) for m in messages[:3]), *([f"needs {needed}"] if needed else [])]
    return f" ({'; '.join(parts)})" if parts else ""
