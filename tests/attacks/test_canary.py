"""I10: a secret gets into no log, no card, no audit row, no metric and no status, wherever it was.

Two kinds of canaries: what the configuration holds, and what has the form of a secret.  They are
laid where secrets turn up: in a host's log, in an alert, in words, and in an error from within.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.commandline.logs import PlainLines
from bot.settings_secrets import secrets_in
from engine.execution import demo_machine
from storage import failpoints
from storage.all_tables import metadata
from storage.lifecycle import State
from storage.tables import audit, messages, outbox
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM
from tests.attacks.doors import NAMES, Doors
from tests.attacks.stage import MESSENGER_SECRET, TELEGRAM_SECRET, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY_BODY = "MIIEvQIBADANBgkqhkiGcanarycanarycanary0123456789"
OUTPUT = {
    "AKIACANARYCANARY0001": "AKIACANARYCANARY0001",
    "canary-db-passw0rd": "url=postgresql://pay:canary-db-passw0rd@db-01/pay",
    "canary-hunter-2": "login failed, password=canary-hunter-2",
    "canarybearer0123456789": "Authorization: Bearer canarybearer0123456789",
    "xoxb-canary-000-output": "posting with xoxb-canary-000-output",
    KEY_BODY: f"-----BEGIN PRIVATE KEY-----\n{KEY_BODY}\n-----END PRIVATE KEY-----",
    MESSENGER_SECRET: f"config: secret is {MESSENGER_SECRET} here",
}
"""Secret → the lines of a host's log that hold it."""
ALERT = {
    "canary-alert-passw0rd": "mysql://root:canary-alert-passw0rd@db/x",
    "ghp_canaryCANARYcanaryCANARY0001": "ghp_canaryCANARYcanaryCANARY0001",
    TELEGRAM_SECRET: f"webhook {TELEGRAM_SECRET}",
}
TYPED = {
    "glpat-canarycanary000001": "glpat-canarycanary000001",
    "canary-typed-passw0rd": "https://ops:canary-typed-passw0rd@git.example.org/x",
}
INSIDE = {
    "ws_" + "canary0" * 7: "ws_" + "canary0" * 7,
    "otpauth://totp/x?secret=CANARYCANARY": "otpauth://totp/x?secret=CANARYCANARY",
}


