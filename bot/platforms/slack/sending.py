"""Cards out: post, edit, whisper, form, and the file for what did not fit."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from bot.platforms.port import Draft, SendGone, SendRetry
from bot.platforms.slack.calls import Calls, Refused
from bot.platforms.slack.drawing import Attachment, Drawing, draw
from bot.platforms.slack.form import reason_view
from bot.platforms.slack.intake import Identity
from handlers.inbound import RoomAddress

log = logging.getLogger(__name__)

METADATA = "watchstander"
_PAGES, _PAGE = 5, 200  # how far back an earlier copy is looked for: the last 1000 messages
_FILES_REMEMBERED = 500
#: The bot is not in that channel, or that person is not: the person is told directly instead.
_ELSEWHERE = frozenset(
    {"channel_not_found", "not_in_channel", "user_not_in_channel", "is_archived"}
)
_TRIGGER_PASSED = frozenset({"expired_trigger_id", "trigger_expired", "invalid_trigger_id"})
_TRIGGER_USED = frozenset({"exchanged_trigger_id", "trigger_exchanged"})


class Sending:
    """Everything the bot says in one workspace. ``learn_direct`` is told of each direct channel."""

    def __init__(
        self,
        calls: Calls,
        identity: Callable[[], Identity | None],
        learn_direct: Callable[[str], None],
    ) -> None:
        self._calls = calls
        self._client = calls.client
        self._identity = identity
        self._learn_direct = learn_direct
        self._files: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def post(self, channel: str, draft: Draft) -> str:
        """Post, unless ``draft.doubt`` and an earlier copy is there. Gives the message's ts."""
        drawing = draw(draft.card, draft.language)
        thread = draft.context.get("thread")
        found = await self._renewed(channel, thread, draft, drawing) if draft.doubt else None
        if found is None:
            answer = await self._calls(
                self._client.chat_postMessage,
                channel=channel,
                thread_ts=thread,
                text=drawing.text,
                blocks=drawing.blocks,
                metadata={
                    "event_type": METADATA,
                    "event_payload": {"outbox_id": draft.outbox_id},
                },
                unfurl_links=False,
                unfurl_media=False,
                parse="none",
                mrkdwn=False,
            )
            found = str(answer["ts"])
        await self._attach(channel, found, thread or found, drawing, draft)
        return found

    async def edit(self, channel: str, message: str, draft: Draft) -> str:
        """Rewrite in place; the file is sent again only when its content changed."""
        drawing = draw(draft.card, draft.language)
        await self._update(channel, message, drawing)
        thread = draft.context.get("thread")
        await self._attach(channel, message, thread or message, drawing, draft)
        return message

    async def _update(self, channel: str, message: str, drawing: Drawing) -> None:
        await self._calls(
            self._client.chat_update,
            channel=channel,
            ts=message,
            text=drawing.text,
            blocks=drawing.blocks,
            parse="none",
        )

    async def whisper(self, channel: str, user: str, draft: Draft) -> None:
        """To one person. In a direct conversation with the bot it is a plain post."""
        drawing = draw(draft.card, draft.language, "slack_rest_in_dm")
        if channel.startswith("D"):
            if draft.context.get("direct"):
                await self.post(channel, draft)
            else:
                await self._tell_directly(user, draft)
            return
        try:
            await self._calls(
                self._client.chat_postEphemeral,
                channel=channel,
                user=user,
                thread_ts=draft.context.get("thread"),
                text=drawing.text,
                blocks=drawing.blocks,
                parse="none",
            )
        except Refused as refused:
            if refused.error not in _ELSEWHERE:
                raise
            await self._tell_directly(user, draft)
            return
        if drawing.file is not None:
            await self._upload(await self._direct(user), None, drawing.file)

    async def _tell_directly(self, user: str, draft: Draft) -> None:
        await self.post(await self._direct(user), _without_place(draft))

    async def _direct(self, user: str) -> str:
        answer = await self._calls(self._client.conversations_open, users=user)
        channel = str(answer["channel"]["id"])
        self._learn_direct(channel)
        return channel

    async def ask_reason(self, room: RoomAddress, token: str, draft: Draft) -> bool:
        """Open the modal for the trigger in the context."""
        trigger = draft.context.get("trigger_id")
        if not trigger:
            return False
        place = {**draft.context, "channel": room.address, "team": room.tenant}
        view = reason_view(token, place, draft.card, draft.language)
        try:
            await self._calls(self._client.views_open, trigger_id=trigger, view=view)
        except Refused as refused:
            if refused.error in _TRIGGER_USED:
                return draft.doubt  # used up by our own earlier try: the form is open
            if refused.error in _TRIGGER_PASSED:
                return False
            raise
        return True

    async def _renewed(
        self, channel: str, thread: str | None, draft: Draft, drawing: Drawing
    ) -> str | None:
        """The ts of an earlier try's copy, made to show what is true now; None: there is none."""
        found = await self._earlier(channel, thread, draft.outbox_id)
        if found is None:
            return None
        try:
            await self._update(channel, found, drawing)
        except SendGone:
            return None
        except SendRetry as retry:
            # The next try must look for it, too.
            raise SendRetry(str(retry), retry.delay, doubt=True) from None
        return found

    async def _earlier(self, channel: str, thread: str | None, outbox_id: int) -> str | None:
        """The ts of a copy that an earlier try left behind, by its metadata."""
        try:
            return await self._search(channel, thread, outbox_id)
        except Refused as refused:
            if refused.error != "missing_scope":
                raise
            log.warning("slack: cannot look for an earlier copy (%s): posting again", refused)
            return None
        except SendRetry as retry:
            raise SendRetry(str(retry), retry.delay, doubt=True) from None

    async def _search(self, channel: str, thread: str | None, outbox_id: int) -> str | None:
        cursor = ""
        for _ in range(_PAGES):
            wanted: dict[str, Any] = {
                "channel": channel,
                "limit": _PAGE,
                "cursor": cursor,
                "include_all_metadata": True,
            }
            if thread:
                page = await self._calls(self._client.conversations_replies, ts=thread, **wanted)
            else:
                page = await self._calls(self._client.conversations_history, **wanted)
            for message in page["messages"]:
                if self._is_ours(message, outbox_id):
                    return str(message["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return None
        return None

    def _is_ours(self, message: Mapping[str, Any], outbox_id: int) -> bool:
        me = self._identity()
        metadata = message.get("metadata") or {}
        # Any app can write metadata: it counts on our own messages only.
        return (
            me is not None
            and message.get("user") == me.user
            and metadata.get("event_type") == METADATA
            and (metadata.get("event_payload") or {}).get("outbox_id") == outbox_id
        )

    async def _attach(
        self, channel: str, message: str, thread: str, drawing: Drawing, draft: Draft
    ) -> None:
        """Put the rest into the thread as a file, once per content."""
        if drawing.file is None:
            return
        content = hashlib.sha256(drawing.file.content.encode("utf-8", "replace")).hexdigest()
        if self._files.get((channel, message)) == content:
            return
        try:
            await self._upload(channel, thread, drawing.file)
        except Refused as refused:
            # The message stands; only its note has to tell the truth now.
            log.warning("slack: the rest of a long card could not be attached: %s", refused)
            await self._update(
                channel, message, draw(draft.card, draft.language, "slack_rest_missing")
            )
            return
        except SendRetry as retry:
            # The message is up: the next try must find it instead of posting another.
            raise SendRetry(str(retry), retry.delay, doubt=True) from None
        self._files[(channel, message)] = content
        while len(self._files) > _FILES_REMEMBERED:
            self._files.popitem(last=False)

    async def _upload(self, channel: str, thread: str | None, file: Attachment) -> None:
        await self._calls(
            self._client.files_upload_v2,
            channel=channel,
            thread_ts=thread,
            filename=file.name,
            title=file.name,
            content=file.content.encode("utf-8", "replace"),
        )


def _without_place(draft: Draft) -> Draft:
    """The same words without the thread they would have gone to."""
    return Draft(draft.outbox_id, draft.cards, draft.language, {}, draft.doubt)
