"""Hosts, planner and runner that belong together, for tests over real SSH."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.actions.scripts import Scripts
from engine.execution.demo_hosts import DemoHosts
from engine.execution.outcome import RunResult, StepResult
from engine.execution.ssh import (
    SshRunner,
    SshSettings,
)
from engine.inventory import Asset, Inventory
from engine.plan import Step
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy

INVENTORY = Inventory(
    {},
    {},
    {
        a.code: a
        for a in (
            Asset("WAS-01", "S", "WAS", "DEV", "was-01", service="tomcat"),
            Asset("WAS-02", "S", "WAS", "DEV", "was-02", service="tomcat"),
            Asset("DB-01", "S", "DB", "DEV", "db-01", service="postgresql"),
            Asset("APP", "S", "WAS", "DEV", "box", container="shop-app"),
            Asset("APP-DB", "S", "DB", "DEV", "box", container="shop-postgres"),
        )
    },
)


class Stage:
    """Hosts, planner and runner that belong together."""

    def __init__(self, hosts: DemoHosts, scripts: Path, **settings: Any) -> None:
        self.hosts = hosts
        self.inventory = hosts.placed()
        registered = Scripts(scripts)
        self.planner = Planner(self.inventory, load_policy(), registered, PlanSettings())
        settings = {"command_timeout_s": 10, **settings}
        self.runner = SshRunner(
            SshSettings(hosts.known_hosts, hosts.key_file, **settings), self.inventory, registered
        )

    async def run(self, action: str, targets: list[str], **params: Any) -> RunResult:
        return await self.runner.run(self.planner.plan(action, targets, params), nothing_inside)

    def ledger(self) -> list[tuple[str, list[str]]]:
        lines = self.hosts.ledger.read_text(encoding="utf-8").splitlines()
        return [(line["host"], line["argv"]) for line in map(json.loads, lines)]


async def nothing_inside(step: Step) -> StepResult:
    raise AssertionError(f"no step of this plan is inside: {step}")


@asynccontextmanager
async def staged(folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    scripts = folder / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    hosts = DemoHosts(INVENTORY, folder / "hosts")
    await hosts.start()
    try:
        yield Stage(hosts, scripts, **settings)
    finally:
        await hosts.stop()


def register(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  {name}\n")
    return digest
