"""1,000 alerts at once: fifty incidents, every report counted, and no repair beyond its limits."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from handlers.webhooks.intake import SOURCE
from storage import actions, attempts, breakers, inbox, incidents
from storage.actions import Action
from storage.attempts import Attempt
from storage.incidents import Incident
from storage.lifecycle import FINAL, UNDER_WAY, IncidentState, State
from storage.tables import inbox as inbox_table
from storage.tables import outbox
from tests.acceptance.alert_burst import SENDERS, THINGS, Burst
from tests.acceptance.alertmanager import alertmanager
from tests.acceptance.transcript import play
from tests.acceptance.world import World
from tests.unit.healing.ward import RESTART

PER_TARGET, PER_HOUR = 2, 4
HOUR_MS = 3_600_000
CONFIG = f"""
[heal]
playbooks = "playbooks"
look_every_s = 0.1
start_s = 1
per_target = {PER_TARGET}
per_hour = {PER_HOUR}
[[person]]
name = "prometheus"
role = "AGENT"
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "restart.toml").write_text(RESTART.format(tries=2), "utf-8")
    async with World(tmp_path, config=CONFIG) as stage:
        yield stage


def break_(world: World, host: str, fault: str) -> None:
    (world.folder / "hosts" / "homes" / host / "failing").write_text(f"{fault}\n")


async def until(check: Callable[[], Awaitable[bool]], what: str, seconds: float = 60) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await check():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.05)


async def all_incidents(world: World) -> dict[str, Incident]:
    """By fingerprint; no fingerprint has two."""
    async with world.app.db.read() as tx:
        found = await incidents.listing(tx, 1_000)
    assert len({one.fingerprint for one in found}) == len(found)
    return {one.fingerprint: one for one in found}


async def nothing_waits(world: World) -> bool:
    """Whether the inbox is empty, and the healer and the runner have done what is due now."""
    async with world.app.db.read() as tx:
        if await inbox.count_waiting(tx) or await incidents.due(tx, 1):
            return False
        due = [one for one in await attempts.due(tx, 100) if one.due_at <= tx.now]
        moving = [State.QUEUED, State.APPROVED, State.RUNNING]
        return not due and not await actions.listing(tx, states=moving)


async def test_a_thousand_alerts_in_a_burst(world: World) -> None:
    break_(world, "pay-stg-01", "tomcat")
    break_(world, "shop-host", "shop-app stays")
    break_(world, "pay-db-01", "postgresql stays")
    burst = Burst(f"{world.address}/webhooks/alertmanager", await world.token("prometheus"))

    async def somebody_asks() -> None:
        await play(world, "slack", ">> min types /status\n<< min hears status_title")

    await burst.send(somebody_asks)
    kept = [answer for status, answer in burst.answers if status == 200]
    assert len(kept) == len(burst.answers), [a for a in burst.answers if a[0] != 200][:3]
    assert sum(answer["alerts"] for answer in kept if not answer["repeated"]) == 1_000
    assert sum(answer["repeated"] for answer in kept) == len(SENDERS)
    await until(lambda: nothing_waits(world), "something still waits")

    found = await all_incidents(world)
    assert sorted(found) == [thing.fingerprint for thing in THINGS]
    for thing in THINGS:
        one = found[thing.fingerprint]
        assert (one.count, one.flaps) == (thing.fired, thing.fired - 1 if thing.flaps else 0), one
        assert (one.cleared_at is None) is thing.ends_firing, one
    async with world.app.db.read() as tx:
        states = await tx.all(
            sa.select(inbox_table.c.state).where(inbox_table.c.source == SOURCE).distinct()
        )
    assert [row.state for row in states] == ["DONE"]

    await _let_people_work(world)
    await _judge(world)


async def _let_people_work(world: World) -> None:
    """Time passes, and people approve what waits, until there is nothing left to try."""
    for _ in range(60):
        await until(lambda: nothing_waits(world), "something still waits")
        found = await all_incidents(world)
        if all(
            one.state in (IncidentState.ESCALATED, IncidentState.RESOLVED) for one in found.values()
        ):
            return
        async with world.app.db.read() as tx:
            waiting = await actions.listing(tx, states=[State.PENDING_APPROVAL])
        for action in waiting:
            await world.seats["slack"].types("ana", f"/approve {action.id}")
            await until(partial(_ended, world, action), f"#{action.id} has not ended")
        world.clock.forward(minutes=4)
    raise AssertionError("healing never came to an end")


