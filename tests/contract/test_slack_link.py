"""Slack: the link stays up, comes back, and tells the truth about itself; keys stay out of logs."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web

from bot.platforms.port import SendRefused
from bot.platforms.slack.journal import Redaction
from bot.platforms.slack.manifest import (
    EVENTS,
    OWN,
    SCOPES,
    slack_manifest,
    slash_commands,
)
from bot.platforms.slack.platform import SlackPlatform
from bot.platforms.slack.settings import SlackSettings
from handlers.card import Card
from prompts.texts import say
from storage.database import Database
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_rig import ROOM, Kept, Rig, draft, rig, settings


@dataclass
class Ticks:
    """A monotonic clock that the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def answers(one: Rig) -> None:
    """The link works: a command is acknowledged."""
    await (await one.slack.user("U1").command("C1", "/status")).acknowledged()


async def test_connected_and_well(db: Database) -> None:
    for mode in ("socket", "http"):
        async with rig(db, mode) as one:
            assert one.platform.health().ok, say(one.platform.health().detail, "en")
            assert one.slack.connections == (1 if mode == "socket" else 0)
            await answers(one)
        assert not one.platform.health().ok


async def test_slack_asks_to_go_elsewhere(db: Database) -> None:
    async with rig(db, "socket") as one:
        await one.slack.disconnect()
        await one.slack.until(lambda: one.slack.connections == 2 and len(one.slack.sockets) == 1)
        await answers(one)
        assert one.platform.health().ok


async def test_a_broken_socket_comes_back(db: Database) -> None:
    async with rig(db, "socket", ping_interval=0.1) as one:
        await one.slack.cut()
        await one.slack.until(lambda: one.slack.connections == 2 and len(one.slack.sockets) == 1)
        await answers(one)


async def test_a_silent_socket_is_made_anew(db: Database) -> None:
    ticks = Ticks()
    async with rig(db, "socket", clocks={"monotonic": ticks}) as one:
        one.slack.frozen = True
        ticks.now += 29
        await one.platform.look()
        assert one.slack.connections == 1
        ticks.now += 2
        assert not one.platform.health().ok
        one.slack.frozen = False
        await one.platform.look()
        await one.slack.until(lambda: one.slack.connections == 2 and len(one.slack.sockets) == 1)
        await one.slack.until(lambda: one.platform.health().ok)
        await answers(one)


