"""kill -9 of the whole bot at random moments while alerts arrive and people approve: I1–I4 and I7.

Alertmanager sends again whatever was not answered; so does this test.  The moment comes from the
seed, which stands in the name of a failed test.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa

from storage import actions, attempts, inbox, incidents, people, tokens
from storage.attempts import Attempt
from storage.database import Database
from storage.lifecycle import AttemptState, State
from storage.tables import audit
from storage.tables import inbox as inbox_table
from tests.acceptance.test_restart import Process
from tests.acceptance.world import World
from tests.unit.healing.ward import RESTART

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRIES = 2
CONFIG = """
[heal]
playbooks = "playbooks"
look_every_s = 0.1
start_s = 0.5
[model]
shipped = false
[[person]]
name = "prometheus"
role = "AGENT"
"""
THINGS = (("pay-stg-01", "tomcat"), ("pay-was-01", "tomcat stays"), ("shop-host", "shop-app"))
AT_ONCE = (AttemptState.BEFORE, AttemptState.ACTING, AttemptState.AFTER)
TURNS = 12
"""Notifications of each thing: firing again and again, in the end over."""


@dataclass
class Case:
    """One seed's rows and ledger, and what its senders and people were told."""

    world: World
    bot: Process
    secrets: dict[str, str]
    acknowledged: Counter[str] = field(default_factory=Counter)
    accepted: set[int] = field(default_factory=set)

    @asynccontextmanager
    async def db(self) -> AsyncIterator[Database]:
        found = Database.open(self.world.app.settings.database)
        try:
            yield found
        finally:
            await found.close()

    async def post(self, who: str, path: str, body: Any) -> httpx.Response:
        """Until somebody answers, as senders do."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}"}
        while True:
            try:
                async with httpx.AsyncClient(base_url=self.world.address, timeout=5) as http:
                    return await http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)

    async def report(self, host: str) -> None:
        """All notifications of one thing, in order."""
        for turn in range(TURNS):
            over = turn == TURNS - 1
            alert = {
                "status": "resolved" if over else "firing",
                "labels": {"alertname": "Slow", "severity": "critical", "instance": host},
                "annotations": {"summary": "upstream request timed out", "turn": str(turn)},
                "fingerprint": host,
            }
            body = {"version": "4", "alerts": [alert]}
            answer = await self.post("prometheus", "/webhooks/alertmanager", body)
            assert answer.status_code == 200, answer.text
            self.acknowledged[host] += not over
            await asyncio.sleep(0.1)

    async def approve(self) -> None:
        """Whatever waits, without end."""
        async with self.db() as db:
            while True:
                async with db.read() as tx:
                    waiting = await actions.listing(tx, states=[State.PENDING_APPROVAL])
                for action in waiting:
                    path = f"/api/auto/approve/{action.id}"
                    answer = await self.post("ana", path, {"digest": action.digest})
                    if answer.status_code == 200:
                        self.accepted.add(action.id)
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "restart.toml").write_text(RESTART.format(tries=TRIES), "utf-8")
    async with World(folder, config=CONFIG) as stage:
        await stage.stop_bot()
        stage.hosts.delay_s = 0.1
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def case(world: World) -> AsyncIterator[Case]:
    """Nothing but a fresh database, broken services and a bot that runs."""
    for file in world.folder.glob("watchstander.db*"):
        file.unlink()
    world.hosts.ledger.write_text("")
    for host, fault in THINGS:
        (world.folder / "hosts" / "homes" / host / "failing").write_text(f"{fault}\n")
    found = Case(world, Process(world), {})
    await found.bot.start()
    async with found.db() as db, db.write() as tx:
        for name in ("prometheus", "ana"):
            person = await people.by_name(tx, name)
            assert person is not None
            found.secrets[name] = await tokens.create(tx, person.id, "api", None)
    yield found
    await found.bot.kill()


@pytest.mark.parametrize("seed", range(6))
async def test_killed_at_a_random_moment_of_a_storm(case: Case, seed: int) -> None:
    draw = random.Random(seed)
    people_ = asyncio.create_task(case.approve())
    senders = asyncio.gather(*(case.report(host) for host, _ in THINGS))
    await asyncio.sleep(draw.uniform(0.05, 2.0))
    await case.bot.kill()
    await case.bot.start()
    await senders
    await _quiet(case)
    people_.cancel()
    await asyncio.gather(people_, return_exceptions=True)
    await _holds(case)


async def _quiet(case: Case) -> None:
    """Wait until nothing is left to do now: what still waits waits for time or for a person."""
    async with case.db() as db, asyncio.timeout(30):
        while True:
            async with db.read() as tx:
                moving = [State.PENDING_APPROVAL, State.QUEUED, State.APPROVED, State.RUNNING]
                busy = await actions.listing(tx, states=moving) or await incidents.due(tx, 1)
                busy = busy or await inbox.waiting(tx, 1, source="reports")
                found = await incidents.listing(tx)
                tried = [a for one in found for a in await attempts.of_incident(tx, one.id)]
                lost = {a.id for a in await actions.listing(tx, states=[State.UNKNOWN])}
            going = [a for a in tried if a.state in AT_ONCE and a.action_id not in lost]
            if not busy and not going:
                return
            await asyncio.sleep(0.05)


async def _holds(case: Case) -> None:
    async with case.db() as db, db.read() as tx:
        found = await incidents.listing(tx)
        tried = [a for one in found for a in await attempts.of_incident(tx, one.id)]
        done = await actions.listing(tx)
        kept = await tx.all(sa.select(inbox_table.c.state).where(inbox_table.c.source == "reports"))
        claims = await tx.all(sa.select(audit.c.subject).where(audit.c.kind == "action.claim"))
    # I1, I4: each action was taken by a runner at most once, and sent one command at most.
    claimed = Counter(row.subject for row in claims)
    assert all(count == 1 for count in claimed.values()), claimed
    changed = Counter(line for line in case.world.ledger() if " restart " in line)
    assert sum(changed.values()) <= len(claimed)
    assert len({one.origin for one in done}) == len(done)
    # I2: whoever was told "accepted" is in the row.
    assert case.accepted <= {one.id for one in done if one.decided_by is not None}
    # I3: every report that was answered was taken, once.
    assert {row.state for row in kept} == {"DONE"}
    assert {one.fingerprint: one.count for one in found} == case.acknowledged
    # I7
    _limits([a for a in tried if a.action_id is not None])


def _limits(counted: list[Attempt]) -> None:
    assert counted, "something was repaired"
    targets = {target for one in counted for target in one.targets}
    for target in targets:
        mine = [one for one in counted if target in one.targets]
        assert len(mine) <= TRIES
        for earlier, later in itertools.pairwise(mine):
            assert earlier.finished_at is not None
            assert later.started_at - earlier.finished_at >= 30 * 60_000
