"""The real dispatcher and SSH runner; at the network's edge, simulated hosts with a ledger."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals, Verdict
from engine.approvals.settings import ApprovalSettings
from engine.approvals.watch import ApprovalWatch
from engine.execution.demo_hosts import DemoHosts
from engine.execution.dispatch import DispatchSettings
from engine.execution.dispatcher import Dispatcher
from engine.execution.inside import RequestSteps
from engine.execution.queue import Queue
from engine.execution.runs import Runs
from engine.execution.ssh import SshRunner, SshSettings
from engine.inventory import load_inventory
from engine.planning import Planner, PlanSettings
from engine.requests.desk import Desk
from engine.risk import load_policy
from storage import actions, people, rooms
from storage.actions import Action
from storage.database import Away, Database
from storage.lifecycle import State
from storage.people import Listing, Person, Role
from storage.rooms import RoomListing
from storage.tables import audit, outbox
from tests.conftest import FakeClock

HOSTS = ("one", "two", "three")
INVENTORY = """
[[institution]]
code = "KR"
names = ["한국"]
[[system]]
code = "PAY"
institution = "KR"
names = ["결제"]
""" + "".join(
    f'[[asset]]\ncode = "{host.upper()}"\nsystem = "PAY"\nlayer = "WAS"\n'
    f'environment = "STG"\nhost = "{host}"\nservice = "tomcat"\n'
    for host in HOSTS
)
LISTINGS = [
    Listing("min", Role.REQUESTER, "ko"),
    Listing("jun", Role.ENGINEER, "zh-TW"),
    Listing("ana", Role.ADMIN, "en"),
]


@dataclass
class Yard:
    """Hosts, people, and the runner between them."""

    db: Database
    clock: FakeClock
    hosts: DemoHosts
    proposals: Proposals
    watch: ApprovalWatch
    desk: Desk
    folder: Path
    settings: DispatchSettings = field(default_factory=DispatchSettings)
    url: str = ""
    """Of the database, where processes share it."""
    runs: Runs = field(init=False)
    dispatcher: Dispatcher | Queue = field(init=False)
    people: dict[str, Person] = field(default_factory=dict)
    room: int = 0
    parallel: int = 10
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """A fresh dispatcher, as after a start of the process."""
        settings = SshSettings(
            self.hosts.known_hosts, self.hosts.key_file, command_timeout_s=5, parallel=self.parallel
        )
        runner = SshRunner(settings, self.proposals.planner.inventory, Scripts(None))
        inside = RequestSteps(self.db, self.desk)
        self.runs = Runs(self.db, self.proposals, runner, inside, self.settings)
        shared = self.db.is_shared
        self.dispatcher = (
            Queue(self.db, self.runs, self.url) if shared else Dispatcher(self.db, self.runs)
        )
        await self.dispatcher.recover()
        self._task = asyncio.create_task(self.dispatcher.serve())

    async def known(self, number: int) -> State | None:
        """How an action stands; None while the database is away."""
        try:
            return (await self.action(number)).state
        except Away:
            return None

    async def kill(self) -> None:
        """End it where it stands, runs under way included."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self.runs.kill(), return_exceptions=True)

    async def propose(self, kind: str, *targets: str, who: str = "min", **params: Any) -> Action:
        async with self.db.write() as tx:
            return await self.proposals.propose(
                tx, self.people[who], kind, targets, params, room_id=self.room
            )

    async def decide(
        self, number: int, who: str = "jun", verdict: Verdict = Verdict.APPROVE
    ) -> Action:
        async with self.db.write() as tx:
            return await self.proposals.decide(tx, self.people[who], number, verdict)

    async def action(self, number: int = 1) -> Action:
        async with self.db.read() as tx:
            found = await actions.by_id(tx, number)
        assert found is not None
        return found

    async def ends(self, number: int, *states: State) -> Action:
        """Wait until an action stands in one of these states."""
        async with asyncio.timeout(10):
            while (found := await self.action(number)).state not in states:
                await asyncio.sleep(0.005)
        return found

    async def idle(self) -> None:
        """Let the dispatcher look once more, and wait until it runs nothing."""
        self.db.announce({"actions"})
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while True:
                assert isinstance(self.dispatcher, Dispatcher)
                async with self.dispatcher._looking:
                    if not self.runs.under_way and not await self._news():
                        return
                await asyncio.sleep(0.005)

    async def _news(self) -> bool:
        return any(event.is_set() for event in self.db._waiters.get("actions", ()))

    def ledger(self) -> list[str]:
        lines = self.hosts.ledger.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return [f"{row['host']} {shlex.join(row['argv'])}" for row in rows]

    async def said(self) -> list[str]:
        """Keys of the messages to rooms, in order."""
        async with self.db.read() as tx:
            rows = await tx.all(
                sa.select(outbox.c.body).where(outbox.c.kind == "say").order_by(outbox.c.id)
            )
        return [json.loads(row.body)["text"]["key"] for row in rows]

    async def audited(self, kind: str) -> list[dict[str, Any]]:
        async with self.db.read() as tx:
            rows = await tx.all(
                sa.select(audit.c.detail).where(audit.c.kind == kind).order_by(audit.c.seq)
            )
        return [json.loads(row.detail) for row in rows]


@asynccontextmanager
async def open_yard(
    db: Database, clock: FakeClock, folder: Path, url: str = "", hosts: DemoHosts | None = None
) -> AsyncIterator[Yard]:
    """A yard whose dispatcher is not started. ``hosts`` are those of another yard."""
    file = folder / "inventory.toml"
    file.write_text(INVENTORY, encoding="utf-8")
    own = hosts or DemoHosts(load_inventory(file), folder / "hosts")
    if hosts is None:
        await own.start()
    settings = ApprovalSettings()
    planner = Planner(own.placed(), load_policy(None), Scripts(None), PlanSettings())
    proposals = Proposals(planner, settings)
    watch = ApprovalWatch(db, proposals, settings)
    async with db.write() as tx:
        await people.sync(tx, LISTINGS)
        await rooms.sync(
            tx,
            [
                RoomListing("web", "", "ops"),
                RoomListing("web", "", "approvals", cards=False, approvals=True),
            ],
        )
        everyone = {person.name: person for person in await people.everyone(tx)}
        (room,) = await rooms.with_cards(tx)
    found = Yard(db, clock, own, proposals, watch, Desk(), folder, url=url)
    found.people, found.room = everyone, room.id
    try:
        yield found
    finally:
        await found.kill()
        if hosts is None:
            await own.stop()


@pytest.fixture
async def yard(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Yard]:
    async with open_yard(db, clock, tmp_path) as found:
        await found.start()
        yield found