async def test_a_clock_set_back_does_not_hide_a_dead_socket(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK counts silence with the wall clock and is fooled; the watchdog is not."""
    ticks = Ticks()
    async with rig(db, "socket", clocks={"monotonic": ticks}) as one:
        client = one.platform._link._client  # type: ignore[union-attr]
        assert client is not None
        client.last_ping_pong_time = time.time()
        await one.platform.look()
        one.slack.frozen = True
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 86_400)
        ticks.now += 3600
        assert await client.is_connected()
        assert not one.platform.health().ok
        one.slack.frozen = False
        await one.platform.look()
        await one.slack.until(lambda: one.slack.connections == 2)
        await answers(one)


async def test_pongs_count_as_life(db: Database) -> None:
    ticks = Ticks()
    async with rig(db, "socket", clocks={"monotonic": ticks}, ping_interval=0.05) as one:
        client = one.platform._link._client  # type: ignore[union-attr]
        assert client is not None
        for _ in range(3):
            ticks.now += 25
            before = client.last_ping_pong_time
            await one.slack.until(lambda before=before: client.last_ping_pong_time != before)
            await one.platform.look()
            assert one.platform.health().ok
        assert one.slack.connections == 1


async def test_slack_out_of_reach_at_the_start(db: Database) -> None:
    slack = SlackDouble()
    slack.channel("C1", members=["U1"])
    await slack.start()
    await slack.stop()
    platform = SlackPlatform(settings(slack))
    one = Rig(slack, platform, Kept(db))
    await platform.start(one.keep)
    try:
        assert not platform.health().ok
        assert "connect" in say(platform.health().detail, "en")
        await slack.start()
        await platform.look()
        assert platform.health().ok
        await answers(one)
    finally:
        await platform.stop()
        await slack.stop()


async def test_the_watchdog_connects_by_itself(db: Database) -> None:
    async with SlackDouble() as slack:
        slack.faults.next("apps.connections.open", retry_after=1)
        platform = SlackPlatform(settings(slack, watchdog_interval=0.02))
        await platform.start(Kept(db))
        try:
            await slack.until(lambda: platform.health().ok)
        finally:
            await platform.stop()


@pytest.mark.parametrize("wrong", ["bot_token", "app_token"])
async def test_a_wrong_token_is_told_at_the_start(db: Database, wrong: str) -> None:
    async with SlackDouble() as slack:
        platform = SlackPlatform(replace(settings(slack), **{wrong: "xoxb-wrong"}))
        with pytest.raises(SendRefused, match="invalid_auth"):
            await platform.start(Kept(db))
        assert not platform.health().ok


async def test_a_revoked_token_shows_and_goes(db: Database) -> None:
    async with rig(db, "http") as one:
        one.slack.dead_error = "token_revoked"
        with pytest.raises(SendRefused):
            await one.platform.post(ROOM, draft(Card(text="x")))
        assert not one.platform.health().ok
        assert "token_revoked" in say(one.platform.health().detail, "en")
        one.slack.dead_error = ""
        await one.platform.look()
        assert one.platform.health().ok


async def test_http_mode_over_a_real_socket(db: Database) -> None:
    """As bot/web.py mounts it: bytes and headers in, status, headers and bytes out."""
    async with rig(db, "http") as one:

        async def mounted(request: web.Request) -> web.Response:
            told = await one.platform.http(await request.read(), dict(request.headers))
            return web.Response(status=told[0], headers=told[1], body=told[2])

        app = web.Application()
        app.router.add_post("/slack/events", mounted)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.slack.deliver_to(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        try:
            await answers(one)
            check = {"type": "url_verification", "challenge": "c"}
            told = await (await one.slack.deliver("events_api", check)).acknowledged()
            assert told.ack_payload == {"challenge": "c"}
        finally:
            await runner.cleanup()


# Keys


async def test_no_key_reaches_a_log(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with rig(db, "socket", ping_interval=0.05) as one:
        one.slack.refuse_sockets = True  # the SDK logs the address, with its ticket
        await one.slack.cut()
        await one.slack.until(lambda: "403" in caplog.text)
        one.keep.broken = True
        await one.slack.user("U1").command("C1", "/status", "canary-text")
        one.slack.faults.next("chat.postMessage", error="invalid_auth")
        with pytest.raises(SendRefused) as refused:
            await one.platform.post(ROOM, draft(Card(text="canary-text")))
    for secret in ("canary", "one-time-secret"):
        assert secret not in caplog.text
        assert secret not in str(refused.value)


async def test_a_delivery_that_is_not_kept_is_logged_without_its_text(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig(db, "http") as one:
        one.keep.broken = True
        delivery = await one.slack.user("U1").command("C1", "/status", "canary-text")
        await one.slack.until(lambda: delivery.statuses == [503])
    assert "no space left" in caplog.text
    assert "canary" not in caplog.text


def record(message: str, *args: Any, error: bool = False) -> logging.LogRecord:
    told = None
    if error:
        try:
            raise ValueError("wss://x/?ticket=abc-123&app_id=A1 xoxb-9-xyz")
        except ValueError:
            told = sys.exc_info()
    return logging.LogRecord("x", logging.ERROR, "f", 1, message, args, told)


@pytest.mark.parametrize(
    "made",
    [
        record("token %s", "xoxb-1-2-abc"),
        record("xapp-1-A0-9-abc in words"),
        record("url wss://w.example/link/?ticket=abc-123&app_id=A1"),
        record("a signing secret: s3cr3t"),
        record("failed", error=True),
    ],
)
def test_redaction(made: logging.LogRecord) -> None:
    assert Redaction(["s3cr3t"]).filter(made)
    line = logging.Formatter().format(made)
    assert "[hidden]" in line
    for secret in ("abc-123", "xoxb-9", "xoxb-1", "xapp-1", "s3cr3t"):
        assert secret not in line


# Settings and manifest


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"bot_token": " "}, "bot_token is empty"),
        ({"app_token": ""}, "app_token is empty"),
        ({"mode": "http", "signing_secret": ""}, "signing_secret is empty"),
        ({"mode": "http", "signing_secret": " \n"}, "signing_secret is empty"),
        ({"mode": "rtm"}, "mode is 'rtm'"),
        ({"api_url": "ftp://x"}, "api_url"),
        ({"silence_limit": 0}, "silence_limit is not above 0"),
        ({"per_room_interval": -1}, "per_room_interval"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], told: str) -> None:
    good = {"bot_token": "xoxb-1", "app_token": "xapp-1", "signing_secret": "s"}
    with pytest.raises(ValueError, match=told):
        SlackSettings(**(good | wrong))


def test_settings_do_not_print_their_keys() -> None:
    made = SlackSettings(bot_token="xoxb-1", app_token="xapp-1", signing_secret="s3cr3t")
    assert not {"xoxb-1", "xapp-1", "s3cr3t"} & set(repr(made).replace("'", " ").split())
    assert "xoxb" not in repr(made)


def test_the_manifest_names_what_the_bot_uses() -> None:
    made = json.loads(json.dumps(slack_manifest()))
    names = [c["command"] for c in made["features"]["slash_commands"]]
    assert names == list(slash_commands())
    # Slack refuses a whole manifest that takes one of its own names.
    assert not {name.removeprefix("/") for name in names} & OWN
    assert made["settings"]["socket_mode_enabled"] is True
    assert made["settings"]["interactivity"] == {"is_enabled": True}
    assert made["settings"]["event_subscriptions"]["bot_events"] == list(EVENTS)
    assert "message.mpim" not in EVENTS
    assert set(made["oauth_config"]["scopes"]["bot"]) == set(SCOPES)
    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140


def test_the_manifest_for_http_mode_has_the_address_everywhere() -> None:
    url = "https://bot.example/slack/events"
    made = slack_manifest(events_url=url)
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["event_subscriptions"]["request_url"] == url
    assert made["settings"]["interactivity"]["request_url"] == url
    assert {c["url"] for c in made["features"]["slash_commands"]} == {url}


Act = Callable[[Rig], Awaitable[Any]]
METHODS: list[tuple[str, Act]] = [
    ("post", lambda one: one.platform.post(ROOM, draft(Card(text="x")))),
    ("edit", lambda one: one.platform.edit(ROOM, "1.1", draft(Card(text="x")))),
    ("whisper", lambda one: one.platform.whisper(ROOM, "U1", draft(Card(text="x")))),
]


@pytest.mark.parametrize(("name", "act"), METHODS)
async def test_a_dead_token_is_refused_by_every_method(db: Database, name: str, act: Act) -> None:
    async with rig(db, "http") as one:
        one.slack.dead_error = "account_inactive"
        with pytest.raises(SendRefused, match="account_inactive"):
            await act(one)
