"""Slack: cards go out once, are edited in place, and every failure says what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.platforms.port import SendGone, SendRefused, SendRetry
from handlers.card import Button, Card, Field, Tone
from handlers.inbound import RoomAddress
from storage.database import Database
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_rig import ROOM, Rig, draft, rig

CARD = Card(
    title="Restart nginx",
    text="kim asks",
    tone=Tone.WAITING,
    fields=(Field("Risk", "HIGH"), Field("Host", "web-01 & <!channel>")),
    code="web-01: systemctl restart nginx",
    note="ID 17",
    buttons=(Button("Approve", "ta", "good"), Button("Reject", "tr", "danger")),
)
LONG = Card(title="Log", code="\n".join(f"line {n}" for n in range(2000)), overflow_name="log.txt")


@pytest.fixture
async def one(db: Database) -> AsyncIterator[Rig]:
    async with rig(db, "http") as made:
        made.slack.echo_own_messages = False
        yield made
        assert made.slack.violations == []


def posted(one: Rig) -> int:
    return len([m for m in one.slack.screen("C1") if m.by_bot and not m.files])


# Posting


async def test_a_card_is_posted_as_it_is_meant(one: Rig) -> None:
    ts = await one.platform.post(ROOM, draft(CARD))
    (read,) = one.slack.screen("C1")
    assert read.ts == ts
    assert read.title == "⏳ Restart nginx"
    assert read.code == "web-01: systemctl restart nginx"
    assert "Host\nweb-01 & <!channel>" in read.text
    assert read.buttons == {"Approve": "ta", "Reject": "tr"}
    (call,) = one.slack.calls("chat.postMessage")
    assert (call["unfurl_links"], call["unfurl_media"], call["parse"]) == (False, False, "none")
    assert call["text"] == "⏳ Restart nginx kim asks"
    assert call["metadata"]["event_payload"] == {"outbox_id": 1}


@pytest.mark.parametrize("language", ["en", "ko", "zh-TW"])
async def test_the_rooms_language(one: Rig, language: str) -> None:
    await one.platform.post(ROOM, draft(LONG, language=language))
    assert "log.txt" in one.slack.screen("C1")[0].note


async def test_an_answer_goes_to_the_thread_it_was_asked_in(one: Rig) -> None:
    said = await (await one.slack.user("U2").says("C1", "slow today")).acknowledged()
    kim = one.slack.user("U1")
    await (await kim.mentions("C1", "status", thread_ts=said.ts)).acknowledged()
    context = (await one.event()).context
    await one.platform.post(ROOM, draft(CARD, context=context))
    assert one.slack.screen("C1")[-1].thread_ts == said.ts


async def test_an_answer_to_words_in_the_room_is_in_the_room(one: Rig) -> None:
    await (await one.slack.user("U1").mentions("C1", "status")).acknowledged()
    await one.platform.post(ROOM, draft(CARD, context=(await one.event()).context))
    assert one.slack.screen("C1")[-1].thread_ts is None


async def test_what_does_not_fit_is_a_file_in_the_thread(one: Rig) -> None:
    ts = await one.platform.post(ROOM, draft(LONG))
    message, file = one.slack.screen("C1")
    assert file.files == {"log.txt": LONG.code}
    assert file.thread_ts == ts == message.ts
    assert "log.txt" in message.note


# Failures


async def test_too_fast_says_how_long_to_wait(one: Rig) -> None:
    one.slack.faults.next("chat.postMessage", retry_after=7)
    with pytest.raises(SendRetry) as told:
        await one.platform.post(ROOM, draft(CARD))
    assert (told.value.delay, told.value.doubt) == (7.0, False)
    assert posted(one) == 0
    assert len(one.slack.calls("chat.postMessage")) == 1  # no retry behind the outbox's back
    assert one.platform.health().ok


async def test_a_server_error_is_doubt(one: Rig) -> None:
    for fault in ({"status": 500}, {"status": 503}, {"error": "internal_error"}):
        one.slack.faults.next("chat.postMessage", **fault)
        with pytest.raises(SendRetry) as told:
            await one.platform.post(ROOM, draft(CARD))
        assert told.value.doubt


async def test_no_connection_is_no_doubt(one: Rig) -> None:
    await one.slack.stop()
    with pytest.raises(SendRetry):  # over the old connection: it may have been taken
        await one.platform.post(ROOM, draft(CARD))
    with pytest.raises(SendRetry, match="cannot connect") as told:
        await one.platform.post(ROOM, draft(CARD))
    assert not told.value.doubt
    assert not one.platform.health().ok


async def test_the_sdk_alone_posts_twice_when_a_reply_is_lost() -> None:
    """The reason for retry_handlers=[] in calls.py."""
    async with SlackDouble() as slack:
        slack.channel("C1")
        slack.faults.next("chat.postMessage", lose_reply=True)
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        await client.chat_postMessage(
            channel="C1", text="approve?", unfurl_links=False, unfurl_media=False
        )
        assert len(slack.screen("C1")) == 2


async def test_a_lost_reply_leaves_one_message(one: Rig) -> None:
    one.slack.faults.next("chat.postMessage", lose_reply=True)
    with pytest.raises(SendRetry) as told:
        await one.platform.post(ROOM, draft(CARD, 41))
    assert told.value.doubt
    ts = await one.platform.post(ROOM, draft(CARD, 41, doubt=True))
    (read,) = one.slack.screen("C1")
    assert read.ts == ts


async def test_an_earlier_copy_is_made_to_show_what_is_true_now(one: Rig) -> None:
    """The bot was killed before it noted the post; the card moved on before it came back."""
    earlier = await one.platform.post(ROOM, draft(Card(title="#41 restart", text="queued"), 41))
    now = draft(Card(title="#41 restart", text="succeeded"), 41, doubt=True)
    assert await one.platform.post(ROOM, now) == earlier
    (read,) = one.slack.screen("C1")
    assert "succeeded" in read.text
    assert "queued" not in read.text


async def test_an_earlier_copy_that_cannot_be_changed_is_posted_anew(one: Rig) -> None:
    earlier = await one.platform.post(ROOM, draft(Card(title="#41 restart", text="queued"), 41))
    one.slack.faults.next("chat.update", error="edit_window_closed")
    now = draft(Card(title="#41 restart", text="succeeded"), 41, doubt=True)
    assert await one.platform.post(ROOM, now) != earlier
    assert "succeeded" in one.slack.screen("C1")[-1].text


async def test_in_doubt_and_put_off_while_it_is_changed_is_still_doubt(one: Rig) -> None:
    await one.platform.post(ROOM, draft(CARD, 41))
    one.slack.faults.next("chat.update", retry_after=3)
    with pytest.raises(SendRetry) as told:
        await one.platform.post(ROOM, draft(CARD, 41, doubt=True))
    assert told.value.doubt
    assert posted(one) == 1


async def test_in_doubt_but_never_arrived_it_is_posted(one: Rig) -> None:
    await one.platform.post(ROOM, draft(CARD, 40))
    one.slack.faults.next("chat.postMessage", drop=True)
    with pytest.raises(SendRetry):
        await one.platform.post(ROOM, draft(CARD, 41))
    await one.platform.post(ROOM, draft(CARD, 41, doubt=True))
    assert posted(one) == 2


async def test_in_doubt_in_a_thread(one: Rig) -> None:
    root = await (await one.slack.user("U1").says("C1", "help")).acknowledged()
    context = {"thread": root.ts}
    one.slack.faults.next("chat.postMessage", lose_reply=True)
    with pytest.raises(SendRetry):
        await one.platform.post(ROOM, draft(CARD, 41, context=context))
    await one.platform.post(ROOM, draft(CARD, 41, context=context, doubt=True))
    assert posted(one) == 1


async def test_an_earlier_copy_is_found_behind_a_page_of_talk(one: Rig) -> None:
    await one.platform.post(ROOM, draft(CARD, 41))
    kim = one.slack.user("U1")
    one.slack.hold()  # the bot need not hear all that
    for _ in range(250):
        await kim.says("C1", "talk")
    await one.platform.post(ROOM, draft(CARD, 41, doubt=True))
    assert posted(one) == 1


async def test_metadata_of_another_app_is_not_ours(one: Rig) -> None:
    one.slack.hold()
    await one.slack.user("U2").says("C1", "forged")
    message = one.slack.channels["C1"].messages[-1]
    message.metadata = {"event_type": "watchstander", "event_payload": {"outbox_id": 41}}
    await one.platform.post(ROOM, draft(CARD, 41, doubt=True))
    assert posted(one) == 1


async def test_looking_fails_then_it_is_not_posted_yet(one: Rig) -> None:
    one.slack.faults.next("conversations.history", retry_after=3)
    with pytest.raises(SendRetry) as told:
        await one.platform.post(ROOM, draft(CARD, 41, doubt=True))
    assert (told.value.delay, told.value.doubt) == (3.0, True)
    assert posted(one) == 0


async def test_a_file_that_failed_does_not_post_the_card_twice(one: Rig) -> None:
    one.slack.faults.next("files.completeUploadExternal", status=503)
    with pytest.raises(SendRetry) as told:
        await one.platform.post(ROOM, draft(LONG, 41))
    assert told.value.doubt
    await one.platform.post(ROOM, draft(LONG, 41, doubt=True))
    assert [bool(m.files) for m in one.slack.screen("C1")] == [False, True]


async def test_a_file_that_is_not_allowed_is_told_on_the_card(one: Rig) -> None:
    one.slack.faults.next("files.getUploadURLExternal", error="missing_scope")
    await one.platform.post(ROOM, draft(LONG))
    (read,) = one.slack.screen("C1")
    assert "files:write" in read.note


@pytest.mark.parametrize(
    "error",
    [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "account_inactive",
        "invalid_auth",
        "token_revoked",
        "restricted_action",
    ],
)
async def test_what_slack_will_never_take(one: Rig, error: str) -> None:
    one.slack.faults.next("chat.postMessage", error=error)
    with pytest.raises(SendRefused, match=error):
        await one.platform.post(ROOM, draft(CARD))


async def test_real_places_that_are_shut(one: Rig) -> None:
    one.slack.channel("C8", bot=False)
    one.slack.channel("C9").archived = True
    for address in ("C7", "C8", "C9"):
        with pytest.raises(SendRefused):
            await one.platform.post(RoomAddress("slack", "T1", address), draft(CARD))


# Editing


async def test_a_card_is_rewritten_in_place(one: Rig) -> None:
    ts = await one.platform.post(ROOM, draft(CARD))
    done = Card(title="Restart nginx", text="lin approved <b>", tone=Tone.GOOD)
    assert await one.platform.edit(ROOM, ts, draft(done, 2)) == ts
    (read,) = one.slack.screen("C1")
    assert (read.title, read.buttons, read.edits) == ("✅ Restart nginx", {}, 1)
    assert "lin approved <b>" in read.text
    assert one.slack.channels["C1"].messages[0].metadata is not None  # kept by Slack


async def test_the_file_comes_again_only_when_it_changed(one: Rig) -> None:
    ts = await one.platform.post(ROOM, draft(LONG))
    await one.platform.edit(ROOM, ts, draft(LONG, 2))
    assert len(one.slack.screen("C1")) == 2
    longer = Card(title="Log", code=LONG.code + "\nend", overflow_name="log.txt")
    await one.platform.edit(ROOM, ts, draft(longer, 3))
    assert [len(m.files) for m in one.slack.screen("C1")] == [0, 1, 1]


@pytest.mark.parametrize(
    "error", ["edit_window_closed", "message_not_found", "cant_update_message"]
)
async def test_out_of_reach_is_gone(one: Rig, error: str) -> None:
    ts = await one.platform.post(ROOM, draft(CARD))
    one.slack.faults.next("chat.update", error=error)
    with pytest.raises(SendGone):
        await one.platform.edit(ROOM, ts, draft(CARD, 2))


async def test_a_deleted_an_old_and_a_foreign_message_are_gone(one: Rig) -> None:
    deleted = await one.platform.post(ROOM, draft(CARD))
    old = await one.platform.post(ROOM, draft(CARD, 2))
    one.slack.channels["C1"].messages[0].deleted = True
    one.slack.channels["C1"].messages[1].editable = False
    foreign = (await one.slack.user("U1").says("C1", "mine")).ts
    for ts in (deleted, old, foreign):
        with pytest.raises(SendGone):
            await one.platform.edit(ROOM, ts, draft(CARD, 3))


async def test_an_edit_in_a_closed_channel_is_refused(one: Rig) -> None:
    ts = await one.platform.post(ROOM, draft(CARD))
    one.slack.channels["C1"].archived = True
    with pytest.raises(SendRefused):
        await one.platform.edit(ROOM, ts, draft(CARD, 2))


# Whispering


async def test_a_whisper_is_for_one_person(one: Rig) -> None:
    await one.platform.whisper(ROOM, "U1", draft(CARD))
    assert one.slack.screen("C1", "U2") == []
    (read,) = one.slack.screen("C1", "U1")
    assert read.only_for == "U1"
    await (await one.slack.user("U1").press("C1", read.ts, "Approve")).acknowledged()
    assert (await one.event()).button == "ta"


async def test_a_whisper_in_a_direct_conversation_is_a_plain_post(one: Rig) -> None:
    await (await one.slack.user("U1").says_directly("hello")).acknowledged()
    event = await one.event()
    await one.platform.whisper(event.room, "U1", draft(CARD, context=event.context))
    (read,) = [m for m in one.slack.screen("DU1") if m.by_bot]
    assert read.only_for is None


async def test_a_whisper_where_the_bot_is_not_goes_to_the_person(one: Rig) -> None:
    """A slash command works in rooms that the bot never joined: the answer must still arrive."""
    one.slack.channel("C8", bot=False, members=["U1"])
    one.slack.channel("DPAIR", kind="im", members=["U1", "U2"], bot=False)
    for number, address in enumerate(("C8", "DPAIR")):
        await (await one.slack.user("U1").command(address, "/status")).acknowledged()
        event = await one.event()
        await one.platform.whisper(event.room, "U1", draft(CARD, number, context=event.context))
    assert len(one.slack.screen("DU1")) == 2
    assert one.slack.screen("C8", "U1") == []


async def test_a_long_whisper_sends_its_file_to_the_person(one: Rig) -> None:
    await one.platform.whisper(ROOM, "U1", draft(LONG))
    assert [m.only_for for m in one.slack.screen("C1", "U1")] == ["U1"]
    assert one.slack.screen("C1") == []
    assert one.slack.screen("DU1")[0].files == {"log.txt": LONG.code}


# The form


async def pressed(one: Rig) -> dict[str, Any]:
    ts = await one.platform.post(ROOM, draft(CARD))
    await (await one.slack.user("U1").press("C1", ts, "Reject")).acknowledged()
    return dict((await one.event()).context)


@pytest.mark.parametrize("language", ["en", "ko", "zh-TW"])
async def test_a_form_opens_within_three_seconds(one: Rig, language: str) -> None:
    asked = draft(Card(text="Reject 17"), 2, context=await pressed(one), language=language)
    assert await one.platform.ask_reason(ROOM, "U1", "tr", asked)
    assert len(one.slack.user("U1").view.title) <= 24


async def test_a_form_is_too_late_after_three_seconds(one: Rig) -> None:
    asked = draft(Card(text="Reject 17"), 2, context=await pressed(one))
    await one.slack.forward(4)
    assert not await one.platform.ask_reason(ROOM, "U1", "tr", asked)
    assert one.slack.views == []


async def test_no_trigger_no_form(one: Rig) -> None:
    assert not await one.platform.ask_reason(ROOM, "U1", "tr", draft(CARD))
    forged = draft(CARD, context={"trigger_id": "forged"})
    assert not await one.platform.ask_reason(ROOM, "U1", "tr", forged)


async def test_a_form_whose_reply_was_lost_is_open_once(one: Rig) -> None:
    context = await pressed(one)
    one.slack.faults.next("views.open", lose_reply=True)
    with pytest.raises(SendRetry):
        await one.platform.ask_reason(ROOM, "U1", "tr", draft(CARD, 2, context=context))
    again = draft(CARD, 2, context=context, doubt=True)
    assert await one.platform.ask_reason(ROOM, "U1", "tr", again)
    assert len(one.slack.views) == 1


async def test_a_call_that_never_ends_is_ended(db: Database) -> None:
    """A server that takes the call and is silent: our own deadline, not the SDK's 30 s."""
    async with rig(db, "http", call_timeout=1) as one:
        one.slack.faults.next("chat.postMessage", hang=True)
        with pytest.raises(SendRetry) as told:
            await asyncio.wait_for(one.platform.post(ROOM, draft(CARD)), 5)
        assert told.value.doubt
