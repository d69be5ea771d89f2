"""Canary secrets are in no log line, on no card, in no answer and in no column."""

from __future__ import annotations

import io
import logging

import pytest

from bot.commandline.logs import PlainLines
from bot.settings_secrets import secrets_in
from storage import people, tokens
from storage.all_tables import metadata
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM
from tests.attacks.doors import NAMES, Doors
from tests.attacks.stage import MESSENGER_SECRET, TELEGRAM_SECRET, Stage
from tests.doubles.telegram import Fail

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHATTY = ("httpx", "httpcore", "apscheduler", "asyncssh", "slack_bolt", "telegram", "alembic")


async def canaries(stage: Stage) -> dict[str, str]:
    """Every secret of the stage, by what it is."""
    await stage.bearer("ana")
    await stage.bearer("min")
    key = (stage.folder / "hosts" / "id_ed25519").read_text().splitlines()
    return {
        "slack bot token": stage.slack.bot_token,
        "slack app token": stage.slack.app_token,
        "slack signing secret": stage.slack.signing_secret,
        "telegram token": stage.telegram.token,
        "telegram webhook secret": TELEGRAM_SECRET,
        "messenger secret": MESSENGER_SECRET,
        "ana's api token": stage._tokens["ana"],
        "min's api token": stage._tokens["min"],
        "ssh key": key[2],
    }


async def busy_hour(stage: Stage, doors: Doors) -> None:
    """Good work, failures of every platform, refusals and forgeries: whatever makes log lines."""
    stage.slack.faults.next("chat.postMessage", status=503, times=2)
    stage.slack.faults.next("chat.postEphemeral", error="invalid_auth")
    stage.telegram.faults.next("sendMessage", Fail(500), Fail(502))
    for way in NAMES:
        await doors[way].types("min", "/autoq run disk_status PAY-STG-01")
        await doors[way].says("min", "pay-stg-01 재기동해줘")
        await doors[way].types("min", "/status")
        await doors[way].types("min", "/nonsense")
    action = await stage.propose("min", "PAY-STG-01")
    await doors.rest("ana", f"/api/auto/approve/{action.id}", {"digest": action.digest})
    for path in ("/slack/events", "/telegram/webhook", "/messenger/webhook", "/api/auto/queue"):
        for header in ("Authorization", "X-Telegram-Bot-Api-Secret-Token", "X-Slack-Signature"):
            wrong = {header: f"Bearer {MESSENGER_SECRET}x"}
            await stage.http.post(path, content=b"{}", headers=wrong)
    link = await stage.token("ana", "signin")
    await stage.http.get(f"/sign-in/{link}")
    stage.http.cookies.clear()
    await stage.settled(20)


async def test_no_secret_is_told_or_kept(stage: Stage, doors: Doors) -> None:
    secrets = await canaries(stage)
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        PlainLines("%(name)s %(message)s", frozenset(secrets_in(stage.app.settings)))
    )
    raw: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        raw.append(record.getMessage())
        return True

    handler.addFilter(keep)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        await busy_hour(stage, doors)
        logging.getLogger("x").error(
            "cannot open %s", stage.telegram.api_url + stage.telegram.token
        )
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    told = lines.getvalue()
    assert "cannot open" in told
    shown = [m.text for m in stage.slack.screen(SLACK_ROOM, "UMIN")]
    shown += [m.text for m in stage.telegram.cards(TELEGRAM_ROOM)]
    shown += [str(m) for m in stage.messenger]
    kept: list[str] = []
    async with stage.app.db.read() as tx:
        for table in metadata.tables.values():
            for row in await tx.all(table.select()):
                kept += [str(value) for value in row]
    for name, secret in secrets.items():
        assert secret not in told, f"{name} in the log"
        assert not any(secret in line for line in raw[:-1]), f"{name} in a log record"
        assert not any(secret in words for words in shown), f"{name} on a card"
        assert not any(secret in value for value in kept), f"{name} in the database"
    for path in ("/metrics", "/readyz", "/healthz", "/openapi.json", "/docs", "/"):
        page = (await stage.http.get(path)).text
        assert not any(secret in page for secret in secrets.values()), path


async def test_files_with_secrets_are_their_owners(stage: Stage) -> None:
    for path in (stage.folder / "audit.key", stage.folder / "hosts" / "id_ed25519"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_tokens_are_kept_as_hashes_only(stage: Stage) -> None:
    async with stage.app.db.write() as tx:
        person = await people.by_name(tx, "ana")
        assert person is not None
        secret = await tokens.create(tx, person.id, "api", None)
    files = [*stage.folder.glob("watchstander.db*")]
    assert files
    for file in files:
        assert secret.encode() not in file.read_bytes(), file
