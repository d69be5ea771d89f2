"""The healer over real SSH to simulated hosts, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.approvals.proposals import Verdict
from engine.execution.ssh import SshRunner, SshSettings
from engine.healing.checks import Check
from engine.healing.healer import Healer
from engine.healing.playbooks import Playbooks, load_playbooks
from engine.healing.probes import Prober
from engine.healing.settings import HealSettings
from engine.incidents.reports import Report, take
from storage import actions, attempts, incidents
from storage.actions import Action
from storage.attempts import Attempt
from storage.incidents import Incident
from storage.lifecycle import FINAL, State
from tests.unit.execution.conftest import Yard

RESTART = """
name = "restart-app"
minimum = "P2"
cooldown_minutes = 30
max_retries = {tries}
settle_seconds = 300
[title]
en = "Restart"
ko = "재시작"
zh-TW = "重新啟動"
[match]
classes = ["TIMEOUT"]
[step]
kind = "SSH_CMD"
action = "server_restart"
role = "app"
"""


@dataclass
class Ward:
    """A yard of hosts, and the healer that looks after them."""

    yard: Yard
    playbooks: Playbooks
    settings: HealSettings
    checks: tuple[Check, ...] = ()
    healer: Healer = field(init=False)

    def __post_init__(self) -> None:
        yard = self.yard
        ssh = SshSettings(yard.hosts.known_hosts, yard.hosts.key_file, command_timeout_s=5)
        planner = yard.proposals.planner
        runner = SshRunner(ssh, planner.inventory, planner.scripts)
        prober = Prober(planner, runner, self.checks)
        self.healer = Healer(yard.db, yard.proposals, self.playbooks, prober, self.settings)

    @staticmethod
    def folder(path: Path, *files: str) -> Playbooks:
        """The shipped playbooks behind these."""
        path.mkdir(exist_ok=True)
        for number, content in enumerate(files):
            (path / f"{number}.toml").write_text(content, encoding="utf-8")
        return load_playbooks(path)

    async def report(self, **changes: Any) -> Incident:
        """An alert on the asset ONE that the test playbook is for."""
        base = Report("alertmanager", "P1", "upstream request timed out", "f1", asset="ONE")
        async with self.yard.db.write() as tx:
            taken = await take(
                tx, self.yard.proposals.planner.inventory, "test", replace(base, **changes)
            )
        assert taken.incident is not None
        return taken.incident

    async def clear(self, **changes: Any) -> Incident:
        return await self.report(firing=False, **changes)

    async def step(self, *, seconds: float = 0, minutes: float = 0) -> None:
        """Time passes; the healer does what is due then."""
        self.yard.clock.forward(seconds=seconds, minutes=minutes)
        await self.healer.run_once()

    async def approve(self) -> Action:
        """Somebody approves what waits; it runs to its end."""
        (waiting,) = await self.waiting()
        await self.yard.decide(waiting.id, verdict=Verdict.APPROVE)
        return await self.ended(waiting.id)

    async def reject(self) -> Action:
        (waiting,) = await self.waiting()
        return await self.yard.decide(waiting.id, verdict=Verdict.REJECT)

    async def ended(self, number: int) -> Action:
        async with asyncio.timeout(10):
            while (found := await self.yard.action(number)).state not in FINAL:
                await asyncio.sleep(0.005)
        return found

    async def waiting(self) -> list[Action]:
        async with self.yard.db.read() as tx:
            return await actions.listing(tx, states=[State.PENDING_APPROVAL])

    async def incident(self, number: int = 1) -> Incident:
        async with self.yard.db.read() as tx:
            return await incidents.must(tx, number)

    async def attempts(self, incident: int = 1) -> list[Attempt]:
        async with self.yard.db.read() as tx:
            return await attempts.of_incident(tx, incident)

    async def story(self, incident: int = 1) -> list[str]:
        """The kinds of the timeline's lines, in order; of moves to a person with their reason."""
        async with self.yard.db.read() as tx:
            lines = await incidents.timeline(tx, incident)
        return [
            f"{line.kind} {line.detail['why']}" if line.detail.get("why") else line.kind
            for line in lines
        ]

    def restarts(self) -> list[str]:
        """The commands that changed a host."""
        return [line for line in self.yard.ledger() if "restart" in line]

    def break_(self, host: str, fault: str = "tomcat") -> None:
        """A service goes down; "tomcat stays" is down whatever is done."""
        home = self.yard.hosts.folder / "homes" / host
        (home / "failing").write_text(f"{fault}\n", encoding="utf-8")

    def mend(self, host: str) -> None:
        (self.yard.hosts.folder / "homes" / host / "failing").unlink(missing_ok=True)
