"""Kept connections and fan-out on a real OpenSSH server, and many hosts of which some are away."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.actions.scripts import Scripts
from engine.execution.outcome import Outcome, StepResult
from engine.execution.ssh import SshRunner, SshSettings
from engine.inventory import Bastion, Inventory
from engine.plan import Plan
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from tests.integration.test_openssh import RealHost, host
from tests.unit.execution.ssh_servers import Stand, nothing_inside, silent

__all__ = ["host"]


class Kept:
    """A runner that keeps connections to a real host, with plans for it."""

    def __init__(self, host: RealHost, inventory: Inventory | None = None, **settings: Any) -> None:
        self.inventory = inventory or host.inventory
        self.runner = SshRunner(
            SshSettings(host.folder / "known_hosts", host.folder / "user_key", **settings),
            self.inventory,
            Scripts(None),
        )
        self.runner.keep_connections()

    def plan(self, action: str) -> Plan:
        planner = Planner(self.inventory, load_policy(), Scripts(None), PlanSettings())
        return planner.plan(action, ["WAS"], {})

    async def act(self, action: str = "server_restart") -> StepResult:
        result = await self.runner.run(self.plan(action), nothing_inside)
        return result.steps[0]


def logins(host: RealHost) -> int:
    return sum("Accepted publickey" in line for line in host.lines("sshd.log"))


@pytest.fixture
async def kept(host: RealHost) -> AsyncIterator[Kept]:
    kept = Kept(host)
    yield kept
    await kept.runner.close()


async def test_sshd_sees_one_login_for_several_actions(host: RealHost, kept: Kept) -> None:
    for _ in range(3):
        assert (await kept.act()).outcome is Outcome.DONE
    assert (logins(host), len(host.lines("commands"))) == (1, 3)


async def test_one_session_at_a_time_is_all_it_takes(host: RealHost, kept: Kept) -> None:
    """sshd's MaxSessions counts sessions of a connection: never two of ours at once."""
    host.kill()
    host.start("MaxSessions 1")
    results = await asyncio.gather(*(kept.act() for _ in range(3)))
    results += [await kept.act() for _ in range(5)]
    assert {result.outcome for result in results} == {Outcome.DONE}
    assert len(host.lines("commands")) == 8


async def test_a_restart_of_sshd_between_actions_is_not_noticed(host: RealHost, kept: Kept) -> None:
    await kept.act()
    await asyncio.to_thread(host.kill)
    host.start()
    assert (await kept.act()).outcome is Outcome.DONE
    assert (logins(host), len(host.lines("commands"))) == (1, 2)  # the log begins anew


async def test_sshd_killed_while_a_kept_connection_runs_is_unknown(
    host: RealHost, kept: Kept
) -> None:
    await kept.act()
    run = asyncio.create_task(kept.act("service_stop"))
    async with asyncio.timeout(10):
        while len(host.lines("argv")) < 2:
            await asyncio.sleep(0.01)
    await asyncio.to_thread(host.kill)
    result = await run
    assert (result.outcome, result.detail.key) == (Outcome.UNKNOWN, "plan_run_lost")
    host.start()
    assert host.lines("argv") == ["systemctl|restart|--|tomcat", "systemctl|stop|--|tomcat"]


async def test_a_swapped_host_key_ends_what_was_kept(host: RealHost, kept: Kept) -> None:
    await kept.act()
    host.know("other_key")
    result = await kept.act()
    assert (result.outcome, result.detail.key) == (Outcome.FAILED, "plan_run_host_key")
    assert len(host.lines("commands")) == 1


async def test_a_host_behind_a_bastion(host: RealHost) -> None:
    assets = {code: replace(a, via="GATE") for code, a in host.inventory.assets.items()}
    gate = Bastion("GATE", "gate", "127.0.0.1", host.port, getpass.getuser())
    kept = Kept(host, Inventory({}, {}, assets, bastions={"GATE": gate}))
    try:
        for _ in range(2):
            assert (await kept.act()).outcome is Outcome.DONE
    finally:
        await kept.runner.close()
    assert (logins(host), len(host.lines("commands"))) == (2, 2)


async def test_hosts_that_are_away_add_nothing_to_the_others(tmp_path: Path) -> None:
    """Forty hosts, four of them silent or closed: the others end while those are waited for."""
    stand = Stand(tmp_path)
    server = await stand.listen()
    ends: list[str] = []

    class Watch:
        def may_send(self) -> bool:
            return True

        def begun(self, number: int) -> None: ...

        def ended(self, number: int, result: StepResult) -> None:
            ends.append(f"{result.step.host} {result.outcome}")

    async with silent() as (port, _):
        (step,) = stand.plan("H1").steps
        places = {4: port, 13: port, 22: port, 31: 1}
        steps = tuple(
            replace(step, host=f"n-{n}", endpoint=f"ops@127.0.0.1:{places.get(n, server.port)}")
            for n in range(40)
        )
        runner = stand.runner(connect_timeout_s=2, parallel=4, handshakes=2)
        plan = replace(stand.plan("H1"), steps=steps)
        await runner.run(plan, nothing_inside, Watch())
        await stand.close()
    assert sorted(ends[-3:]) == ["n-13 FAILED", "n-22 FAILED", "n-4 FAILED"]
    assert sum(end.endswith("DONE") for end in ends) == 36
