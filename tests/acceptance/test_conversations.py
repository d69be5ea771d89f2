"""The same conversations on Slack, on Telegram and in the web room, told as transcripts."""

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
async def test_from_words_to_a_restart_on_a_production_host(world: World, room: str) -> None:
    await play(
        world,
        room,
        """
        >> min: pay-was-01 재기동해줘
        << card #1 everywhere: PAY-WAS-01 | CRITICAL | systemctl restart -- tomcat
        << card #1 everywhere: state_PENDING_APPROVAL | [approve] [reject] [details]
        << ledger is empty
        >> min presses approve on #1
        << min hears decide_own id=1
        >> jun presses approve on #1
        << jun hears decide_role id=1 risk=CRITICAL least=ADMIN
        << ledger is empty
        >> ana presses approve on #1
        << ledger: pay-was-01 systemctl restart -- tomcat
        << card #1 everywhere: state_SUCCEEDED | ana | []
        """,
    )


@pytest.mark.parametrize("room", ["slack", "telegram"])
async def test_the_same_by_signed_events_and_webhook(tmp_path: Path, room: str) -> None:
    async with World(tmp_path, pushed=True) as stage:
        await play(
            stage,
            room,
            """
            >> min: pay-was-01 재기동해줘
            << card #1 everywhere: PAY-WAS-01 | CRITICAL | [approve] [reject] [details]
            >> min presses approve on #1
            << min hears decide_own id=1
            >> jun presses approve on #1
            << jun hears decide_role id=1 risk=CRITICAL least=ADMIN
            << ledger is empty
            >> ana presses approve on #1
            << ledger: pay-was-01 systemctl restart -- tomcat
            << card #1 everywhere: state_SUCCEEDED | ana | []
            """,
        )
        assert (stage.slack.violations, stage.telegram.violations) == ([], [])


@pytest.mark.parametrize("room", ROOMS)
async def test_what_only_looks_runs_at_once_and_medium_tells_every_room(
    world: World, room: str
) -> None:
    await play(
        world,
        room,
        """
        >> min: 결제시스템 운영 재기동해줘
        << card #1 everywhere: PAY-DB-01 | PAY-WAS-01 | CRITICAL
        >> ana presses reject on #1: only the WAS, please
        << card #1 everywhere: state_REJECTED | only the WAS, please | []
        >> min: log pay-was-01
        << card #2 everywhere: MEDIUM | journalctl | state_SUCCEEDED | []
        >> min: pay-db-01 디스크 상태 확인해줘
        << card #3: LOW | df -hP | state_SUCCEEDED | []
        """,
    )


@pytest.mark.parametrize("room", ROOMS)
async def test_a_rejection_carries_its_reason_to_every_room(world: World, room: str) -> None:
    await play(
        world,
        room,
        """
        >> min: restart pay-stg-01 please
        << card #1 everywhere: PAY-STG-01 | HIGH | [approve] [reject] [details]
        >> jun presses reject on #1: not during the sale
        << card #1 everywhere: state_REJECTED | jun | not during the sale | []
        << jun hears decided_reject id=1
        << ledger is empty
        """,
    )


@pytest.mark.parametrize("room", ROOMS)
async def test_everything_by_typed_command(world: World, room: str) -> None:
    await play(
        world,
        room,
        """
        >> min types /autoq run server_restart PAY-STG-01
        << card #1 everywhere: PAY-STG-01 | state_PENDING_APPROVAL
        >> jun types /ws approve 1 looks fine
        << ledger: pay-stg-01 systemctl restart -- tomcat
        << card #1 everywhere: state_SUCCEEDED | jun: looks fine | []
        >> ana types /approve 1
        << card #1: state_SUCCEEDED
        >> jun types /frobnicate
        << jun hears command_unknown given=frobnicate
        """,
    )


@pytest.mark.parametrize("room", ROOMS)
async def test_nobody_answers_for_half_an_hour_and_then_for_a_day(world: World, room: str) -> None:
    await play(
        world,
        room,
        """
        >> min: restart pay-stg-01
        << card #1 everywhere: state_PENDING_APPROVAL
        >> 31 minutes pass
        << card #1 everywhere: /approve 1 | [approve] [reject] [details]
        >> 1440 minutes pass
        << card #1 everywhere: state_EXPIRED | []
        << ledger is empty
        """,
    )
