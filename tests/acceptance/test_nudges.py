"""Talk in real rooms becomes a read-only check on a host; and the bar that says what ends soon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect
from websockets.asyncio.client import connect

from engine.actions.names import action_name
from prompts.texts import say, text
from tests.acceptance.browser import chromium, open_room
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM, World

LICENCES = """
[[licence]]
name = "edb"
product = "Postgres <b>support</b>"
expires = 2026-12-02
[[domain]]
name = "example.org"
expires = 2026-11-01
[[domain]]
name = "example.com"
expires = 2028-01-01
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as stage:
        yield stage
        assert (stage.slack.violations, stage.telegram.violations) == ([], [])


def button(language: str, asset: str) -> str:
    return say(text("nudges_button", check=action_name("db_lock_status"), asset=asset), language)


def looks(world: World) -> list[str]:
    return [line.split(" ", 2)[1] for line in world.ledger()]


async def test_talk_in_a_slack_channel(world: World) -> None:
    min_, jun = world.slack.user("UMIN", "min"), world.slack.user("UJUN", "jun")
    await (await min_.says(SLACK_ROOM, "결제시스템 디비 락 걸린 것 같은데요")).acknowledged()
    label = button("en", "PAY-DB-01")
    offer = await world.slack.until(
        lambda: next((m for m in world.slack.screen(SLACK_ROOM) if label in m.buttons), None)
    )
    assert world.ledger() == [], "nobody has pressed yet"
    await (await jun.press(SLACK_ROOM, offer.ts, label)).acknowledged()
    await world.slack.until(lambda: looks(world) == ["psql"])
    # The rule rests, and what is quoted is no talk.
    before = len(world.slack.screen(SLACK_ROOM))
    await (await min_.says(SLACK_ROOM, "디비 아직도 느려요")).acknowledged()
    await (await min_.says(SLACK_ROOM, "`df -h` 디스크 /api/x")).acknowledged()
    await world.slack.until(
        lambda: any("disk_full" in m.text for m in world.slack.screen(SLACK_ROOM)[before:])
    )
    shown = world.slack.screen(SLACK_ROOM)[before:]
    assert not any(label in m.buttons for m in shown if not m.title.startswith("#"))


async def test_talk_in_a_telegram_group(world: World) -> None:
    min_ = world.telegram.user(111, "min")
    min_.says(TELEGRAM_ROOM, "pay-db-01 쿼리가 느려요")
    label = button("ko", "PAY-DB-01")
    await world.telegram.until(
        lambda: any(label in m.buttons for m in world.telegram.cards(TELEGRAM_ROOM))
    )
    (offer,) = [m for m in world.telegram.cards(TELEGRAM_ROOM) if label in m.buttons]
    min_.press(TELEGRAM_ROOM, offer.id, label)
    await world.telegram.until(lambda: looks(world) == ["psql"])


async def test_the_bar_and_the_talk_in_the_web_room(tmp_path: Path) -> None:
    async with World(tmp_path) as world, chromium() as browser:
        inventory = tmp_path / "inventory.toml"
        inventory.write_text(inventory.read_text(encoding="utf-8") + LICENCES, encoding="utf-8")
        await world.stop_bot()
        await world.start_bot()
        await world.app.upkeep.run_once()
        await _see_the_bar(world, browser)
        await _see_the_list(world)
        await _talk(world, browser)


async def _see_the_bar(world: World, browser: Browser) -> None:
    link = f"{world.address}/sign-in/{await world.token('jun', 'signin')}"
    room = await open_room(browser, link)
    bar = room.page.locator("#expiry")
    await expect(bar).to_contain_text(
        "edb（Postgres <b>support</b>）：🟠 12 天後到期（2026-12-02）"
    )
    await expect(bar).to_contain_text("example.org：🔴 已到期 19 天")
    await expect(bar).not_to_contain_text("example.com")
    assert await bar.locator("b").count() == 0, "a name is text, never markup"
    await bar.get_by_role("button").click()
    await expect(bar).to_be_hidden()
    await room.page.reload()
    await room.connected()
    await expect(bar).to_be_hidden()
    world.clock.forward(minutes=24 * 60)
    await room.page.reload()
    await expect(bar).to_contain_text("11 天後到期")
    assert room.errors == []
    await room.close()


async def _see_the_list(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.address) as http:
        assert (await http.get("/api/web/expiry")).status_code == 401
        assert (await http.get("/api/expiry")).status_code == 401
        token = {"Authorization": f"Bearer {await world.token('min')}"}
        answer = (await http.get("/api/expiry", headers=token)).json()
    names = [(one["name"], one["days_left"], one["ended"]) for one in answer["items"]]
    assert names == [("example.org", -20, True), ("edb", 11, False), ("example.com", 406, False)]


async def _talk(world: World, browser: Browser) -> None:
    links = [f"{world.address}/sign-in/{await world.token(n, 'signin')}" for n in ("min", "ana")]
    min_, ana = [await open_room(browser, link) for link in links]
    await min_.say("서류가 쌓였어요")
    check = action_name("disk_status")
    offer = await ana.wait_for(say(text("nudges_offer_which", check=check, more=False), "en"))
    await offer.get_by_role("button", name="PAY-DB-01").click()
    await ana.wait_for_card("#1 ", tone="good")
    assert [line for line in world.ledger() if "df -hP" in line] == ["pay-db-01 df -hP"]
    await min_.say("/license")
    await min_.wait_for("라이선스 edb (Postgres <b>support</b>)")
    assert min_.errors == ana.errors == []


async def test_a_program_sees_the_code_of_the_button_and_presses_it(world: World) -> None:
    """The message schema (A8): ``interactive_action.command_code`` is the rule's own code."""
    address = f"{world.address.replace('http', 'ws')}/ws/chat/ops/script/HUMAN"
    headers = {"Authorization": f"Bearer {await world.token('min')}"}
    async with connect(address, additional_headers=headers, proxy=None) as socket:

        async def wait_for(code: str) -> dict[str, Any]:
            async with asyncio.timeout(10):
                async for raw in socket:
                    frame: dict[str, Any] = json.loads(raw)
                    if (frame.get("interactive_action") or {}).get("command_code") == code:
                        return frame
            raise AssertionError("the socket was closed")

        await socket.send(
            json.dumps({"msg_type": "CHAT", "content": "pay-was-01 로그가 많이 쌓였어요"})
        )
        offer = await wait_for("CHECK_DISK_SPACE")
        press = {"message_id": offer["message_id"], "interactive_action": {"command_code": "NOPE"}}
        await socket.send(json.dumps(press))
        press["interactive_action"] = offer["interactive_action"]
        await socket.send(json.dumps(press))
        async with asyncio.timeout(10):
            while not world.ledger():
                await asyncio.sleep(0.02)
    assert world.ledger() == ["pay-was-01 df -hP"]
