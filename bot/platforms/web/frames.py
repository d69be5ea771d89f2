"""What comes in over a socket, as a checked frame. Who said it is never read from here.

Two shapes are taken: the page's own (``{"type": "say", "text"}``, ``{"type": "press", …}``) and the
message schema A8 (``{"msg_type": "CHAT", "content"}``, also with an ``interactive_action``).
``id`` names the delivery: the same id with the same content is the same delivery.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prompts.texts import Text, text
from storage.messages import METADATA

FRAME_LIMIT = 64 * 1024
"""Bytes of one frame."""
TEXT_LIMIT = 16_000
"""Characters that may be said at once; four bytes each still fit in a frame."""
REASON_LIMIT = 2_000
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class Malformed(Exception):
    """A frame that says nothing: ``text`` tells what is wrong and how to mend it."""

    def __init__(self, reason: Text, delivery: str = "") -> None:
        super().__init__(reason.key)
        self.text = reason
        self.delivery = delivery


@dataclass(frozen=True)
class Ping:
    """Is anybody there?"""


@dataclass(frozen=True)
class Said:
    """Words, or an agent's report."""

    id: str
    msg_type: str
    content: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pressed:
    """A button on a message."""

    id: str
    message_id: str
    token: str
    reason: str = ""


Frame = Ping | Said | Pressed


def read_frame(raw: str) -> Frame:
    """The frame in a text. Raises Malformed with the delivery id where one could be read."""
    body = _object(raw)
    delivery = _delivery(body)
    try:
        if body.get("type") == "ping":
            return Ping()
        if body.get("type") == "press" or isinstance(body.get("interactive_action"), dict):
            return _pressed(delivery, body)
        if body.get("type") == "say":
            return _said(delivery, "CHAT", body.get("text"), body)
        if isinstance(body.get("msg_type"), str):
            return _said(delivery, body["msg_type"], body.get("content"), body)
    except Malformed as problem:
        raise Malformed(problem.text, delivery) from None
    raise Malformed(text("web_error_frame"), delivery)


def fingerprint(frame: Said | Pressed) -> str:
    """A short hash of what a frame says, so that a reused id never hides something new."""
    return hashlib.sha256(repr(frame).encode()).hexdigest()[:16]


def _object(raw: str) -> dict[str, Any]:
    if len(raw.encode("utf-8", "surrogatepass")) > FRAME_LIMIT:
        raise Malformed(text("web_error_too_long", limit=TEXT_LIMIT))
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Malformed(text("web_error_frame")) from None
    if not isinstance(body, dict):
        raise Malformed(text("web_error_frame"))
    return body


def _delivery(body: Mapping[str, Any]) -> str:
    given = body.get("id")
    if given is None:
        return secrets.token_hex(16)
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise Malformed(text("web_error_id"))
    return given


def _said(delivery: str, msg_type: str, content: object, body: Mapping[str, Any]) -> Said:
    words = _string(content, TEXT_LIMIT).strip()
    if not words:
        raise Malformed(text("web_error_empty"))
    return Said(delivery, msg_type, words, _metadata(body.get("itsm_metadata")))


def _pressed(delivery: str, body: Mapping[str, Any]) -> Pressed:
    action = body.get("interactive_action")
    holder = action if isinstance(action, dict) else body
    return Pressed(
        delivery,
        _string(body.get("message_id"), 64),
        _string(holder.get("command_code"), 64),
        _string(body.get("reason") or "", REASON_LIMIT).strip(),
    )


def _string(value: object, limit: int) -> str:
    if not isinstance(value, str):
        raise Malformed(text("web_error_frame"))
    if len(value) > limit:
        raise Malformed(text("web_error_too_long", limit=limit))
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Malformed(text("web_error_characters"))
    return value


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: _string(value[name], 200) for name in METADATA if value.get(name) is not None}
