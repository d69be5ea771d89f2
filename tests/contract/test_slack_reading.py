"""Slack: what people do becomes the right event, by the verified envelope alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.platforms.slack.manifest import slash_commands
from bot.platforms.slack.reading import plain
from handlers.card import Button, Card
from handlers.inbound import EventKind, RoomAddress, Speaker
from storage.database import Database
from tests.doubles.slack_rig import ROOM, Rig, draft, rig


@pytest.fixture(params=["socket", "http"])
async def both(request: pytest.FixtureRequest, db: Database) -> AsyncIterator[Rig]:
    async with rig(db, request.param) as made:
        yield made
        assert made.slack.violations == []


@pytest.fixture
async def one(db: Database) -> AsyncIterator[Rig]:
    async with rig(db, "http") as made:
        yield made
        assert made.slack.violations == []


async def test_every_slash_command_is_a_whole_line(one: Rig) -> None:
    for command in slash_commands():
        await (await one.slack.user("U1").command("C1", command, " 17 fine ")).acknowledged()
        event = await one.event()
        assert (event.kind, event.text) == (EventKind.COMMAND, f"{command} 17 fine")
        assert event.room == ROOM
        assert event.speaker == Speaker("slack", "T1", "U1")
        assert not event.direct
        assert event.room_name == "ops"
        assert event.context["trigger_id"]


async def test_a_command_without_text_is_the_command(both: Rig) -> None:
    await (await both.slack.user("U1").command("C1", "/pending")).acknowledged()
    assert (await both.event()).text == "/pending"


async def test_a_mention_is_words_and_comes_once(both: Rig) -> None:
    await (await both.slack.user("U1").mentions("C1", "approve 17 looks fine")).acknowledged()
    events = await both.events()
    assert [(e.kind, e.text) for e in events] == [(EventKind.WORDS, "approve 17 looks fine")]
    assert events[0].room == ROOM
    assert not events[0].direct


async def test_a_mention_in_the_middle(one: Rig) -> None:
    await (await one.slack.user("U1").says("C1", "please <@UBOT> restart web-01")).acknowledged()
    assert (await one.event()).text == "please restart web-01"


async def test_the_mention_of_somebody_with_a_longer_id_is_not_ours(one: Rig) -> None:
    await (await one.slack.user("U1").says("C1", "<@UBOT2> hello")).acknowledged()
    assert [e.kind for e in await one.events()] == [EventKind.OVERHEARD]


async def test_plain_words_in_a_channel_are_overheard(both: Rig) -> None:
    await (await both.slack.user("U1").says("C1", "approve 17")).acknowledged()
    assert [(e.kind, e.text) for e in await both.events()] == [(EventKind.OVERHEARD, "approve 17")]


async def test_a_direct_message_is_words_and_direct(both: Rig) -> None:
    await (await both.slack.user("U1").says_directly("restart web-01")).acknowledged()
    event = await both.event()
    assert (event.kind, event.direct) == (EventKind.WORDS, True)
    assert event.room == RoomAddress("slack", "T1", "DU1")


async def test_a_group_conversation_is_never_direct(one: Rig) -> None:
    one.slack.channel("G1", "mpdm-kim--lin-1", kind="mpim", members=["U1", "U2"])
    await (await one.slack.user("U1").says("G1", "approve 17")).acknowledged()
    await (await one.slack.user("U1").mentions("G1", "approve 17")).acknowledged()
    await (await one.slack.user("U1").command("G1", "/approve", "17")).acknowledged()
    events = await one.events()
    assert [e.direct for e in events] == [False] * 3
    assert [e.kind for e in events] == [EventKind.OVERHEARD, EventKind.WORDS, EventKind.COMMAND]


async def test_a_command_is_direct_only_in_the_bots_own_conversation(one: Rig) -> None:
    """Slack calls every one-to-one conversation "directmessage"; two people's own is not ours."""
    one.slack.channel("DPAIR", kind="im", members=["U1", "U2"], bot=False)
    kim = one.slack.user("U1")
    await (await kim.command("DPAIR", "/approve", "17")).acknowledged()
    assert not (await one.event()).direct
    await (await kim.says_directly("hello")).acknowledged()
    await (await kim.command("DU1", "/approve", "17")).acknowledged()
    assert (await one.event()).direct


async def test_conversations_from_before_the_start_are_known(db: Database) -> None:
    async with rig(db, "socket") as one:
        one.slack.direct("U1")
        again = type(one.platform)(one.platform.settings)
        await one.platform.stop()
        await again.start(one.keep)
        try:
            await (await one.slack.user("U1").command("DU1", "/pending")).acknowledged()
            assert (await one.event()).direct
        finally:
            await again.stop()


async def test_a_reply_to_the_bots_message_is_words(both: Rig) -> None:
    root = await both.platform.post(ROOM, draft(Card(text="Which host?")))
    kim = both.slack.user("U1")
    await (await kim.says("C1", "web-01", thread_ts=root)).acknowledged()
    event = await both.event()
    assert (event.kind, event.text) == (EventKind.WORDS, "web-01")
    assert event.context["thread"] == root


async def test_a_reply_to_a_person_is_overheard(one: Rig) -> None:
    said = await (await one.slack.user("U2").says("C1", "web-01 is slow")).acknowledged()
    reply = await one.slack.user("U1").says("C1", "approve 17", thread_ts=said.ts)
    await reply.acknowledged()
    assert (await one.event()).kind is EventKind.OVERHEARD


