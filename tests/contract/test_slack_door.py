"""Slack over HTTP: only Slack's own requests come in, each once; bad ones are 401, never 500."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from bot.platforms.slack.door import parse
from bot.platforms.slack.platform import SlackPlatform
from storage.database import Database
from tests.conftest import FakeClock
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_rig import Rig, rig, settings

NOW = 1_795_165_200


@pytest.fixture
async def http(db: Database, clock: FakeClock) -> AsyncIterator[Rig]:
    clocks = {"wall": lambda: clock.now / 1000}
    async with rig(db, "http", clocks=clocks) as made:
        made.slack.wall = clocks["wall"]
        yield made


def command_body(trigger: str = "t1") -> bytes:
    form = {"command": "/status", "text": "", "team_id": "T1", "channel_id": "C1"}
    return urlencode(form | {"user_id": "U1", "trigger_id": trigger}).encode()


async def test_a_signed_request_comes_in(http: Rig) -> None:
    body = command_body()
    status, _, _ = await http.platform.http(body, http.slack.sign(body))
    assert status == 200
    assert len(await http.keep.rows()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Signature": "", "X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": str(NOW)},
        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": str(NOW)},
        {"X-Slack-Signature": "v0=" + "é" * 64, "X-Slack-Request-Timestamp": str(NOW)},
        {"X-Slack-Signature": "v1=" + "0" * 64, "X-Slack-Request-Timestamp": str(NOW)},
        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": "١٧٩٥١٦٥٢٠٠"},
        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": "9" * 5000},
        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": f"{NOW}\n"},
        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": "nan"},
    ],
)
async def test_a_bad_signature_is_401_and_is_not_logged(
    http: Rig, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, _, _ = await http.platform.http(b"text=canary-in-the-body", headers)
    assert status == 401
    assert "canary" not in caplog.text
    assert await http.keep.rows() == []


@pytest.mark.parametrize("late", [-301, 301, 86_400])
async def test_a_late_or_early_request_is_401(http: Rig, late: int) -> None:
    body = command_body()
    status, _, _ = await http.platform.http(body, http.slack.sign(body, str(NOW + late)))
    assert status == 401


@pytest.mark.parametrize("off", [-299, 299])
async def test_within_five_minutes_it_comes_in(http: Rig, off: int) -> None:
    body = command_body()
    status, _, _ = await http.platform.http(body, http.slack.sign(body, str(NOW + off)))
    assert status == 200


async def test_a_changed_body_or_another_secret_is_401(http: Rig) -> None:
    body = command_body()
    assert (await http.platform.http(body + b"&x=1", http.slack.sign(body)))[0] == 401
    stamp = str(NOW)
    other = hmac.new(b"", f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Signature": f"v0={other}", "X-Slack-Request-Timestamp": stamp}
    assert (await http.platform.http(body, headers))[0] == 401
    assert await http.keep.rows() == []


async def test_too_large_is_refused_before_any_hashing(http: Rig) -> None:
    body = b"x" * 1_000_001
    assert (await http.platform.http(body, http.slack.sign(body)))[0] == 413


async def test_a_replay_is_answered_without_a_second_effect(http: Rig) -> None:
    delivery = await (await http.slack.user("U1").command("C1", "/approve", "17")).acknowledged()
    for _ in range(50):
        assert await http.slack.replay(delivery) == 200
    assert http.keep.answers == [True]  # the inbox was not even asked again


async def test_a_replay_after_five_minutes_is_401(http: Rig, clock: FakeClock) -> None:
    delivery = await (await http.slack.user("U1").command("C1", "/approve", "17")).acknowledged()
    clock.forward(minutes=5, seconds=1)
    assert await http.slack.replay(delivery) == 401


async def test_two_copies_at_once_are_one_delivery(http: Rig) -> None:
    body = command_body()
    headers = http.slack.sign(body)
    answers = await asyncio.gather(*(http.platform.http(body, headers) for _ in range(5)))
    assert [answer[0] for answer in answers] == [200] * 5
    assert http.keep.answers == [True]


async def test_what_failed_may_be_tried_again_with_the_same_signature(http: Rig) -> None:
    body = command_body()
    headers = http.slack.sign(body)
    http.keep.broken = True
    assert (await http.platform.http(body, headers))[0] == 503
    http.keep.broken = False
    assert (await http.platform.http(body, headers))[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"{", b"{]", b"\xff\xfe", b"payload=%7B", b"payload=[]", b"{" + b'"a":[' * 50_000, b"[1]"],
)
async def test_a_signed_body_that_cannot_be_read_is_an_answer(http: Rig, body: bytes) -> None:
    status, _, _ = await http.platform.http(body, http.slack.sign(body))
    assert status in (200, 400)
    kept = await http.events()
    assert kept == []


def test_the_three_kinds_of_body() -> None:
    assert parse('{"type": "event_callback"}') == {"type": "event_callback"}
    press = urlencode({"payload": json.dumps({"type": "block_actions"})})
    assert parse(press) == {"type": "block_actions"}
    command = urlencode({"command": "/ws", "text": "restart payload-api", "payload": "{}"})
    assert parse(command)["text"] == "restart payload-api"


async def test_before_slack_told_who_we_are_nothing_is_acknowledged(db: Database) -> None:
    async with SlackDouble() as slack:
        slack.faults.next("auth.test", drop=True)
        platform = SlackPlatform(settings(slack, "http"))

        async def keep(*_: object) -> bool:
            raise AssertionError("must not be reached")

        await platform.start(keep)
        try:
            body = command_body()
            assert (await platform.http(body, slack.sign(body)))[0] == 503
            assert not platform.health().ok
        finally:
            await platform.stop()


async def test_in_socket_mode_the_door_is_shut(db: Database) -> None:
    async with rig(db, "socket") as one:
        body = command_body()
        assert (await one.platform.http(body, one.slack.sign(body)))[0] == 404
        assert await one.keep.rows() == []
