"""Who may knock: signatures, secrets and tokens, and bodies that are too large or broken."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.settings import SettingsError, load_settings
from storage import people, tokens
from tests.attacks.doors import Doors
from tests.attacks.stage import MESSENGER_SECRET, TELEGRAM_SECRET, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEN_MB = 10_000_000


def command(team: str = "T1", text: str = "1") -> bytes:
    """A slash command as Slack writes it: ana approves."""
    return (
        f"team_id={team}&channel_id=C1&user_id=UANA&command=%2Fapprove&text={text}"
        f"&trigger_id=t{time.monotonic_ns()}"
    ).encode()


def stamp(shift: int = 0) -> str:
    return str(int(time.time()) + shift)


def signatures(stage: Stage, body: bytes) -> dict[str, dict[str, str]]:
    """What is not Slack's signature, by the trick."""
    good = stage.slack.sign(body)
    when, signed = good["X-Slack-Request-Timestamp"], good["X-Slack-Signature"]
    other = stage.slack.sign(body + b"&x=1")["X-Slack-Signature"]
    return {
        "none": {},
        "no signature": {"X-Slack-Request-Timestamp": when},
        "no time": {"X-Slack-Signature": signed},
        "blank": {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": ""},
        "bare": {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": "v0="},
        "of another body": {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": other},
        "cut": {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": signed[:-1]},
        "capitals": {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": signed.upper()},
        "other version": {
            "X-Slack-Request-Timestamp": when,
            "X-Slack-Signature": signed.replace("v0", "v1"),
        },
        "late": stage.slack.sign(body, stamp(-301)),
        "early": stage.slack.sign(body, stamp(+302)),
        "no number": stage.slack.sign(body, "now"),
        "negative": stage.slack.sign(body, "-1"),
        "float": stage.slack.sign(body, f"{stamp()}.0"),
        "huge": stage.slack.sign(body, "9" * 400),
        "zero": stage.slack.sign(body, "0"),
    }


async def test_only_slacks_own_signature_opens(plain_stage: Stage) -> None:
    before = await plain_stage.inbox_rows()
    body = command()
    for trick, headers in signatures(plain_stage, body).items():
        answer = await plain_stage.http.post("/slack/events", content=body, headers=headers)
        assert answer.status_code == 401, trick
    spaces = plain_stage.slack.sign(body)
    spaces["X-Slack-Request-Timestamp"] += " 0"
    answer = await plain_stage.http.post("/slack/events", content=body, headers=spaces)
    assert answer.status_code == 401
    assert await plain_stage.inbox_rows() == before


async def test_a_signed_request_that_comes_again_is_one_delivery(plain_stage: Stage) -> None:
    before = await plain_stage.inbox_rows()
    body = command(text="999")
    headers = plain_stage.slack.sign(body)
    for _ in range(50):
        answer = await plain_stage.http.post("/slack/events", content=body, headers=headers)
        assert answer.status_code == 200
    # The same delivery under a signature of its own.
    later = plain_stage.slack.sign(body, stamp(1))
    assert (await plain_stage.http.post("/slack/events", content=body, headers=later)).is_success
    assert await plain_stage.inbox_rows() == before + 1


def update(text: str = "/pending") -> dict[str, Any]:
    message = {
        "message_id": 1,
        "date": 1,
        "chat": {"id": -1001, "type": "supergroup", "title": "ops"},
        "from": {"id": 333, "is_bot": False, "first_name": "ana"},
        "text": text,
    }
    return {"update_id": time.monotonic_ns(), "message": message}


@pytest.mark.parametrize(
    "secret",
    [None, "", "x", TELEGRAM_SECRET[:-1], TELEGRAM_SECRET + "x", TELEGRAM_SECRET.upper(), "é"],
)
async def test_only_telegrams_secret_opens(plain_stage: Stage, secret: str | None) -> None:
    before = await plain_stage.inbox_rows()
    headers = [] if secret is None else [(b"X-Telegram-Bot-Api-Secret-Token", secret.encode())]
    answer = await plain_stage.http.post("/telegram/webhook", json=update(), headers=headers)
    assert answer.status_code == 401
    assert await plain_stage.inbox_rows() == before


@pytest.mark.parametrize(
    "shown",
    [
        None, "", "Bearer", "Bearer x", f"Basic {MESSENGER_SECRET}", MESSENGER_SECRET,
        f"Bearer {MESSENGER_SECRET[:-1]}", f"Bearer {MESSENGER_SECRET}x",
        f"Bearer {MESSENGER_SECRET.upper()}", f"Token {MESSENGER_SECRET}", "Bearer null",
        "Bearer é",
    ],
)  # fmt: skip
async def test_only_the_messengers_secret_opens(plain_stage: Stage, shown: str | None) -> None:
    before = await plain_stage.inbox_rows()
    headers = [] if shown is None else [(b"Authorization", shown.encode())]
    body = {"room": "ops", "user": "ana", "text": "/approve 1"}
    answer = await plain_stage.http.post("/messenger/webhook", json=body, headers=headers)
    assert answer.status_code == 401
    assert await plain_stage.inbox_rows() == before


@pytest.mark.parametrize(
    ("of", "to"),
    [
        (f'secret = "{MESSENGER_SECRET}"', 'secret = ""'),
        (f'secret = "{MESSENGER_SECRET}"', ""),
        (f'webhook_secret = "{TELEGRAM_SECRET}"', 'webhook_secret = ""'),
        (f'webhook_secret = "{TELEGRAM_SECRET}"', ""),
        (f'webhook_secret = "{TELEGRAM_SECRET}"', 'webhook_secret = "no spaces please"'),
        ('signing_secret = "canary-signing-secret"', 'signing_secret = ""'),
        ('signing_secret = "canary-signing-secret"', 'signing_secret = "  "'),
        ('signing_secret = "canary-signing-secret"', ""),
    ],
)
async def test_a_blank_secret_is_refused_at_the_start(plain_stage: Stage, of: str, to: str) -> None:
    config = plain_stage.config.read_text()
    assert of in config
    other = plain_stage.folder / "blank.toml"
    other.write_text(config.replace(of, to))
    with pytest.raises(SettingsError) as refused:
        load_settings(other)
    assert "secret" in str(refused.value)


async def rest_doors(stage: Stage, headers: Any) -> AsyncIterator[tuple[str, Any]]:
    """Every door of the REST API with some headers."""
    body = {"action_type": "server_restart", "targets": ["PAY-WAS-01"], "params": {}}
    yield "propose", await stage.http.post("/api/auto/queue", json=body, headers=headers)
    yield "approve", await stage.http.post("/api/auto/approve/1", json={}, headers=headers)
    yield "cycle", await stage.http.post("/api/auto/run", headers=headers)
    yield "queue", await stage.http.get("/api/auto/queue", headers=headers)
    yield "history", await stage.http.get("/api/auto/history", headers=headers)
    yield "status", await stage.http.get("/api/auto/status", headers=headers)
    yield "requests", await stage.http.get("/api/requests", headers=headers)
    yield "ask", await stage.http.post("/api/requests", json={"title": "x"}, headers=headers)
    anomaly = {"source": "x", "severity": "HIGH", "summary": "x"}
    yield "anomaly", await stage.http.post("/api/anomalies", json=anomaly, headers=headers)
    alert = {"summary": "x"}
    yield "incident", await stage.http.post("/api/incidents", json=alert, headers=headers)
    yield "incidents", await stage.http.get("/api/incidents", headers=headers)
    finding = {"source": "x", "title": "x", "severity": "HIGH"}
    yield "finding", await stage.http.post("/api/findings", json=finding, headers=headers)
    notice = {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "x"}}]}
    yield "alerts", await stage.http.post("/webhooks/alertmanager", json=notice, headers=headers)
    yield "me", await stage.http.get("/api/web/me", headers=headers)


async def test_no_rest_door_opens_without_a_good_token(plain_stage: Stage) -> None:
    stage = plain_stage
    async with stage.app.db.write() as tx:
        person = await people.by_name(tx, "ana")
        assert person is not None
        session = await tokens.create(tx, person.id, "session", 3_600_000)
        link = await tokens.create(tx, person.id, "signin", 3_600_000)
        gone = await tokens.create(tx, person.id, "api", 3_600_000)
        old = await tokens.create(tx, person.id, "api", 1)
        await tokens.revoke(tx, gone)
    stage.clock.forward(seconds=1)
    before = await stage.counts()
    tricks: list[Any] = [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer ws_x"},
        {"Authorization": f"Bearer {gone}"}, {"Authorization": f"Bearer {old}"},
        {"Authorization": f"Bearer {session}"}, {"Authorization": f"Bearer {link}"},
        {"Authorization": "Bearer %"}, {"Authorization": "Bearer ' OR 1=1 --"},
        {"Authorization": "Bearer " + "x" * 8000}, [(b"Authorization", b"Bearer \xff\xfe")],
        {"X-Forwarded-User": "ana"}, {"X-Forwarded-For": "127.0.0.1"},
    ]  # fmt: skip
    for headers in tricks:
        async for door, answer in rest_doors(stage, headers):
            # 429: the tricks before it were many, and each next one is told to wait.
            assert answer.status_code in (401, 429), (door, headers, answer.text)
    cookie = {"Cookie": f"watchstander_session={session}", "Origin": stage.address}
    async for door, answer in rest_doors(stage, cookie):
        if door != "me":
            assert answer.status_code == 401, (door, "the cookie is the page's, not REST's")
    good = await stage.token("ana")
    for name in ("token", "access_token", "authorization", "api_key"):
        answer = await stage.http.get("/api/auto/queue", params={name: good})
        assert answer.status_code == 401, name
    assert await stage.counts() == before


# Large and broken bodies


async def bodies(stage: Stage) -> dict[str, tuple[str, dict[str, str]]]:
    """Every door that takes a body, with what opens it."""
    bearer = await stage.bearer("ana") | {"Content-Type": "application/json"}
    return {
        "slack": ("/slack/events", {}),
        "telegram": (
            "/telegram/webhook", {"X-Telegram-Bot-Api-Secret-Token": TELEGRAM_SECRET},
        ),
        "messenger": (
            "/messenger/webhook", {"Authorization": f"Bearer {MESSENGER_SECRET}"},
        ),
        "propose": ("/api/auto/queue", bearer),
        "approve": ("/api/auto/approve/1", bearer),
        "request": ("/api/requests", bearer),
        "anomaly": ("/api/anomalies", bearer),
        "incident": ("/api/incidents", bearer),
        "finding": ("/api/findings", bearer),
        "alerts": ("/webhooks/alertmanager", bearer),
    }  # fmt: skip


DOORS = (
    "slack", "telegram", "messenger", "propose", "approve", "request", "anomaly", "incident",
    "finding", "alerts",
)  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("door", DOORS)
async def test_ten_megabytes_are_refused_before_they_are_read(
    plain_stage: Stage, door: str, chunked: bool
) -> None:
    """The server stops reading: in chunks, most of the body is never taken."""
    path, headers = (await bodies(plain_stage))[door]
    given = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(TEN_MB // 50_000):
            given += 50_000
            yield b"[" * 50_000

    before = await plain_stage.inbox_rows()
    begun = time.monotonic()
    content: Any = chunks() if chunked else b"[" * TEN_MB
    try:
        answer = await plain_stage.http.post(path, content=content, headers=headers)
    except plain_stage.connection_errors:
        assert given < TEN_MB or not chunked, "cut off, but only at the end"
    else:
        assert answer.status_code == 413, answer.text
    assert time.monotonic() - begun < 5
    assert await plain_stage.inbox_rows() == before
    assert (await plain_stage.http.get("/healthz")).status_code == 200


async def test_large_bodies_from_nobody_are_refused_unread(plain_stage: Stage) -> None:
    for path in ("/telegram/webhook", "/messenger/webhook", "/api/auto/queue", "/sign-in"):
        try:
            answer = await plain_stage.http.post(path, content=b"x" * TEN_MB)
        except plain_stage.connection_errors:
            continue
        assert answer.status_code in (401, 403, 413), path


BROKEN = {
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "no json": b"{'a': 1}",
    "not utf-8": b'{"a": "\xff\xfe"}',
    "nul": b"\x00" * 100,
    "empty": b"",
    "a list": b"[1,2,3]",
    "a number": b"1" * 5000,
    "a word": b'"approve 1"',
    "null": b"null",
    "nan": b'{"a": NaN}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "bom": b'\xef\xbb\xbf{"a": 1}',
    "twice": b'{"a":1}{"a":2}',
}


@pytest.mark.parametrize("door", DOORS)
async def test_broken_bodies_are_answered_with_a_4xx_and_change_nothing(
    plain_stage: Stage, door: str
) -> None:
    path, headers = (await bodies(plain_stage))[door]
    before, rows = await plain_stage.counts(), await plain_stage.inbox_rows()
    for trick, body in BROKEN.items():
        if (door, trick) == ("approve", "empty"):
            continue  # an empty body is a decision without words
        signed = plain_stage.slack.sign(body) if door == "slack" else {}
        answer = await plain_stage.http.post(path, content=body, headers=headers | signed)
        taken = door in ("slack", "telegram") and answer.status_code == 200
        assert taken or 400 <= answer.status_code < 500, (trick, answer.status_code)
    await plain_stage.settled()
    assert await plain_stage.counts() == before
    assert await plain_stage.inbox_rows() <= rows + len(BROKEN)


async def test_shapes_that_nobody_foresaw_do_not_stop_what_comes_after(
    plain_stage: Stage, plain_doors: Doors
) -> None:
    odd: list[Any] = [
        {"type": "event_callback", "event": []}, {"type": "event_callback", "event": {"type": 1}},
        {"type": "event_callback", "team_id": {}, "event": {"type": "message", "user": ["UANA"],
         "channel": {"id": "C1"}, "text": {"a": 1}}},
        {"type": "block_actions", "actions": []}, {"type": "block_actions", "actions": [{}]},
        {"type": "view_submission", "view": {"callback_id": "watchstander_reason",
         "private_metadata": "[1]"}},
        {"type": "view_submission", "view": {"callback_id": "watchstander_reason",
         "private_metadata": "{"}},
        {"command": ["/approve"], "team_id": 1, "channel_id": None, "user_id": {}},
        {"type": "event_callback", "team_id": "T1", "event": {"type": "message", "text": "\ud800",
         "user": "UMIN", "channel": "C1", "team": "T1", "channel_type": "channel"}},
        {"type": "event_callback", "team_id": "T1", "event": {"type": "app_mention", "text": "a\0b",
         "user": "UMIN", "channel": "C1", "team": "T1"}},
    ]  # fmt: skip
    for body in odd:
        raw = json.dumps(body).encode()
        answer = await plain_stage.http.post(
            "/slack/events", content=raw, headers=plain_stage.slack.sign(raw)
        )
        assert answer.status_code < 500, (body, answer.status_code)
    for update_ in ({"update_id": 5, "message": []}, {"update_id": "x"}, [], {"message": 1},
                    {"update_id": 6, "callback_query": {"id": {}}},
                    update("\ud800 /approve 1"), update("a\0b")):  # fmt: skip
        answer = await plain_stage.http.post(
            "/telegram/webhook",
            content=json.dumps(update_).encode(),
            headers={"X-Telegram-Bot-Api-Secret-Token": TELEGRAM_SECRET},
        )
        assert answer.status_code < 500, (update_, answer.status_code)
    count = len(await plain_stage.all_actions())
    await plain_doors.slack.types("min", "/autoq run disk_status PAY-STG-01")
    await plain_doors.telegram.types("min", "/autoq run disk_status PAY-STG-01")
    await plain_stage.settled()
    assert len(await plain_stage.all_actions()) == count + 2
