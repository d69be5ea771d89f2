"""What a messenger sends: who may send it, and whether it is well formed.

Beside messages a program may send an ``alert``, which becomes an incident; it has no text then.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.platforms.messenger.settings import MessengerSettings
from engine.incidents import reports
from engine.incidents.reports import Report

TEXT_LIMIT = 16_000
_NAME_LIMIT = 200
_DETAIL_LIMIT = 100_000
_FILES = 20
_FIELDS = {"room", "user", "text", "files", "message_id", "command_code", "alert"}
_ALERT_FIELDS = {"status", "severity", "summary", "detail", "asset", "fingerprint"}
_STATUS = {"firing": True, "resolved": False}


class BadMessage(Exception):
    """The message cannot be taken: ``status`` for HTTP; the text names what, where and the mend."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Incoming:
    """One checked message."""

    room: str
    user: str
    text: str
    message_id: str
    files: tuple[Mapping[str, Any], ...] = field(default=())
    command_code: str = ""
    """The ``command_code`` of a card's button, from messengers that have buttons."""
    alert: Report | None = None
    """What fires, or is over; its source is still to be named. None in a message."""


def source_of(settings: MessengerSettings, authorization: str) -> str | None:
    """The source whose secret a request carries; None when it is nobody's."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    found = None
    for name, secret in settings.secrets.items():
        # All are compared, so that the time tells nothing; an empty secret is nobody's.
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), secret.encode())
        if secret and same:
            found = name
    return found


def read_message(body: bytes) -> Incoming:
    """The message in a request body. Raises BadMessage."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        raise BadMessage(422, "the body is not JSON; send {room, user, text}") from None
    if not isinstance(raw, dict):
        raise BadMessage(422, "the body is not an object; send {room, user, text}")
    unknown = sorted(set(raw) - _FIELDS)
    if unknown:
        raise BadMessage(422, f"unknown fields {unknown[:5]}; known are {sorted(_FIELDS)}")
    code = _string(raw, "command_code", 64)
    message = Incoming(
        room=_string(raw, "room", _NAME_LIMIT),
        user=_string(raw, "user", _NAME_LIMIT),
        text=_string(raw, "text", TEXT_LIMIT).strip(),
        message_id=_string(raw, "message_id", _NAME_LIMIT) or secrets.token_hex(16),
        files=_files(raw.get("files") or []),
        command_code=code,
        alert=_alert(raw["alert"]) if raw.get("alert") is not None else None,
    )
    for name in ("room", "user"):
        if not getattr(message, name):
            raise BadMessage(422, f"{name}: is missing or empty; send {{room, user, text}}")
    if message.alert is not None:
        if message.text or message.files or code:
            raise BadMessage(422, "alert: comes alone; send text, files or command_code without it")
        return message
    if not (message.text or message.files or code):
        raise BadMessage(422, "text: is missing or empty; send {room, user, text}")
    return message


def _string(raw: Mapping[str, Any], name: str, limit: int) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadMessage(422, f"{name}: must be text")
    if len(value) > limit:
        raise BadMessage(422, f"{name}: is longer than {limit} characters; shorten it")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadMessage(422, f"{name}: holds NUL or broken Unicode; remove it")
    return value


def _files(raw: object) -> tuple[Mapping[str, Any], ...]:
    """Names and sizes only: the files themselves are not taken here."""
    if not isinstance(raw, list) or len(raw) > _FILES:
        raise BadMessage(422, f"files: must be a list of at most {_FILES}")
    found = []
    for number, item in enumerate(raw):
        size = item.get("size", 0) if isinstance(item, dict) else None
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise BadMessage(422, f"files[{number}]: must be {{name, size}}, size in bytes")
        found.append({"name": _string(item, "name", _NAME_LIMIT), "size": size})
    return tuple(found)


def _alert(raw: object) -> Report:
    """The report of an alert; texts are cleaned when it is taken, as from every other door."""
    if not isinstance(raw, dict):
        raise BadMessage(422, "alert: must be an object; send {status, severity, summary}")
    unknown = sorted(set(raw) - _ALERT_FIELDS)
    if unknown:
        raise BadMessage(
            422, f"alert: unknown fields {unknown[:5]}; known: {sorted(_ALERT_FIELDS)}"
        )
    status = _string(raw, "status", _NAME_LIMIT) or "firing"
    if status not in _STATUS:
        raise BadMessage(422, "alert.status: must be firing or resolved")
    severity = _string(raw, "severity", _NAME_LIMIT) or "P2"
    if reports.severity_of(severity) is None:
        raise BadMessage(422, f"alert.severity: must be one of {', '.join(reports.SEVERITIES)}")
    summary = _string(raw, "summary", reports.SUMMARY_LIMIT)
    if not summary.strip():
        raise BadMessage(422, "alert.summary: is missing or empty; say in one line what is wrong")
    return Report(
        source="messenger",
        severity=severity,
        summary=summary,
        fingerprint=_string(raw, "fingerprint", _NAME_LIMIT),
        firing=_STATUS[status],
        detail=_string(raw, "detail", _DETAIL_LIMIT),
        asset=_string(raw, "asset", _NAME_LIMIT) or None,
    )
