"""Changes on several hosts, told as conversations: host after host, and called off on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.browser import chromium
from tests.acceptance.seats import WebSeat
from tests.acceptance.transcript import play
from tests.acceptance.world import World

ROOMS = ("slack", "telegram", "web")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as stage, chromium() as browser:
        links = {
            name: f"{stage.address}/sign-in/{await stage.token(name, 'signin')}"
            for name in stage.languages
        }
        stage.seats["web"] = WebSeat(browser, links, stage.languages, viewer="ana")
        yield stage
        assert stage.slack.violations == []
        assert stage.telegram.violations == []


@pytest.mark.parametrize("room", ROOMS)
async def test_host_after_host_until_one_fails_or_it_is_called_off(world: World, room: str) -> None:
    failing = world.folder / "hosts/homes/pay-stg-01/failing"
    failing.write_text("tomcat stays\n", encoding="utf-8")
    await play(
        world,
        room,
        """
        >> min types /autoq run server_restart PAY-STG-01 SHOP-APP PAY-WAS-01
        << card #1 everywhere: CRITICAL | progress_field_order | [approve] [reject] [details]
        >> ana presses approve on #1
        << card #1 everywhere: state_FAILED | progress_field_left_out | shop-host | []
        << ledger: pay-stg-01 systemctl restart -- tomcat
        -- Taken back before anybody decides, and once more for good measure.
        >> min types /autoq run server_restart PAY-STG-01 SHOP-APP
        << card #2 everywhere: HIGH | [approve] [reject] [details]
        >> min types /cancel 2 one at a time, please
        << min hears cancel_done id=2 name=min at=1795165200000
        << card #2 everywhere: state_CANCELLED | field_cancelled_by | one at a time, please | []
        >> jun types /approve 2
        << jun hears fate_cancelled id=2 name=min at=1795165200000
        << ledger: pay-stg-01 systemctl restart -- tomcat
        """,
    )
    failing.unlink()
    world.hosts.ledger.write_text("", encoding="utf-8")
    world.hosts.delay_s = 4.5
    await play(
        world,
        room,
        """
        >> min types /autoq run server_restart PAY-STG-01 SHOP-APP PAY-WAS-01
        << card #3: state_PENDING_APPROVAL
        >> ana presses approve on #3
        << card #3: state_RUNNING | progress_field | pay-stg-01 | [cancel]
        >> min presses cancel on #3
        << min hears cancel_running id=3 name=min at=1795165200000
        << card #3 everywhere: state_FAILED | field_cancelled_by | progress_field_left_out | []
        << ledger: pay-stg-01 systemctl restart -- tomcat
        """,
    )
