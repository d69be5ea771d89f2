"""A repair as a process of its own that can be told to die at a commit.

It reports one incident, repairs it over real SSH, decides what waits as a person would, and ends
when the incident needs nothing more.  Started again in its folder it goes on where the rows say.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals, Verdict
from engine.approvals.settings import ApprovalSettings
from engine.execution.dispatch import DispatchSettings
from engine.execution.dispatcher import Dispatcher
from engine.execution.inside import RequestSteps
from engine.execution.runs import Runs
from engine.execution.ssh import SshRunner, SshSettings
from engine.healing.healer import Healer
from engine.healing.playbooks import load_playbooks
from engine.healing.probes import Prober
from engine.healing.settings import HealSettings
from engine.incidents.reports import Report, take
from engine.inventory import load_inventory
from engine.planning import Planner, PlanSettings
from engine.requests.desk import Desk
from engine.risk import load_policy
from storage import actions, incidents, people
from storage.database import Database, DatabaseSettings, Transaction
from storage.lifecycle import IncidentState, State

_ROUNDS = 2_000
_ROUND_MS = 20_000
"""How far the clock goes from one round to the next."""


@dataclass(frozen=True)
class Orders:
    """Where to work, and when to die."""

    folder: Path
    die_at: int = 0
    """The commit at which it kills itself; 0 = never."""
    before: bool = True
    """Before that commit, or right after it."""


class Mortal(Database):
    """A database whose process dies at a commit. The clock is a file, so that it survives."""

    orders: Orders
    commits = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        async with super().write() as tx:
            yield tx
            self.commits += 1
            if self.orders.before and self.commits == self.orders.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.commits == self.orders.die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def clock_in(folder: Path) -> Path:
    return folder / "clock"


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/repair.db"


def run(orders: Orders) -> None:
    """The whole process."""
    asyncio.run(_Repair(orders).run())


class _Repair:
    def __init__(self, orders: Orders) -> None:
        self.folder = orders.folder
        self._clock = clock_in(orders.folder)
        self.db = Mortal.open(
            DatabaseSettings(url(orders.folder), "NORMAL"), lambda: int(self._clock.read_text())
        )
        assert isinstance(self.db, Mortal)
        self.db.orders = orders
        self.inventory = load_inventory(self.folder / "inventory.toml")
        planner = Planner(self.inventory, load_policy(None), Scripts(None), PlanSettings())
        self.proposals = Proposals(planner, ApprovalSettings(expire_hours=10_000))
        hosts = self.folder / "hosts"
        runner = SshRunner(
            SshSettings(hosts / "known_hosts", hosts / "id_ed25519", command_timeout_s=5),
            self.inventory,
            Scripts(None),
        )
        inside = RequestSteps(self.db, Desk())
        self.runs = Runs(self.db, self.proposals, runner, inside, DispatchSettings())
        self.dispatcher = Dispatcher(self.db, self.runs)
        self.healer = Healer(
            self.db,
            self.proposals,
            load_playbooks(self.folder / "playbooks"),
            Prober(planner, runner, ()),
            HealSettings(look_every_s=1, start_s=1),
        )

    async def run(self) -> None:
        await self.dispatcher.recover()
        runner = asyncio.create_task(self.dispatcher.serve())
        await self._report()
        for _ in range(_ROUNDS):
            later = int(self._clock.read_text()) + _ROUND_MS
            self._clock.write_text(str(later))
            await self.healer.run_once()
            await self._answer()
            if await self._over():
                break
            while self.runs.under_way:
                await asyncio.sleep(0.002)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        await self.db.close()

    async def _report(self) -> None:
        async with self.db.write() as tx:
            if not await incidents.listing(tx, 1):
                report = Report("rest:test", "P1", "upstream request timed out", "f1", asset="ONE")
                await take(tx, self.inventory, "test", report)
        self._note("reported")

    async def _answer(self) -> None:
        """A person approves what waits, and says of a run that was cut off whether it happened."""
        async with self.db.read() as tx:
            jun = await people.by_name(tx, "jun")
            waiting = await actions.listing(tx, states=[State.PENDING_APPROVAL, State.UNKNOWN])
        assert jun is not None
        for action in waiting:
            async with self.db.write() as tx:
                if action.state is State.UNKNOWN:
                    ran = len(self._ledger()) >= action.id
                    await self.proposals.settle(tx, jun, action.id, ran=ran)
                else:
                    await self.proposals.decide(tx, jun, action.id, Verdict.APPROVE)
            self._note(f"accepted {action.id}")
        self.db.announce({"actions"})
        await asyncio.sleep(0.01)

    def _ledger(self) -> list[str]:
        lines = (self.folder / "hosts" / "ledger.jsonl").read_text("utf-8").splitlines()
        return [line for line in lines if "restart" in json.loads(line)["argv"]]

    async def _over(self) -> bool:
        async with self.db.read() as tx:
            (found,) = await incidents.listing(tx, 2)
        return found.state in (IncidentState.RESOLVED, IncidentState.ESCALATED)

    def _note(self, line: str) -> None:
        """What somebody outside was told: it must still be so after a crash."""
        with (self.folder / "told").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
