"""A kept delivery as an event. Pure; an allowlist: what is not named here is not acted on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.platforms.slack import form
from bot.platforms.slack.intake import SOURCE, channel_of
from handlers.inbound import Event, EventKind, RoomAddress, Speaker

Raw = Mapping[str, Any]

#: <@U1>, <#C1|general>, <!here>, <https://x|x>: Slack's markup for what it recognised in a text.
#: Anything else between angle brackets was typed, and stays.
_MARKED = re.compile(
    r"<(?:(?P<sign>[@#])(?P<id>[A-Z0-9]+)|(?P<bang>![a-z][^<>|]*)|(?P<link>[a-z][a-z0-9+.-]*:[^<>|]*))"
    r"(?:\|(?P<label>[^<>]*))?>"
)


def read(raw: Raw) -> Event | None:
    """The event in a kept delivery; None when there is nothing to act on.

    Raises KeyError, TypeError or ValueError on a body that is not as Slack documents it.
    """
    body: Raw = raw["body"]
    if "command" in body:
        return _command(raw, body)
    match body.get("type"):
        case "event_callback":
            return _event(raw, body)
        case "block_actions":
            return _button(raw, body)
        case "view_submission":
            return _form(raw, body)
    return None


def _command(raw: Raw, body: Raw) -> Event:
    line = f"{body['command']} {plain(body.get('text') or '')}".strip()
    return Event(
        kind=EventKind.COMMAND,
        room=RoomAddress(SOURCE, _key(body["team_id"]), _key(body["channel_id"])),
        speaker=Speaker(SOURCE, _key(body["team_id"]), _key(body["user_id"])),
        text=line,
        direct=bool(raw.get("direct")),
        room_name=str(body.get("channel_name") or ""),
        context=_context(
            raw,
            body,
            trigger_id=body.get("trigger_id"),
            ephemeral=True,
            direct=bool(raw.get("direct")),
        ),
    )


def _event(raw: Raw, body: Raw) -> Event | None:
    event: Raw = body["event"]
    kind = event.get("type")
    if kind not in ("message", "app_mention") or not _said_by_a_person(raw, event):
        return None
    me = raw["bot"]["user"]
    direct = kind == "message" and event.get("channel_type") == "im"
    mentioned = _mention(me).search(event.get("text") or "")
    if kind == "message" and mentioned and not direct:
        return None  # the same words come as app_mention
    thread = event.get("thread_ts")
    to_bot = direct or kind == "app_mention" or event.get("parent_user_id") == me
    return Event(
        kind=EventKind.WORDS if to_bot else EventKind.OVERHEARD,
        room=RoomAddress(SOURCE, _home(body), _key(event["channel"])),
        speaker=Speaker(SOURCE, _speaker_team(body, event), _key(event["user"])),
        text=plain(event.get("text") or "", me),
        direct=direct,
        context=_context(raw, body, thread=thread, ts=event.get("ts"), direct=direct),
    )


def _said_by_a_person(raw: Raw, event: Raw) -> bool:
    # Every subtype, edit and bot message is left out: only what a person newly said counts.
    strange = event.get("subtype") or event.get("bot_id") or event.get("edited")
    user = event.get("user")
    return not strange and bool(user) and user != raw["bot"]["user"] and not event.get("hidden")


def _button(raw: Raw, body: Raw) -> Event | None:
    action: Raw = body["actions"][0]
    if action.get("type") != "button" or not str(action.get("action_id", "")).startswith("ws:"):
        return None
    container: Raw = body["container"]
    if container.get("type") != "message":
        return None
    message = str(container["message_ts"])
    direct = bool(raw.get("direct"))
    return Event(
        kind=EventKind.BUTTON,
        room=RoomAddress(SOURCE, raw["bot"]["team"], channel_of(body)),
        speaker=_presser(body),
        button=str(action["value"]),
        message=message,
        direct=direct,
        context=_context(
            raw,
            body,
            trigger_id=body.get("trigger_id"),
            message=message,
            thread=container.get("thread_ts"),
            ephemeral=bool(container.get("is_ephemeral")),
            direct=direct,
        ),
    )


def _form(raw: Raw, body: Raw) -> Event | None:
    filled = form.answer(body["view"])
    if filled is None:
        return None
    place, typed = filled
    return Event(
        kind=EventKind.FORM,
        room=RoomAddress(SOURCE, str(place["team"]), str(place["channel"])),
        speaker=_presser(body),
        text=typed,
        button=str(place["token"]),
        message=str(place.get("message", "")),
        direct=bool(place.get("direct")),
        context=_context(
            raw,
            body,
            trigger_id=body.get("trigger_id"),
            message=place.get("message"),
            thread=place.get("thread"),
            direct=bool(place.get("direct")),
        ),
    )


def _presser(body: Raw) -> Speaker:
    """The user id together with the user's own workspace: ids are only unique within one."""
    user: Raw = body["user"]
    team = user.get("team_id") or (body.get("team") or {}).get("id")
    return Speaker(SOURCE, str(team), str(user["id"]))


def _key(value: Any) -> str:
    """An id as Slack writes it. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"an id of Slack is text, not {type(value).__name__}")
    return value


def _home(body: Raw) -> str:
    """The workspace through which the bot got the event."""
    return str(body.get("context_team_id") or body["team_id"])


def _speaker_team(body: Raw, event: Raw) -> str:
    """The speaker's own workspace; in a shared channel it is not the bot's."""
    team = event.get("user_team") or event.get("team") or event.get("source_team")
    return str(team or body["team_id"])


def _context(raw: Raw, body: Raw, **known: Any) -> dict[str, Any]:
    """What an answer needs: thread, trigger, the message; only what there is."""
    team = {"team": raw["bot"]["team"], "channel": channel_of(body)}
    return team | {key: value for key, value in known.items() if value}


def plain(text: str, me: str = "") -> str:
    """Slack's markup as the person saw it, without the mention of ``me`` (the bot's user id)."""
    if me:
        text = _mention(me).sub(" ", text).strip()
    text = _MARKED.sub(_seen, text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _mention(me: str) -> re.Pattern[str]:
    return re.compile(rf"[ \t]*<@{re.escape(me)}(?:\|[^<>]*)?>[ \t]*")


def _seen(found: re.Match[str]) -> str:
    label = found["label"]
    if found["bang"]:
        return "@" + (label or found["bang"][1:]).removeprefix("@")
    if found["link"]:
        return label or found["link"]
    return f"{found['sign']}{label or found['id']}"
