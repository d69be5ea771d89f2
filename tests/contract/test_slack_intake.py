"""Slack: a delivery is in the inbox before Slack hears "ok", once, whatever Slack does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.platforms.slack.platform import SlackPlatform
from handlers.card import Card
from handlers.inbound import EventKind
from storage.database import Database
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_delivery import COMMAND, EVENT
from tests.doubles.slack_rig import ROOM, Rig, draft, rig, settings


@pytest.fixture(params=["socket", "http"])
async def both(request: pytest.FixtureRequest, db: Database) -> AsyncIterator[Rig]:
    async with rig(db, request.param) as made:
        yield made
        assert made.slack.violations == []


def bolt_alone(slack: SlackDouble) -> AsyncApp:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    return AsyncApp(client=client, request_verification_enabled=False)


async def test_bolt_alone_acknowledges_before_anything_is_kept() -> None:
    """The reason for intake.py: Bolt answers 200 while the listener has not stored a thing."""
    async with SlackDouble() as slack:
        app, stored, go = bolt_alone(slack), [], asyncio.Event()

        @app.event("app_mention")
        async def listener(event: dict[str, Any]) -> None:
            await go.wait()  # a slow disk, or a kill -9
            stored.append(event)

        event = {"type": "app_mention", "user": "U1", "text": "hello", "channel": "C1", "ts": "1.1"}
        request = AsyncBoltRequest(body=json.dumps(slack.event_body(event)))
        response = await app.async_dispatch(request)
        assert (response.status, stored) == (200, [])  # acknowledged, and lost if we die now
        go.set()


async def test_bolt_alone_loses_a_command_that_says_payload() -> None:
    """The reason for door.parse: Bolt reads this form as an empty body."""
    async with SlackDouble() as slack:
        form = "command=%2Fws&text=restart+payload-api&team_id=T1&user_id=U1&channel_id=C1"
        assert bolt_alone(slack) is not None
        assert AsyncBoltRequest(body=form).body == {}


async def test_the_row_is_there_when_slack_hears_ok(both: Rig) -> None:
    kim = both.slack.user("U1")
    for act in (
        kim.mentions("C1", "restart web-01"),
        kim.command("C1", "/ws", "restart payload-api"),
        kim.says_directly("hello"),
    ):
        before = len(await both.keep.rows())
        delivery = await (await act).acknowledged()
        assert delivery.ack_payload is None
        assert len(await both.keep.rows()) > before
    assert (await both.events())[-2].text == "/ws restart payload-api"


async def test_no_row_no_acknowledgement(both: Rig) -> None:
    both.keep.broken = True
    delivery = await both.slack.user("U1").command("C1", "/approve", "17")
    with pytest.raises(TimeoutError):
        await delivery.acknowledged(0.3)
    assert set(delivery.statuses) <= {503}
    assert await both.keep.rows() == []


async def test_an_event_that_was_not_kept_comes_again_and_is_kept_then(both: Rig) -> None:
    both.keep.broken = True
    delivery = await both.slack.user("U1").says_directly("status")
    with pytest.raises(TimeoutError):
        await delivery.acknowledged(0.3)
    both.keep.broken = False
    await both.slack.forward(4)
    await delivery.acknowledged()
    assert [event.text for event in await both.events()] == ["status"]


async def test_the_same_event_four_times_is_one_row(both: Rig) -> None:
    both.slack.repeat_next(3)
    delivery = await both.slack.user("U1").says_directly("restart web-01")
    over_http = both.platform.settings.mode == "http"
    # In HTTP mode the three copies have one signature, and the door answers them from its memory.
    reached = 1 if over_http else 4
    await both.slack.until(
        lambda: len(both.keep.answers) == reached and delivery.statuses == [200] * 4 * over_http
    )
    assert both.keep.answers.count(True) == 1
    assert len(await both.events()) == 1


async def test_two_presses_of_one_button_are_two_deliveries(both: Rig) -> None:
    kim = both.slack.user("U1")
    for _ in range(2):
        await (await kim.press_token("C1", "1.1", "abc")).acknowledged()
    assert both.keep.answers == [True, True]


async def test_order_within_a_channel_is_one_lane(both: Rig) -> None:
    both.slack.channel("C2", members=["U1"])
    kim = both.slack.user("U1")
    await (await kim.mentions("C1", "one")).acknowledged()
    await (await kim.command("C1", "/status")).acknowledged()
    await (await kim.press_token("C1", "1.1", "abc")).acknowledged()
    await (await kim.command("C2", "/status")).acknowledged()
    lanes = [row.lane for row in await both.keep.rows()]
    assert set(lanes) == {"slack:T1/C1", "slack:T1/C2"}
    assert lanes[-1] == "slack:T1/C2"


async def test_reordered_and_late_deliveries_are_all_kept(both: Rig) -> None:
    kim = both.slack.user("U1")
    both.slack.hold()
    held = [await kim.says_directly(word) for word in ("one", "two", "three")]
    await both.slack.forward(300)
    await both.slack.release(reversed)
    for delivery in held:
        await delivery.acknowledged()
    assert sorted(e.text for e in await both.events()) == ["one", "three", "two"]


async def test_slacks_own_secrets_are_not_kept(both: Rig) -> None:
    await (await both.slack.user("U1").command("C1", "/whoami")).acknowledged()
    await (await both.slack.user("U1").press_token("C1", "1.1", "abc")).acknowledged()
    kept = json.dumps([row.body for row in await both.keep.rows()])
    assert "one-time-secret" not in kept
    assert "verification-token" not in kept


async def test_the_bots_own_messages_and_edits_are_nothing_to_act_on(both: Rig) -> None:
    ts = await both.platform.post(ROOM, draft(Card(text="approve 17")))
    await both.platform.edit(ROOM, ts, draft(Card(text="approve 18")))
    await both.slack.until(lambda: len(both.keep.answers) == 2)
    assert await both.events() == []


async def test_nothing_is_taken_after_stop(both: Rig) -> None:
    kim = both.slack.user("U1")
    await both.platform.stop()
    delivery = await kim.command("C1", "/status")
    with pytest.raises(TimeoutError):
        await delivery.acknowledged(0.2)
    assert await both.keep.rows() == []


async def test_stop_lets_an_open_delivery_finish(both: Rig) -> None:
    """The row that is being written when stop() comes is written, and acknowledged."""
    go, inside = asyncio.Event(), asyncio.Event()
    both.keep.before = lambda: (inside.set(), go.wait())[1]
    delivery = await both.slack.user("U1").command("C1", "/status")
    await both.slack.until(inside.is_set)
    stopping = asyncio.create_task(both.platform.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    go.set()
    await stopping
    await delivery.acknowledged()
    assert both.keep.answers == [True]


async def test_a_lost_acknowledgement_brings_it_again_on_another_socket(db: Database) -> None:
    """Two replicas: the second answers for the first, and the inbox keeps one row."""
    async with rig(db, "socket") as one:
        twin = SlackPlatform(settings(one.slack))
        await twin.start(one.keep)
        try:
            one.slack.drop_acks(1)
            delivery = await one.slack.user("U1").command("C1", "/approve", "17")
            await one.slack.until(lambda: one.keep.answers == [True])
            assert not delivery.acked
            await one.slack.forward(3)
            await delivery.acknowledged()
            assert one.keep.answers == [True, False]
            assert len(set(delivery.sockets)) == 2
        finally:
            await twin.stop()


async def test_a_body_of_any_shape_is_kept_and_harmless(both: Rig) -> None:
    """What Slack never documented: it is acknowledged once kept, and nothing comes of it."""
    strange = [
        (EVENT, {"type": "event_callback", "team_id": "T1", "event_id": "Ev9", "event": {}}),
        (EVENT, {"type": "something_new", "team_id": "T1"}),
        (COMMAND, {"command": "/nonsense", "team_id": "T1", "channel_id": "C1", "user_id": "U1"}),
    ]
    for kind, body in strange:
        await (await both.slack.deliver(kind, body)).acknowledged()
    assert [e.kind for e in await both.events()] == [EventKind.COMMAND]
    assert len(await both.keep.rows()) == 3


async def test_url_check_and_rate_limit_notice_are_answered_without_a_row(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig(db, "http") as one:
        check = {"type": "url_verification", "challenge": "say-this", "token": "t"}
        delivery = await (await one.slack.deliver(EVENT, check)).acknowledged()
        assert delivery.ack_payload == {"challenge": "say-this"}
        limited = {"type": "app_rate_limited", "team_id": "T1"}
        await (await one.slack.deliver(EVENT, limited)).acknowledged()
        assert await one.keep.rows() == []
        assert "events are being dropped" in caplog.text
