"""Rolling runs over real SSH: which hosts are touched, whichever host fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.actions.scripts import Scripts
from engine.execution.demo_hosts import DemoHosts
from engine.execution.outcome import Outcome, StepResult
from engine.execution.ssh import SshRunner, SshSettings
from engine.inventory import Asset, Inventory
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from tests.integration.demo_stage import nothing_inside

CODES = [f"H{number:02}" for number in range(12)]
INVENTORY = Inventory(
    {},
    {},
    {code: Asset(code, "S", "WAS", "DEV", code.lower(), service="tomcat") for code in CODES},
)
WAVE = 4


class Fleet:
    """A dozen hosts, and what can be seen of them."""

    def __init__(self, hosts: DemoHosts) -> None:
        self.hosts = hosts
        self.planner = Planner(
            hosts.placed(), load_policy(), Scripts(None), PlanSettings(wave=WAVE)
        )
        settings = SshSettings(hosts.known_hosts, hosts.key_file, command_timeout_s=10)
        self.runner = SshRunner(settings, hosts.placed(), Scripts(None))

    def fails(self, host: str) -> None:
        home = self.hosts.folder / "homes" / host
        (home / "failing").write_text("tomcat stays\n", encoding="utf-8")

    def mend(self) -> None:
        for file in self.hosts.folder.glob("homes/*/failing"):
            file.unlink()

    def touched(self) -> list[str]:
        lines = self.hosts.ledger.read_text(encoding="utf-8").splitlines()
        return [line.partition('"host": "')[2].partition('"')[0] for line in lines]

    def forget(self) -> None:
        self.hosts.ledger.write_text("", encoding="utf-8")


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    hosts = DemoHosts(INVENTORY, tmp_path / "hosts")
    await hosts.start()
    yield Fleet(hosts)
    await hosts.stop()


class CalledOff:
    """Says no once so many steps are over."""

    def __init__(self, after: int) -> None:
        self.left = after

    def may_send(self) -> bool:
        return self.left > 0

    def begun(self, number: int) -> None:
        pass

    def ended(self, number: int, result: StepResult) -> None:
        self.left -= 1


async def test_whichever_hosts_fail_no_later_wave_is_touched(fleet: Fleet) -> None:
    dice = random.Random(20_261_120)
    plan = fleet.planner.plan("server_restart", CODES, {})
    assert [len(wave) for wave in plan.waves] == [1, 4, 4, 3]
    for _ in range(6):
        fleet.mend()
        fleet.forget()
        bad = dice.sample(plan.waves[dice.randrange(4)], 1)
        bad += dice.sample([code.lower() for code in CODES], dice.randrange(3))
        for host in bad:
            fleet.fails(host)
        result = await fleet.runner.run(plan, nothing_inside)
        last = min(n for n, wave in enumerate(plan.waves) if set(wave) & set(bad))
        allowed = {host for wave in plan.waves[: last + 1] for host in wave}
        assert set(fleet.touched()) <= allowed, bad
        assert len(fleet.touched()) == len(set(fleet.touched()))
        ends = {r.step.host: r.outcome for r in result.steps}
        for host in fleet.touched():
            assert ends[host] is (Outcome.FAILED if host in bad else Outcome.DONE)
        assert all(ends[host] is Outcome.SKIPPED for host in ends if host not in fleet.touched())
        assert result.outcome is Outcome.FAILED


async def test_a_dead_host_ends_it_too(fleet: Fleet) -> None:
    plan = fleet.planner.plan("server_restart", CODES, {})
    (acceptor,) = [a for a in fleet.hosts._acceptors if a.get_port() == fleet.hosts.ports["h00"]]
    acceptor.close()
    await acceptor.wait_closed()
    result = await fleet.runner.run(plan, nothing_inside)
    assert [r.outcome for r in result.steps] == [Outcome.FAILED] + [Outcome.SKIPPED] * 11
    assert result.steps[1].detail.values == {"host": "h00"}
    assert fleet.touched() == []


async def test_what_only_looks_goes_to_all_at_once(fleet: Fleet) -> None:
    fleet.hosts.delay_s = 9.0  # one after another would take more than a minute
    plan = fleet.planner.plan("disk_status", CODES[:8], {})
    assert plan.rolling == 0
    run = asyncio.create_task(fleet.runner.run(plan, nothing_inside))
    async with asyncio.timeout(9):
        while len(fleet.touched()) < 8:
            await asyncio.sleep(0.01)
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run


async def test_called_off_after_the_first_wave_nothing_more_is_sent(fleet: Fleet) -> None:
    plan = fleet.planner.plan("server_restart", CODES, {})
    result = await fleet.runner.run(plan, nothing_inside, CalledOff(5))
    assert set(fleet.touched()) == {host for wave in plan.waves[:2] for host in wave}
    keys = {r.detail.key for r in result.steps if r.outcome is Outcome.SKIPPED}
    assert keys == {"progress_withheld"}