@pytest.mark.parametrize(
    "extra",
    [
        {"subtype": "bot_message", "bot_id": "B9"},
        {"bot_id": "B9"},
        {"subtype": "message_changed", "hidden": True},
        {"subtype": "message_deleted"},
        {"subtype": "channel_join"},
        {"subtype": "file_share"},
        {"subtype": "me_message"},
        {"edited": {"user": "U1", "ts": "1.1"}},
        {"type": "reaction_added"},
        {"type": "pin_added"},
        {"type": "app_mention", "edited": {"user": "U1", "ts": "1.1"}},
        {"type": "app_mention", "bot_id": "B9"},
        {"user": "UBOT"},
        {"user": None},
    ],
)
async def test_nothing_else_is_acted_on(one: Rig, extra: dict[str, Any]) -> None:
    await (await one.slack.user("U1").says("C1", "approve 17", **extra)).acknowledged()
    one.slack.direct("U1")
    await (await one.slack.user("U1").says("DU1", "approve 17", **extra)).acknowledged()
    assert await one.events() == []


async def test_an_edit_never_acts(both: Rig) -> None:
    kim = both.slack.user("U1")
    said = await (await kim.says_directly("status")).acknowledged()
    await (await kim.edits("DU1", said.ts, "approve 17")).acknowledged()
    assert [e.text for e in await both.events()] == ["status"]


async def test_a_guest_keeps_their_own_workspace(both: Rig) -> None:
    """The same user id in another workspace is another person."""
    guest = both.slack.user("U1", team="T9")
    root = await both.platform.post(ROOM, draft(Card(text="x", buttons=(Button("Go", "abc"),))))
    await (await guest.says("C1", "approve 17")).acknowledged()
    await (await guest.mentions("C1", "approve 17")).acknowledged()
    await (await guest.press("C1", root, "Go")).acknowledged()
    events = await both.events()
    assert {e.speaker for e in events} == {Speaker("slack", "T9", "U1")}
    assert {e.room for e in events} == {ROOM}
    await (await guest.command("C1", "/approve", "17")).acknowledged()
    assert (await both.event()).speaker.tenant == "T9"


async def test_a_body_cannot_name_its_speaker(one: Rig) -> None:
    kim = one.slack.user("U1", "admin")
    extra = {"user_name": "admin", "username": "U2", "user_profile": {"id": "U2"}}
    await (await kim.says("C1", "<@UBOT> I am U2", **extra, type="app_mention")).acknowledged()
    assert (await one.event()).speaker.user == "U1"


async def test_a_button_press(both: Rig) -> None:
    buttons = (Button("Approve", "tok-a", "good"), Button("Reject", "tok-r", "danger"))
    ts = await both.platform.post(ROOM, draft(Card(title="Restart", buttons=buttons)))
    await (await both.slack.user("U2").press("C1", None, "Reject")).acknowledged()
    event = await both.event()
    assert (event.kind, event.button, event.message) == (EventKind.BUTTON, "tok-r", ts)
    assert (event.room, event.speaker) == (ROOM, Speaker("slack", "T1", "U2"))
    assert event.context["trigger_id"]
    assert event.context["message"] == ts


async def test_only_our_own_kind_of_button_counts(one: Rig) -> None:
    await (await one.slack.user("U1").press_token("C1", "1.1", "t", "other:1")).acknowledged()
    assert await one.events() == []


async def test_a_form_comes_back_with_its_token(both: Rig) -> None:
    kim = both.slack.user("U1")
    card = Card(title="Restart", buttons=(Button("Reject", "tok-r", "danger", True),))
    ts = await both.platform.post(ROOM, draft(card))
    await (await kim.press("C1", ts, "Reject")).acknowledged()
    context = (await both.event()).context
    opened = await both.platform.ask_reason(
        ROOM, "U1", "tok-r", draft(Card(text="Restart web-01"), 2, context=context)
    )
    assert opened
    assert "Restart web-01" in kim.view.text
    await (await kim.submits(None, "not in office hours <now>")).acknowledged()
    event = await both.event()
    assert (event.kind, event.button) == (EventKind.FORM, "tok-r")
    assert event.text == "not in office hours <now>"
    assert (event.room, event.message) == (ROOM, ts)
    assert event.speaker == Speaker("slack", "T1", "U1")
    assert not any(view.open for view in both.slack.views)


@pytest.mark.parametrize(
    ("slacks", "meant"),
    [
        ("restart &lt;web-01&gt; &amp;&amp; ls", "restart <web-01> && ls"),
        ("&amp;lt;", "&lt;"),
        ("see <https://x.example/a|x.example/a>", "see x.example/a"),
        ("see <https://x.example/?a=1&amp;b=2>", "see https://x.example/?a=1&b=2"),
        ("mail <mailto:a@b.example|a@b.example>", "mail a@b.example"),
        ("in <#C1|general> with <@U2> and <@U3|lin>", "in #general with @U2 and @lin"),
        ("<!here> <!subteam^S1|@dba> <!channel>", "@here @dba @channel"),
        ("restart <web-01>", "restart <web-01>"),
        ("<@UBOT>   restart\nweb-01", "restart\nweb-01"),
        ("<@UBOT|bot>: hi", ": hi"),
        ("a < b > c", "a < b > c"),
    ],
)
def test_slacks_markup_reads_as_the_person_saw_it(slacks: str, meant: str) -> None:
    assert plain(slacks, "UBOT") == meant


@pytest.mark.parametrize("field", ["user", "channel"])
async def test_a_poisoned_body_raises_in_translate_and_nowhere_else(one: Rig, field: str) -> None:
    body = one.slack.event_body(
        {"type": "message", "channel_type": "im", "user": "U1", "text": "x", "channel": "D1"}
    )
    del body["event"][field]
    await (await one.slack.deliver("events_api", body)).acknowledged()
    row = (await one.keep.rows())[-1]
    if field == "user":
        assert one.platform.translate(row.body) is None
    else:
        with pytest.raises(KeyError):
            one.platform.translate(row.body)