async def _ended(world: World, action: Action) -> bool:
    async with world.app.db.read() as tx:
        found = await actions.by_id(tx, action.id)
    return found is not None and found.state in FINAL


async def _judge(world: World) -> None:
    async with world.app.db.read() as tx:
        tried = [
            one for n in range(1, len(THINGS) + 1) for one in await attempts.of_incident(tx, n)
        ]
        done = await actions.listing(tx, limit=1_000)
        opened = {one.scope for one in await breakers.open_ones(tx)}
        said = await tx.all(sa.select(outbox.c.body).where(outbox.c.kind == "say"))
    counted = sorted(
        (one for one in tried if one.action_id is not None or one.state.value != "SKIPPED"),
        key=lambda one: one.id,
    )
    assert counted, "something was repaired"
    assert not [one for one in tried if one.state in UNDER_WAY]
    _limits(world, counted)
    assert "global" in opened

    _calls(
        await all_incidents(world),
        Counter(
            told["values"]["key"]
            for told in (json.loads(row.body)["text"] for row in said)
            if told["key"] == "heal_escalated"
        ),
    )
    run = [one for one in done if one.state in (State.SUCCEEDED, State.FAILED)]
    changed = [line for line in world.ledger() if " restart " in line]
    assert len(changed) == len(run) > 0
    assert not [one for one in done if one.state is State.UNKNOWN]


def _calls(found: Mapping[str, Incident], calls: Counter[str]) -> None:
    """A person was called once to each that stands with people; to one of the same guide."""
    for one in found.values():
        told_once = one.state is IncidentState.ESCALATED and one.kind != "AUTH_FAIL"
        assert (calls[one.key] == 1) if told_once else (calls[one.key] <= 1), (one, calls[one.key])
    assert sum(calls[one.key] for one in found.values() if one.kind == "AUTH_FAIL") == 1


def _limits(world: World, counted: list[Attempt]) -> None:
    """max_retries and cooldown of a playbook on a target, and what an hour allows."""
    for one in counted:
        hour = [a for a in counted if one.started_at - HOUR_MS < a.started_at <= one.started_at]
        assert len(hour) <= PER_HOUR
        for target in one.targets:
            assert sum(target in a.targets for a in hour) <= PER_TARGET
    for playbook in world.app.healer.playbooks:
        for mark in {mark for a in counted for mark in attempts.marks(a.targets, a.symptom)}:
            mine = [
                a
                for a in counted
                if a.playbook == playbook.name and mark in attempts.marks(a.targets, a.symptom)
            ]
            assert len(mine) <= playbook.max_retries, (playbook.name, mark, len(mine))
            for earlier, later in itertools.pairwise(mine):
                assert earlier.finished_at is not None
                assert later.started_at - earlier.finished_at >= playbook.cooldown_ms


async def test_the_same_things_by_a_real_alertmanager(world: World) -> None:
    """Fifty alerts at once; then half of them are over and come back, twice."""
    url = f"{world.address}/webhooks/alertmanager"
    token = await world.token("prometheus")
    flapping = [thing for thing in THINGS if thing.flaps]
    async with alertmanager(world.folder / "alertmanager", url, token) as alerts:
        # Alertmanager makes the fingerprints: of the labels, which all differ.
        for thing in THINGS:
            await alerts.fire(thing.labels, summary=thing.summary)
        await until(lambda: _stand(world, 50, 0), "fifty incidents")
        for round_ in (1, 2):
            await alerts.resolve(*(thing.labels for thing in flapping))
            await until(lambda: _cleared(world, 25), f"25 are over, round {round_}")
            for thing in flapping:
                await alerts.fire(thing.labels, summary=thing.summary)
            await until(partial(_stand, world, 50 + round_ * 25, round_), "25 are back")
    await until(lambda: nothing_waits(world), "something still waits")
    found = (await all_incidents(world)).values()
    assert sorted((one.count, one.flaps) for one in found) == [(1, 0)] * 25 + [(3, 2)] * 25
    assert len({one.symptom for one in found}) == len({thing.summary for thing in THINGS})
    await _let_people_work(world)
    await _judge(world)


async def _stand(world: World, reports: int, flaps: int) -> bool:
    """Whether so many reports were counted, and as many flaps of each that does."""
    found = (await all_incidents(world)).values()
    return sum(one.count for one in found) == reports and (
        sum(one.flaps for one in found) == flaps * 25
    )


async def _cleared(world: World, count: int) -> bool:
    found = (await all_incidents(world)).values()
    return sum(one.cleared_at is not None for one in found) == count
