"""Hosts behind a bastion: the way is in the plan, both ends are checked, one login is shared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from engine.execution.bastions import Bastions
from engine.execution.outcome import Outcome
from engine.execution.ssh import SshSettings, missing_host_keys
from engine.inventory import Bastion, Inventory
from tests.unit.execution.ssh_servers import Server, Stand, nothing_inside, silent


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """H1 is the bastion, H2 to H4 lie behind it."""
    stand = Stand(tmp_path)
    gate = await stand.listen()
    for number in (2, 3, 4):
        await stand.listen()
        stand.behind(f"H{number}", gate)
    yield stand
    await stand.close()


@pytest.fixture
def gate(stand: Stand) -> Server:
    return stand.servers[0]


BEHIND = ("H2", "H3", "H4")


async def test_hosts_behind_it_share_one_login(stand: Stand, gate: Server) -> None:
    runner = stand.runner()
    for _ in range(2):
        assert (await stand.run(runner, *BEHIND)).outcome is Outcome.DONE
    ports = sorted(server.port for server in stand.servers[1:])
    assert sorted(gate.tunnels) == [("127.0.0.1", port) for port in ports]
    assert (gate.logins, gate.commands) == (1, [])
    assert [(s.logins, len(s.commands)) for s in stand.servers[1:]] == [(1, 2)] * 3
    await runner.close()
    await gate.gone()


async def test_only_so_many_go_through_one_connection(stand: Stand, gate: Server) -> None:
    assert (await stand.run(stand.runner(per_bastion=2), *BEHIND)).outcome is Outcome.DONE
    assert gate.logins == 2


async def test_its_connection_ends_with_the_last_host_behind_it(stand: Stand, gate: Server) -> None:
    assert (await stand.run(stand.runner(keep=False), *BEHIND)).outcome is Outcome.DONE
    await gate.gone()


async def test_a_connection_that_just_ended_takes_nobody_along(stand: Stand, gate: Server) -> None:
    async def opened(_: str) -> tuple[asyncssh.SSHClientConnection, tuple[None, ...]]:
        ssh = await asyncssh.connect(
            "127.0.0.1",
            gate.port,
            username="ops",
            known_hosts=str(stand.known_hosts),
            client_keys=[stand.user_key],
            config=None,
        )
        return ssh, ()

    bastions = Bastions(2, opened, lambda _: ())
    first = await bastions.tunnel("GATE")
    first.leave()
    second = await bastions.tunnel("GATE")
    assert second.ssh is not first.ssh
    await first.ssh.wait_closed()
    assert not second.ssh.is_closed()
    second.leave()
    await gate.gone()


async def test_the_way_is_shown_and_part_of_the_digest(stand: Stand, gate: Server) -> None:
    through = stand.plan("H2")
    port = stand.servers[1].port
    assert through.steps[0].endpoint == f"ops@127.0.0.1:{port} via ops@127.0.0.1:{gate.port}"
    stand.assets["H2"] = replace(stand.assets["H2"], via="")
    straight = stand.plan("H2")
    assert straight.steps[0].endpoint == f"ops@127.0.0.1:{port}"
    assert straight.digest != through.digest
    stand.behind("H2", gate)
    stand.bastions["GATE"] = Bastion("GATE", "gate", "::1", 2222, "hop")
    assert stand.plan("H2").steps[0].endpoint.endswith(" via hop@[::1]:2222")


@pytest.mark.parametrize(("swapped", "named"), [("H1", "GATE"), ("H2", "h2")])
async def test_both_host_keys_are_checked(stand: Stand, swapped: str, named: str) -> None:
    stand.know(**{swapped: asyncssh.generate_private_key("ssh-ed25519")})
    result = await stand.run(stand.runner(), "H2")
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_run_host_key"
    assert result.steps[0].detail.values["host"] == named
    assert all(server.commands == [] for server in stand.servers)


async def test_a_changed_key_of_the_bastion_ends_what_was_kept(stand: Stand, gate: Server) -> None:
    runner = stand.runner()
    await stand.run(runner, "H2")
    stand.know(H1=asyncssh.generate_private_key("ssh-ed25519"))
    assert (await stand.run(runner, "H2")).outcome is Outcome.FAILED
    assert len(stand.servers[1].commands) == 1
    await gate.gone()


async def test_a_bastion_has_its_own_key(stand: Stand, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(stranger))
    stand.bastions["GATE"] = replace(stand.bastions["GATE"], key=str(stranger))
    result = await stand.run(stand.runner(), "H2")
    assert result.steps[0].detail.key == "plan_run_login"
    assert result.steps[0].detail.values["host"] == "GATE"


async def test_a_bastion_that_is_away_costs_one_try_for_all(stand: Stand) -> None:
    other = await stand.listen()
    async with silent() as (port, met):
        stand.bastions["GATE"] = replace(stand.bastions["GATE"], port=port)
        result = await stand.run(stand.runner(connect_timeout_s=0.5), *BEHIND, "H5")
        assert len(met) == 1
    outcomes = [step.outcome for step in result.steps]
    assert outcomes == [Outcome.FAILED] * 3 + [Outcome.DONE]
    assert len(other.commands) == 1


async def test_a_bastion_cut_in_the_middle_leaves_the_command_unknown(
    stand: Stand, gate: Server
) -> None:
    target = stand.servers[1]
    target.pause_s = 5
    run = asyncio.create_task(stand.run(stand.runner(), "H2"))
    async with asyncio.timeout(5):
        while not target.commands:
            await asyncio.sleep(0.01)
    await gate.cut_all()
    assert (await run).outcome is Outcome.UNKNOWN
    assert len(target.commands) == 1


async def test_a_bastion_cut_between_two_runs_is_replaced(stand: Stand, gate: Server) -> None:
    runner = stand.runner()
    await stand.run(runner, *BEHIND)
    await gate.cut_all()
    assert (await stand.run(runner, *BEHIND)).outcome is Outcome.DONE
    assert [len(server.commands) for server in stand.servers[1:]] == [2, 2, 2]


async def test_a_host_behind_it_that_refuses_is_a_failure(stand: Stand) -> None:
    plan = stand.plan("H2")
    nowhere = plan.steps[0].endpoint.replace(f":{stand.servers[1].port} ", ":1 ")
    step = replace(plan.steps[0], endpoint=nowhere)
    result = await stand.runner().run(replace(plan, steps=(step,)), nothing_inside)
    assert result.steps[0].detail.key == "plan_run_unreachable"


def test_check_tells_of_a_bastion_without_a_known_key(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("")
    settings = SshSettings(tmp_path / "known_hosts")
    inventory = Inventory({}, {}, {}, bastions={"GATE": Bastion("GATE", "gate.example", port=2222)})
    (told,) = missing_host_keys(settings, inventory)
    assert "no key for gate.example port 2222 (GATE)" in told
