"""HTTP mode's front door: size, signature and repetition are checked before anything is parsed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

Answer = tuple[int, dict[str, str], bytes]
Dispatch = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]

WINDOW = 300  # seconds a signature is good for, either way; Slack's own number
REMEMBERED = 50_000  # signatures; about 160 deliveries a second for the whole window
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


class Door:
    """Lets Slack's own requests in, each once. ``wall`` is seconds since 1970."""

    def __init__(
        self, secret: str, max_body: int, dispatch: Dispatch, wall: Callable[[], float]
    ) -> None:
        if not secret.strip():
            raise ValueError("slack: signing_secret is empty; HTTP mode needs it")
        self._secret = secret.encode()
        self._max_body = max_body
        self._dispatch = dispatch
        self._wall = wall
        self._seen: dict[tuple[int, str], asyncio.Future[Answer]] = {}

    async def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Slack's request in; status, headers and body out. Bad input is answered, not raised."""
        if len(body) > self._max_body:
            return _says(413, "too large")
        lower = {key.lower(): value for key, value in headers.items()}
        key = self._verified(body, lower)
        if key is None:
            return _says(401, "invalid signature")
        known = self._seen.get(key)
        if known is not None:
            return await asyncio.shield(known)
        return await self._first(key, body, lower)

    async def _first(self, key: tuple[int, str], body: bytes, headers: Mapping[str, str]) -> Answer:
        self._forget()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._seen[key] = answer
        try:
            told = await self._pass_on(body, headers)
        except BaseException:
            self._seen.pop(key, None)
            answer.set_result(_says(503, "not taken"))
            raise
        if told[0] != 200:
            self._seen.pop(key, None)  # it was not taken: a repetition may try again
        answer.set_result(told)
        return told

    def _verified(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str] | None:
        stamp = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        if not _TIMESTAMP.fullmatch(stamp) or not _SIGNATURE.fullmatch(signature):
            return None
        if abs(self._wall() - int(stamp)) > WINDOW:
            return None
        signed = b"v0:" + stamp.encode() + b":" + body
        expected = "v0=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        return (int(stamp), signature) if hmac.compare_digest(expected, signature) else None

    async def _pass_on(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            parsed = parse(body.decode("utf-8"))
        except (ValueError, RecursionError):
            return _says(400, "unreadable body")
        request = AsyncBoltRequest(body="", headers=dict(headers))
        # Bolt's own parser takes a form that merely holds the word "payload" for an empty body.
        request.body = parsed
        response = await self._dispatch(request)
        kind = response.headers.get("content-type", ["text/plain"])
        content_type = kind if isinstance(kind, str) else kind[0]
        return response.status, {"content-type": content_type}, (response.body or "").encode()

    def _forget(self) -> None:
        """Drop, oldest first, what the clock refuses by now anyway, and what is too many."""
        oldest = self._wall() - WINDOW
        while self._seen:
            first = next(iter(self._seen))
            if first[0] >= oldest and len(self._seen) < REMEMBERED:
                return
            del self._seen[first]


def parse(body: str) -> dict[str, Any]:
    """Slack's three kinds of body: JSON (events), a form (commands), a form with JSON (presses).

    Raises ValueError for anything else.
    """
    if body.startswith("{"):
        return _object(body)
    form = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=100))
    if "command" not in form and "payload" in form:
        return _object(form["payload"])
    return dict(form)


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _says(status: int, words: str) -> Answer:
    return status, {"content-type": "text/plain"}, words.encode()
