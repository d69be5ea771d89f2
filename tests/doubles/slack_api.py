"""The Slack double's Web API: the methods the bot may call, strict about every argument."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.doubles.slack_rules import Breach, check_message, check_view
from tests.doubles.slack_state import Channel, Message, Upload

if TYPE_CHECKING:
    from tests.doubles.slack import SlackDouble

_STRUCTURED = ("blocks", "metadata", "view", "files")


@dataclass
class Fault:
    """What goes wrong with one call."""

    error: str = ""  #: answered instead of carried out
    status: int = 200
    retry_after: int | None = None
    lose_reply: bool = False  #: carried out, then the connection breaks
    hang: bool = False  #: carried out, and never answered
    drop: bool = False  #: the connection breaks before anything is carried out


@dataclass
class Faults:
    """Faults for the next calls, by method."""

    planned: dict[str, list[Fault]] = field(default_factory=dict)

    def next(self, method: str, *, times: int = 1, **how: Any) -> None:
        """The next ``times`` calls of ``method`` go wrong: see Fault for how.

        ``retry_after=2`` alone means 429 with that header; ``status=503`` a server error.
        """
        fault = Fault(**how)
        if fault.retry_after is not None and fault.status == 200:
            fault.status, fault.error = 429, "ratelimited"
        self.planned.setdefault(method, []).extend([fault] * times)

    def take(self, method: str) -> Fault | None:
        waiting = self.planned.get(method)
        return waiting.pop(0) if waiting else None


class WebApi:
    """POST/GET /api/<method> and /upload/<id>."""

    def __init__(self, slack: SlackDouble) -> None:
        self.slack = slack
        self.methods = {
            "auth.test": self.auth_test,
            "apps.connections.open": self.connections_open,
            "chat.postMessage": self.post_message,
            "chat.postEphemeral": self.post_ephemeral,
            "chat.update": self.update,
            "chat.delete": self.delete,
            "views.open": self.views_open,
            "views.update": self.views_update,
            "conversations.history": self.history,
            "conversations.replies": self.replies,
            "conversations.info": self.info,
            "conversations.open": self.open_direct,
            "users.conversations": self.users_conversations,
            "users.info": self.users_info,
            "files.getUploadURLExternal": self.upload_url,
            "files.completeUploadExternal": self.upload_done,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call, with its fault if one is planned."""
        method = request.match_info["method"]
        arguments = await _arguments(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.slack.note_call(method, arguments)
        fault = self.slack.faults.take(method)
        if fault is not None and fault.drop:
            return _broken(request)
        if fault is not None and (fault.error or fault.status != 200):
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
            answer = {"ok": False, "error": fault.error or "internal_error"}
            return web.json_response(answer, status=fault.status, headers=headers)
        answer = self._answer(method, token, arguments)
        if fault is not None and fault.hang:
            await asyncio.Event().wait()
        if fault is not None and fault.lose_reply:
            return _broken(request)
        return web.json_response(answer)

    def _answer(self, method: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            if method not in self.methods:
                raise Breach("unknown_method", method)
            known = (
                self.slack.app_token if method == "apps.connections.open" else self.slack.bot_token
            )
            if self.slack.dead_error or token != known:
                return {"ok": False, "error": self.slack.dead_error or "invalid_auth"}
            return {"ok": True, **self.methods[method](arguments)}
        except Refusal as refusal:
            return {"ok": False, "error": str(refusal)}
        except Breach as breach:
            self.slack.violations.append(f"{method}: {breach}")
            messages = [f"[ERROR] {breach.detail}"]
            return {
                "ok": False,
                "error": breach.error,
                "response_metadata": {"messages": messages},
            }

    def auth_test(self, _: dict[str, Any]) -> dict[str, Any]:
        s = self.slack
        return {"team_id": s.team, "user_id": s.bot_user, "bot_id": s.bot_id, "url": "", "team": ""}

    def connections_open(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"url": f"{self.slack.url.replace('http', 'ws', 1)}/link/?ticket=one-time-secret"}

    def post_message(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        self._content(arguments)
        for name in ("unfurl_links", "unfurl_media"):
            if arguments.get(name) is not False:
                raise Breach("live_markup", f"{name} is on")
        if arguments.get("parse") not in ("none", None):
            raise Breach("live_markup", "parse is not none")
        message = self._put(channel, arguments, None)
        self.slack.echo(message, None)
        return {"channel": channel.id, "ts": message.ts, "message": _raw(message)}

    def post_ephemeral(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        self._content(arguments)
        user = arguments.get("user", "")
        if user not in channel.members:
            raise Refusal("user_not_in_channel")
        return {"message_ts": self._put(channel, arguments, user).ts}

    def update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        message = self._message(channel, arguments)
        if not message.by_bot:
            raise Refusal("cant_update_message")
        if not message.editable:
            raise Refusal("edit_window_closed")
        self._content(arguments)
        if arguments.get("parse") != "none":  # chat.update's own default is "client"
            raise Breach("live_markup", "parse is not none")
        message.text, message.blocks = arguments["text"], arguments.get("blocks") or []
        message.edits += 1
        self.slack.echo(message, "message_changed")
        self.slack.changed()
        return {"channel": channel.id, "ts": message.ts, "text": message.text}

    def delete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        self._message(channel, arguments).deleted = True
        self.slack.changed()
        return {"channel": channel.id, "ts": arguments["ts"]}

    def views_open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        user = self.slack.use_trigger(arguments.get("trigger_id", ""))
        check_view(arguments["view"])
        view = self.slack.open_view(user, arguments["view"])
        return {"view": {"id": view.id, **view.view}}

    def views_update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        check_view(arguments["view"])
        for view in self.slack.views:
            if view.id == arguments.get("view_id"):
                view.view = arguments["view"]
                return {"view": {"id": view.id, **view.view}}
        raise Refusal("not_found")

    def history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        tops = [m for m in channel.messages if m.thread_ts in (None, m.ts)]
        return self._page(arguments, list(reversed(tops)))

    def replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        root = arguments.get("ts")
        found = [m for m in channel.messages if root in (m.ts, m.thread_ts)]
        if not found:
            raise Refusal("thread_not_found")
        return self._page(arguments, found)

    def _page(self, arguments: dict[str, Any], found: list[Message]) -> dict[str, Any]:
        limit = int(arguments.get("limit") or 100)
        if not 1 <= limit <= 999:
            raise Breach("invalid_limit", str(limit))
        start = int(arguments.get("cursor") or 0)
        found = [m for m in found if not m.deleted and m.only_for is None]
        more = start + limit < len(found)
        metadata = str(arguments.get("include_all_metadata")) in ("1", "True", "true")
        return {
            "messages": [_raw(m, metadata) for m in found[start : start + limit]],
            "has_more": more,
            "response_metadata": {"next_cursor": str(start + limit) if more else ""},
        }

    def info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        return {"channel": {"id": channel.id, "name": channel.name, "is_im": channel.kind == "im"}}

    def open_direct(self, arguments: dict[str, Any]) -> dict[str, Any]:
        user = arguments.get("users", "")
        if user not in self.slack.people:
            raise Refusal("user_not_found")
        return {"channel": {"id": self.slack.direct(user).id}}

    def users_conversations(self, arguments: dict[str, Any]) -> dict[str, Any]:
        kinds = str(arguments.get("types", "public_channel"))
        if kinds != "im":
            raise Breach("invalid_types", kinds)
        found = [c for c in self.slack.channels.values() if c.kind == "im" and c.bot_in]
        return {"channels": [{"id": channel.id, "is_im": True} for channel in found]}

    def users_info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        person = self.slack.people.get(arguments.get("user", ""))
        if person is None:
            raise Refusal("user_not_found")
        return {"user": {"id": person.id, "name": person.name, "team_id": person.team}}

    def upload_url(self, arguments: dict[str, Any]) -> dict[str, Any]:
        length = int(arguments.get("length") or 0)
        if length < 1 or not arguments.get("filename"):
            raise Breach("invalid_arguments", "filename and length are needed")
        upload = Upload(self.slack.new_id("F"), str(arguments["filename"]), length)
        self.slack.uploads[upload.id] = upload
        return {"upload_url": f"{self.slack.url}/upload/{upload.id}", "file_id": upload.id}

    def upload_done(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel({"channel": arguments.get("channel_id")})
        files = [self.slack.uploads[item["id"]] for item in arguments["files"]]
        if any(file.content is None for file in files):
            raise Breach("file_not_found", "completed before it was uploaded")
        message = Message(
            channel=channel.id,
            ts=self.slack.new_ts(),
            user=self.slack.bot_user,
            text=arguments.get("initial_comment") or "",
            thread_ts=arguments.get("thread_ts"),
            by_bot=True,
            files=files,
        )
        channel.messages.append(message)
        self.slack.changed()
        return {"files": [{"id": file.id, "title": file.name} for file in files]}

    async def take_upload(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a file."""
        upload = self.slack.uploads[request.match_info["id"]]
        content = await request.read()
        if len(content) != upload.length:
            self.slack.violations.append(f"upload: {len(content)} bytes, {upload.length} promised")
            return web.Response(status=400)
        upload.content = content
        return web.Response(text=f"OK - {len(content)}", content_type="text/plain")

    def _content(self, arguments: dict[str, Any]) -> None:
        check_message(arguments)

    def _channel(self, arguments: dict[str, Any]) -> Channel:
        channel = self.slack.channels.get(arguments.get("channel") or "")
        if channel is None or (channel.kind == "im" and not channel.bot_in):
            raise Refusal("channel_not_found")
        if channel.archived:
            raise Refusal("is_archived")
        if not channel.bot_in:
            raise Refusal("not_in_channel")
        return channel

    def _message(self, channel: Channel, arguments: dict[str, Any]) -> Message:
        for message in channel.messages:
            seen = not message.deleted and message.only_for is None
            if seen and message.ts == arguments.get("ts"):
                return message
        raise Refusal("message_not_found")

    def _put(self, channel: Channel, arguments: dict[str, Any], only_for: str | None) -> Message:
        message = Message(
            channel=channel.id,
            ts=self.slack.new_ts(),
            user=self.slack.bot_user,
            text=arguments.get("text") or "",
            blocks=arguments.get("blocks") or [],
            thread_ts=arguments.get("thread_ts"),
            metadata=arguments.get("metadata"),
            by_bot=True,
            only_for=only_for,
        )
        channel.messages.append(message)
        self.slack.changed()
        return message


class Refusal(Exception):
    """An ordinary "no" of Slack's: the bot did nothing wrong."""


def _raw(message: Message, with_metadata: bool = False) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "type": "message",
        "ts": message.ts,
        "user": message.user,
        "text": message.text,
        "blocks": message.blocks,
    }
    if message.thread_ts:
        raw["thread_ts"] = message.thread_ts
    if with_metadata and message.metadata:
        raw["metadata"] = message.metadata
    return raw


async def _arguments(request: web.Request) -> dict[str, Any]:
    found: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        found |= await request.json()
    else:
        found |= dict(await request.post())
    for name in _STRUCTURED:
        if isinstance(found.get(name), str):
            found[name] = json.loads(found[name])
    return found


def _broken(request: web.Request) -> web.StreamResponse:
    """The connection ends without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
