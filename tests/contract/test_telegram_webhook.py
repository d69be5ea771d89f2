"""Deliveries by webhook: the secret first, the inbox row next, 200 last. And the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.platforms.telegram.platform import BODY_LIMIT, TelegramPlatform
from bot.platforms.telegram.settings import TelegramSettings
from handlers.inbound import EventKind
from prompts.texts import say
from storage.database import Database
from tests.doubles.telegram import LostReply, TelegramDouble
from tests.doubles.telegram_rig import COMMANDS, SECRET, Keeper, Naps, events, running, web_server

OPS = -1001


@pytest.fixture
async def tg() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        double.group(OPS, "ops")
        yield double


@pytest.fixture
def keeper(db: Database) -> Keeper:
    return Keeper(db)


async def test_the_webhook_keeps_then_answers(db: Database, keeper: Keeper) -> None:
    async with TelegramDouble() as tg, web_server() as (url, place):
        tg.group(OPS)
        tg.faults.next("webhook", LostReply())  # so it comes twice
        async with running(
            tg, db, mode="webhook", webhook_url=url, webhook_secret=SECRET
        ) as platform:
            place["platform"] = platform
            tg.user(111).says(OPS, "@watchstander_bot hello")
            await tg.until(lambda: not tg.updates.pending)
            [event] = await events(platform, keeper)
            assert platform.health().ok

    assert tg.updates.webhook["secret"] == SECRET
    assert [status for _, status in tg.updates.delivered] == [200, 200]
    assert event is not None and (event.kind, event.text) == (EventKind.WORDS, "hello")


async def test_the_webhook_is_asked_again_until_it_is_kept(db: Database) -> None:
    async with TelegramDouble() as tg, web_server() as (url, place):
        tg.group(OPS)
        keeper = Keeper(db)
        keeper.broken = True
        settings = TelegramSettings(
            token=tg.token,
            api_url=tg.api_url,
            mode="webhook",
            webhook_url=url,
            webhook_secret=SECRET,
        )
        platform = place["platform"] = TelegramPlatform(settings, COMMANDS)
        await platform.start(keeper)
        try:
            tg.user(111).says(OPS, "hello")
            await tg.until(lambda: len(tg.updates.delivered) >= 2)
            keeper.broken = False
            await tg.until(lambda: not tg.updates.pending)
        finally:
            await platform.stop()
    statuses = [status for _, status in tg.updates.delivered]
    assert set(statuses[:-1]) == {500} and statuses[-1] == 200
    assert len(await keeper.kept()) == 1


@pytest.fixture
async def hook(tg: TelegramDouble, db: Database) -> AsyncIterator[TelegramPlatform]:
    url = "http://127.0.0.1:9/telegram/webhook"
    async with running(tg, db, mode="webhook", webhook_url=url, webhook_secret=SECRET) as platform:
        yield platform


@pytest.mark.parametrize(
    "secret", [None, "", "wrong", SECRET + "x", SECRET.upper(), "비밀", "\udcff"]
)
async def test_a_wrong_secret_is_refused_before_anything_is_read(
    hook: TelegramPlatform, keeper: Keeper, secret: str | None
) -> None:
    headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
    assert hook.knock(headers) == 401
    assert await hook.http(b'{"update_id": 1}', headers) == 401
    assert await hook.http(b"{" * 2_000_000, headers) == 401
    assert await keeper.kept() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"[1]", 400),
        (b"[" * 200_000, 400),
        (b" " * (BODY_LIMIT + 1), 413),
        (b'{"update_id": 1}', 200),
    ],
)
async def test_bad_bodies_are_refused(
    hook: TelegramPlatform, keeper: Keeper, body: bytes, status: int
) -> None:
    headers = {"x-telegram-bot-api-secret-token": SECRET}
    assert await hook.http(body, headers) == status
    assert len(await keeper.kept()) == (1 if status == 200 else 0)
    assert hook.knock(headers | {"Content-Length": str(BODY_LIMIT + 1)}) == 413
    assert hook.knock(headers | {"Content-Length": "9" * 5000}) == 413


async def test_polling_has_no_webhook_door(tg: TelegramDouble, db: Database) -> None:
    async with running(tg, db) as platform:
        assert await platform.http(b"{}", {"X-Telegram-Bot-Api-Secret-Token": ""}) == 404


async def test_polling_removes_an_old_webhook(tg: TelegramDouble, db: Database) -> None:
    tg.updates.webhook = {"url": "http://127.0.0.1:9/x", "secret": ""}
    async with running(tg, db):
        await tg.until(lambda: tg.updates.polls)
    assert tg.updates.webhook["url"] == ""


async def test_the_webhook_is_watched(tg: TelegramDouble, db: Database) -> None:
    url, naps = "http://127.0.0.1:9/telegram/webhook", Naps()
    async with running(
        tg, db, naps=naps, mode="webhook", webhook_url=url, webhook_secret=SECRET
    ) as platform:
        tg.user(111).says(OPS, "nobody listens there")
        await tg.until(lambda: tg.updates.webhook_error and naps.asked)
        naps.end()
        await tg.until(lambda: not platform.health().ok)
        assert "Connection refused (1 waiting)" in say(platform.health().detail, "en")
        await tg.until(lambda: len(naps.asked) == 2)
        tg.updates.webhook = {"url": "", "secret": ""}  # somebody else polls with this token
        naps.end()
        await tg.until(lambda: tg.updates.webhook["url"] == url)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"token": ""}, "token"),
        ({"token": "12:ab c"}, "token"),
        ({"token": "1:abc", "mode": "push"}, "mode"),
        ({"token": "1:abc", "mode": "webhook", "webhook_url": "https://x/y"}, "webhook_secret"),
        (
            {
                "token": "1:abc",
                "mode": "webhook",
                "webhook_secret": "has space",
                "webhook_url": "https://x",
            },
            "webhook_secret",
        ),
        ({"token": "1:abc", "mode": "webhook", "webhook_secret": "a" * 257}, "webhook_secret"),
        (
            {"token": "1:abc", "mode": "webhook", "webhook_secret": "a", "webhook_url": "http://x"},
            "webhook_url",
        ),
        ({"token": "1:abc", "poll_seconds": 0}, "poll_seconds"),
        ({"token": "1:abc", "api_url": "ftp://x"}, "api_url"),
    ],
)
def test_wrong_settings_say_which(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=f"telegram {said}"):
        TelegramSettings(**values)  # type: ignore[arg-type]