def log_lines(host: str, name: str, count: int) -> list[str]:
    """A simulated host's log with every canary in it."""
    plain = [f"{host} {name} line {number}" for number in range(count)]
    return [*plain, *"\n".join(OUTPUT.values()).split("\n"), "the end"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def canaries(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_machine, "_log_lines", log_lines)
        async with Stage(tmp_path_factory.mktemp("canary"), "called") as stage:
            yield stage


@contextmanager
def logged(stage: Stage) -> Iterator[io.StringIO]:
    """What the process writes to its log, as ``watchstander run`` sets it up, errors and all."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(PlainLines("%(message)s", frozenset(secrets_in(stage.app.settings))))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def test_canaries_sing_nowhere(canaries: Stage) -> None:
    stage = canaries
    inside = INSIDE | {stage.slack.signing_secret: f"bad signature {stage.slack.signing_secret}"}
    typed = TYPED | {stage.slack.bot_token: f"use {stage.slack.bot_token}"}
    async with Doors(stage) as doors:
        with logged(stage) as log:
            await in_an_alert(stage)
            await on_a_host(stage, doors)
            await in_words(stage, doors, list(typed.values()))
            await from_within(stage, doors, log, " ".join(inside.values()))
            for person in ("min", "ana"):
                await doors.web.types(person, "/status")
            await stage.settled(40, told=True)
        told = log.getvalue()
    every = [*OUTPUT, *ALERT, *typed, *inside]
    sinks = await shown(stage) | await asked(stage) | {"log": [told]}
    for sink, words in sinks.items():
        assert any(words), f"{sink} holds nothing at all"
        found = [(secret, line[:300]) for secret in every for line in words if secret in line]
        assert found == [], sink
    assert "RuntimeError" in told and "[hidden]" in told
    # What machines brought in is in no column either, but for the inbox, which keeps what came.
    kept = await columns(stage, but={"inbox"})
    for secret in [*OUTPUT, *inside]:
        assert [name for name, value in kept if secret in value] == []
    for secret in ALERT:
        assert [name for name, value in kept if secret in value] == []


async def in_an_alert(stage: Stage) -> None:
    words = " ".join(ALERT.values())
    alert = {
        "status": "firing",
        "labels": {"alertname": "Canary", "severity": "critical", "note": words},
        "annotations": {"summary": f"Canary {words}", "description": f"log\n{words}"},
        "fingerprint": "canary",
    }
    answer = await stage.http.post(
        "/webhooks/alertmanager",
        json={"version": "4", "alerts": [alert]},
        headers=await stage.bearer("robot"),
    )
    assert answer.status_code == 200, answer.text


async def on_a_host(stage: Stage, doors: Doors) -> None:
    await doors.web.types("min", "/autoq run log_collect PAY-STG-01")
    action = None
    while action is None:
        await stage.settled(20)
        found = [one for one in await stage.all_actions() if one.type == "log_collect"]
        action = found[0] if found else None
    assert action.state is State.SUCCEEDED
    assert action.result is not None
    output = "".join(step["output"] for step in action.result["steps"])
    assert "the end" in output and "password=•••" in output


async def in_words(stage: Stage, doors: Doors, typed: list[str]) -> None:
    """Said to the bot at every door, and as a description and a comment that cards show."""
    words = " ".join(typed)
    for way in NAMES:
        await doors[way].types("min", f"/nonsense:{words}")
        await doors[way].types("min", f"/approve {words}")
        await doors[way].says("min", f"비밀번호는 {words}")
    action = await stage.propose("min", "PAY-STG-01", description=words)
    done = await doors.rest(
        "ana", f"/api/auto/approve/{action.id}", {"digest": action.digest, "comment": words}
    )
    assert done.status_code == 200
    wrong = await doors.rest("ana", "/api/auto/queue", {"action_type": words, "targets": [words]})
    assert wrong.status_code == 422
    assert not [one for one in typed if one in wrong.text]


async def from_within(stage: Stage, doors: Doors, log: io.StringIO, words: str) -> None:
    """Every commit, and every call to Slack, breaks with the secret in its message."""
    await stage.settled(20, told=True)

    def break_(point: str, when: Literal["before", "after"]) -> None:
        if when == "before" and not point.startswith("http."):
            raise RuntimeError(f"{point} broke: {words}")

    failpoints.arm(break_)
    try:
        answer = await stage.http.post(
            "/api/auto/queue",
            json={"action_type": "disk_status", "targets": ["PAY-STG-01"]},
            headers=await stage.bearer("min"),
        )
        assert (answer.status_code, answer.json()["error"]) == (500, "internal")
        assert not [one for one in words.split() if one in answer.text]
        await stage.until(lambda: "RuntimeError" in log.getvalue(), "nothing broke")
    finally:
        failpoints.arm(None)

    def break_slack(point: str, when: Literal["before", "after"]) -> None:
        if point == "slack.chat.postMessage" and when == "before":
            failpoints.arm(None)
            raise RuntimeError(f"{point} broke: {words}")

    failpoints.arm(break_slack)
    await doors.slack.types("min", "/autoq run server_restart PAY-STG-01")
    await stage.until(lambda: "slack.chat.postMessage broke" in log.getvalue(), "Slack held")
    postponed = sa.select(outbox.c.id).where(outbox.c.error.contains("postMessage broke"))
    async with asyncio.timeout(15):
        while not await read_one(stage, postponed):
            await asyncio.sleep(0.02)
    stage.clock.forward(minutes=2)  # it is tried again


async def read_one(stage: Stage, query: sa.Select[Any]) -> object:
    async with stage.app.db.read() as tx:
        return await tx.one(query)


async def shown(stage: Stage) -> dict[str, list[str]]:
    """What the bot showed in every room, and the record of what happened."""
    async with stage.app.db.read() as tx:
        web = await tx.all(messages.select().where(messages.c.sender_type == "BOT"))
        record = await tx.all(audit.select())
    slack = [m for user in ("UMIN", "UANA") for m in stage.slack.screen(SLACK_ROOM, user)]
    return {
        "slack": [str(message) for message in slack if message.by_bot],
        "telegram": [message.text for message in stage.telegram.cards(TELEGRAM_ROOM)],
        "messenger": [str(body) for body in stage.messenger],
        "web": [str(value) for row in web for value in row],
        "audit": [str(value) for row in record for value in row],
    }


async def asked(stage: Stage) -> dict[str, list[str]]:
    """What the bot answers to whoever asks how it is."""
    found = {}
    for path in ("/metrics", "/readyz", "/openapi.json", "/docs", "/", "/api/auto/status"):
        answer = await stage.http.get(path, headers=await stage.bearer("ana"))
        assert answer.status_code == 200, path
        found[path] = [answer.text, str(answer.headers)]
    return found


async def columns(stage: Stage, but: set[str]) -> list[tuple[str, str]]:
    """Every value of every table, with the table's name."""
    async with stage.app.db.read() as tx:
        return [
            (name, str(value))
            for name, table in metadata.tables.items()
            if name not in but
            for row in await tx.all(table.select())
            for value in row
        ]
