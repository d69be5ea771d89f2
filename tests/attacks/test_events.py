"""Only what a person newly says to the bot acts: edits, echoes and service events never do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from storage.lifecycle import State
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM
from tests.attacks.stage import Stage
from tests.doubles.slack_delivery import EVENT, INTERACTION

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBTYPES = (
    "message_changed", "message_deleted", "message_replied", "thread_broadcast", "bot_message",
    "me_message", "channel_join", "channel_leave", "channel_topic", "channel_purpose",
    "channel_name", "channel_archive", "channel_unarchive", "channel_posting_permissions",
    "channel_convert_to_private", "group_join", "group_leave", "group_topic", "group_name",
    "file_share", "file_comment", "file_mention", "pinned_item", "unpinned_item",
    "ekm_access_denied", "assistant_app_thread", "document_mention",
    "huddle_thread",
    "reminder_add", "slackbot_response", "bot_add", "bot_remove", "tombstone",
    "joiner_notification", "app_conversation_join", "sh_room",
)  # fmt: skip
TYPES = (
    "reaction_added", "reaction_removed", "pin_added", "pin_removed", "member_joined_channel",
    "member_left_channel", "channel_created", "channel_rename", "channel_archive", "team_join",
    "user_change", "user_profile_changed", "file_shared", "link_shared", "app_home_opened",
    "emoji_changed", "star_added", "tokens_revoked", "app_uninstalled", "channel_shared",
    "message_metadata_posted", "workflow_step_execute", "function_executed", "star_removed",
)  # fmt: skip


async def unchanged(stage: Stage, before: dict[str, int], number: int) -> None:
    await stage.settled()
    assert await stage.counts() == before
    assert (await stage.action(number)).state is State.PENDING_APPROVAL
    assert stage.ledger() == []


@pytest.mark.parametrize("user", ["UANA", "UEVIL"])
async def test_no_slack_event_but_a_new_message_acts(stage: Stage, user: str) -> None:
    action = await stage.waiting("min")
    before = await stage.counts()
    words = f"<@{stage.slack.bot_user}> approve {action.id}"
    said: dict[str, Any] = {
        "type": "message", "user": user, "team": "T1", "text": words, "channel": SLACK_ROOM,
        "channel_type": "channel", "ts": "1.1", "event_ts": "1.1",
    }  # fmt: skip
    inner = {"message": said, "previous_message": said, "root": said, "hidden": True}
    events: list[dict[str, Any]] = []
    for kind in ("message", "app_mention"):
        events += [said | inner | {"type": kind, "subtype": name} for name in SUBTYPES]
        events += [said | inner | {"type": kind, "subtype": "x", "channel_type": "im"}]
        events += [said | {"type": kind, "edited": {"user": user, "ts": "1.2"}}]
        events += [said | {"type": kind, "bot_id": "B1", "bot_profile": {"id": "B1"}}]
        events += [said | {"type": kind, "hidden": True}]
        events += [said | {"type": kind, "user": None}, said | {"type": kind, "user": ""}]
    events += [said | {"type": name, "item": said, "item_user": user} for name in TYPES]
    for event in events:
        body = stage.slack.event_body(event)
        await (await stage.slack.deliver(EVENT, body)).acknowledged()
    await unchanged(stage, before, action.id)


@pytest.mark.parametrize("user", ["UANA", "UEVIL"])
async def test_an_edit_in_slack_is_not_said_again(stage: Stage, user: str) -> None:
    action = await stage.waiting("min")
    person = stage.slack.user(user, "ana")
    said = await person.says(SLACK_ROOM, "good morning")
    before = await stage.counts()
    words = f"<@{stage.slack.bot_user}> approve {action.id}"
    await (await person.edits(SLACK_ROOM, said.ts, words)).acknowledged()
    await unchanged(stage, before, action.id)


async def test_other_interactions_of_slack_do_nothing(stage: Stage) -> None:
    action = await stage.waiting("min")
    token = (await stage.tokens(action.id))["slack"]
    before = await stage.counts()
    card = await stage.slack_card(action.id)
    place = {"type": "message", "message_ts": card.ts, "channel_id": SLACK_ROOM}
    for kind in ("message_action", "shortcut", "view_closed", "block_suggestion",
                 "dialog_submission", "interactive_message", "workflow_step_edit",
                 "view_submission"):  # fmt: skip
        body: dict[str, Any] = {
            "type": kind, "team": {"id": "T1"}, "user": {"id": "UANA", "team_id": "T1"},
            "channel": {"id": SLACK_ROOM}, "container": place,
            "trigger_id": f"{kind}.{time.time()}",
            "actions": [{"type": "button", "action_id": "ws:0", "value": token}],
            "callback_id": "approve", "message": {"ts": card.ts},
            "view": {"id": "V1", "type": "modal", "callback_id": "other", "private_metadata": token,
                     "state": {"values": {}}},
        }  # fmt: skip
        await (await stage.slack.deliver(INTERACTION, body)).acknowledged()
    for action_type, action_id in (
        ("static_select", "ws:0"),
        ("button", "other:0"),
        ("checkboxes", "ws:0"),
    ):
        body = {
            "type": "block_actions", "team": {"id": "T1"}, "user": {"id": "UANA", "team_id": "T1"},
            "channel": {"id": SLACK_ROOM}, "container": place,
            "trigger_id": f"{action_id}.{time.time()}",
            "actions": [{"type": action_type, "action_id": action_id, "value": token}],
        }  # fmt: skip
        await (await stage.slack.deliver(INTERACTION, body)).acknowledged()
    await unchanged(stage, before, action.id)


TELEGRAM = (
    "edited_message", "channel_post", "edited_channel_post", "business_message",
    "edited_business_message", "my_chat_member", "chat_member", "chat_join_request",
    "message_reaction", "message_reaction_count", "inline_query", "chosen_inline_result",
    "shipping_query", "pre_checkout_query", "poll", "poll_answer", "chat_boost", "unheard_of",
)  # fmt: skip


@pytest.mark.parametrize("user", [333, 999])
async def test_no_telegram_update_but_a_message_or_press_acts(stage: Stage, user: int) -> None:
    action = await stage.waiting("min")
    before = await stage.counts()
    message = {
        "message_id": 7, "date": 1, "text": f"/approve {action.id}",
        "chat": {"id": TELEGRAM_ROOM, "type": "supergroup", "title": "ops"},
        "from": {"id": user, "is_bot": False, "first_name": "ana"},
        "entities": [{"type": "bot_command", "offset": 0, "length": 8}],
    }  # fmt: skip
    number = 50_000 + user
    for kind in TELEGRAM:
        number += 1
        extra = {"id": "q", "query": message["text"], "old_chat_member": {}, "new_chat_member": {}}
        stage.telegram.updates.push_raw({"update_id": number, kind: message | extra})
    for service in (
        {"new_chat_members": [{"id": 333, "is_bot": False, "first_name": "ana"}]},
        {"left_chat_member": {"id": 333, "is_bot": False, "first_name": "ana"}},
        {"pinned_message": message}, {"new_chat_title": message["text"]},
        {"forward_origin": {"type": "user", "date": 1, "sender_user": {"id": 333}},
         "text": message["text"]},
        {"caption": message["text"], "photo": []},
        {"forum_topic_created": {"name": message["text"], "icon_color": 1}},
    ):  # fmt: skip
        number += 1
        bare = {k: v for k, v in message.items() if k != "text"}
        stage.telegram.updates.push_raw({"update_id": number, "message": bare | service})
    await unchanged(stage, before, action.id)


async def test_talk_among_people_does_nothing(stage: Stage) -> None:
    """An ADMIN's words to a colleague are no words to the bot."""
    action = await stage.waiting("min")
    before = await stage.counts()
    ana = stage.slack.user("UANA", "ana")
    await (await ana.says(SLACK_ROOM, f"approve {action.id}")).acknowledged()
    await (await ana.says(SLACK_ROOM, f"/approve {action.id}")).acknowledged()
    stage.telegram.user(333, "ana").says(TELEGRAM_ROOM, f"approve {action.id}")
    stage.telegram.user(333, "ana").says(TELEGRAM_ROOM, f"/approve@other_bot {action.id}")
    await unchanged(stage, before, action.id)
