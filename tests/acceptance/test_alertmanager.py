"""A real Alertmanager fires: incident, playbook, approval, real SSH, probes, and what is learnt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from prompts.texts import say, text
from storage import articles, attempts, incidents, rooms
from storage.articles import Article
from storage.attempts import Attempt
from storage.incidents import Incident
from storage.lifecycle import ArticleState, AttemptState, IncidentState
from storage.tables import messages
from tests.acceptance.alertmanager import Alertmanager, alertmanager
from tests.acceptance.transcript import play
from tests.acceptance.world import World
from tests.unit.healing.ward import RESTART

CONFIG = """
[heal]
playbooks = "playbooks"
look_every_s = 0.1
start_s = 1
[[person]]
name = "prometheus"
role = "AGENT"
"""
ALERT = {"alertname": "UpstreamTimeout", "severity": "critical", "instance": "pay-stg-01:9100"}
SUMMARY = "upstream request timed out"
T = TypeVar("T")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "restart.toml").write_text(RESTART.format(tries=1), "utf-8")
    async with World(tmp_path, config=CONFIG) as stage:
        yield stage


@pytest.fixture
async def alerts(world: World) -> AsyncIterator[Alertmanager]:
    url = f"{world.address}/webhooks/alertmanager"
    token = await world.token("prometheus")
    async with alertmanager(world.folder / "alertmanager", url, token) as running:
        yield running


def break_(world: World, fault: str) -> None:
    (world.folder / "hosts" / "homes" / "pay-stg-01" / "failing").write_text(f"{fault}\n")


async def until(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """What a look gives at last."""
    try:
        async with asyncio.timeout(20):
            while (found := await look()) is None:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None
    return found


async def incident_in(world: World, number: int, state: IncidentState) -> Incident:
    async def look() -> Incident | None:
        async with world.app.db.read() as tx:
            found = await incidents.by_id(tx, number)
        return found if found is not None and found.state is state else None

    return await until(look, f"incident {number} {state}")


async def attempt_in(world: World, incident: int, state: AttemptState) -> Attempt:
    async def look() -> Attempt | None:
        async with world.app.db.read() as tx:
            found = await attempts.of_incident(tx, incident)
        return found[-1] if found and found[-1].state is state else None

    return await until(look, f"attempt of incident {incident} {state}")


async def article_of(world: World, attempt: Attempt) -> Article:
    async def look() -> Article | None:
        async with world.app.db.read() as tx:
            return await articles.by_origin(tx, f"attempt:{attempt.id}")

    return await until(look, f"article of attempt {attempt.id}")


async def shown(world: World, *words: str) -> str:
    """The message with these words in the approvals room, as it is kept."""

    async def look() -> str | None:
        async with world.app.db.read() as tx:
            (room,) = await rooms.for_approvals(tx)
            rows = await tx.all(sa.select(messages.c.body).where(messages.c.room_id == room.id))
        return next((row.body for row in rows if all(word in row.body for word in words)), None)

    return await until(look, f"a message with {words}")


async def test_an_alert_is_repaired_and_becomes_a_runbook(
    world: World, alerts: Alertmanager
) -> None:
    break_(world, "tomcat")
    await alerts.fire(ALERT, summary=SUMMARY)
    await play(
        world,
        "slack",
        """
        << card #1 everywhere: PAY-STG-01 | [approve] [reject] [details]
        >> jun presses approve on #1
        << card #1 everywhere: state_SUCCEEDED | []
        """,
    )
    await attempt_in(world, 1, AttemptState.SETTLING)
    await alerts.resolve(ALERT)

    async def cleared() -> bool | None:
        async with world.app.db.read() as tx:
            return (await incidents.must(tx, 1)).cleared_at is not None or None

    await until(cleared, "the alert is over")
    world.clock.forward(minutes=5)
    attempt = await attempt_in(world, 1, AttemptState.SUCCEEDED)
    found = await incident_in(world, 1, IncidentState.RESOLVED)
    assert found.source == "alertmanager"
    assert found.asset == "PAY-STG-01"
    changed = [line for line in world.ledger() if "restart" in line]
    assert changed == ["pay-stg-01 systemctl restart -- tomcat"]
    runbook = await article_of(world, attempt)
    assert (runbook.kind, runbook.state) == ("RUNBOOK", ArticleState.DRAFT)
    await shown(world, runbook.key, say(text("button_kb_publish"), "en"))
    assert world.slack.violations == []


async def test_a_repair_that_fails_is_not_tried_again_for_the_same_symptom(
    world: World, alerts: Alertmanager
) -> None:
    break_(world, "tomcat stays")
    await alerts.fire(ALERT, summary=SUMMARY)
    await play(
        world,
        "slack",
        """
        << card #1 everywhere: PAY-STG-01 | [approve] [reject] [details]
        >> jun presses approve on #1
        << card #1 everywhere: state_FAILED | []
        """,
    )
    attempt = await attempt_in(world, 1, AttemptState.FAILED)
    await incident_in(world, 1, IncidentState.ESCALATED)
    article = await article_of(world, attempt)
    assert (article.kind, article.state) == ("ANTI_PATTERN", ArticleState.PUBLISHED)
    await shown(world, article.key)

    await alerts.fire({**ALERT, "job": "second"}, summary=SUMMARY)
    second = await incident_in(world, 2, IncidentState.ESCALATED)
    async with world.app.db.read() as tx:
        told = await incidents.last_event(tx, second.id, "escalate")
    assert told is not None
    assert told.detail["why"] == "blocked"
    assert told.detail["attempt"] == attempt.id
    await shown(world, second.key, "#1")  # it names the run that failed
    assert len([line for line in world.ledger() if "restart" in line]) == 1
