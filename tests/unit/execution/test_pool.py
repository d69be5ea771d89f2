"""Connections over real SSH on loopback: kept, replaced, not trusted too long, not in the way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from engine.execution.outcome import Outcome, StepResult
from engine.execution.ssh import SshSettings
from tests.unit.execution.ssh_servers import Server, Stand, nothing_inside, silent


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(tmp_path)
    await stand.listen()
    yield stand
    await stand.close()


@pytest.fixture
def host(stand: Stand) -> Server:
    return stand.servers[0]


class Order:
    """A watch that notes which step came to its end when."""

    def __init__(self) -> None:
        self.ends: list[int] = []

    def may_send(self) -> bool:
        return True

    def begun(self, number: int) -> None: ...

    def ended(self, number: int, result: StepResult) -> None:
        self.ends.append(number)


async def test_several_runs_share_one_login(stand: Stand, host: Server) -> None:
    runner = stand.runner()
    for _ in range(3):
        assert (await stand.run(runner)).outcome is Outcome.DONE
    assert (host.logins, len(host.commands)) == (1, 3)
    await runner.close()
    await host.gone()


async def test_nothing_is_kept_unless_somebody_will_close_it(stand: Stand, host: Server) -> None:
    runner = stand.runner(keep=False)
    await stand.run(runner)
    await stand.run(runner)
    assert host.logins == 2
    await host.gone()


async def test_two_runs_at_once_have_a_connection_each(stand: Stand, host: Server) -> None:
    host.pause_s = 0.1
    runner = stand.runner()
    results = await asyncio.gather(*(stand.run(runner) for _ in range(2)))
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE]
    assert host.logins == 2
    await stand.run(runner)
    assert host.logins == 2


async def test_an_unused_connection_is_closed(stand: Stand, host: Server) -> None:
    runner = stand.runner(idle_s=0.05)
    await stand.run(runner)
    await host.gone()
    await stand.run(runner)
    assert (host.logins, len(host.commands)) == (2, 2)


async def test_only_so_many_are_kept_and_the_oldest_goes(stand: Stand, host: Server) -> None:
    other = await stand.listen()
    runner = stand.runner(kept=1)
    await stand.run(runner, "H1")
    await stand.run(runner, "H2")
    await host.gone()
    await stand.run(runner, "H2")
    assert (host.logins, other.logins) == (1, 1)


async def test_a_changed_host_key_ends_what_was_kept(stand: Stand, host: Server) -> None:
    runner = stand.runner()
    await stand.run(runner)
    stand.know(H1=asyncssh.generate_private_key("ssh-ed25519"))
    result = await stand.run(runner)
    assert result.steps[0].detail.key == "plan_run_host_key"
    assert (result.outcome, len(host.commands)) == (Outcome.FAILED, 1)
    await host.gone()


async def test_known_hosts_is_read_again_when_it_changed(stand: Stand, host: Server) -> None:
    runner = stand.runner()
    stand.know(H1=asyncssh.generate_private_key("ssh-ed25519"))
    assert (await stand.run(runner)).outcome is Outcome.FAILED
    stand.know()
    assert (await stand.run(runner)).outcome is Outcome.DONE


async def test_a_changed_login_key_ends_what_was_kept(stand: Stand, host: Server) -> None:
    runner = stand.runner()
    await stand.run(runner)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(stand.key_file))
    result = await stand.run(runner)
    assert result.steps[0].detail.key == "plan_run_login"
    assert (host.logins, len(host.commands)) == (1, 1)


async def test_a_missing_known_hosts_lets_nobody_in(stand: Stand, host: Server) -> None:
    runner = stand.runner()
    await stand.run(runner)
    stand.known_hosts.unlink()
    assert (await stand.run(runner)).outcome is Outcome.FAILED
    assert len(host.commands) == 1


async def test_a_kept_connection_that_was_cut_is_replaced_once(stand: Stand, host: Server) -> None:
    runner = stand.runner()
    await stand.run(runner)
    for connection in list(host.connections):
        connection.abort()
    # No pause: the end of the connection may be noticed before or after the next use begins.
    assert (await stand.run(runner)).outcome is Outcome.DONE
    await host.cut_all()
    assert (await stand.run(runner)).outcome is Outcome.DONE
    assert (host.logins, len(host.commands)) == (3, 3)


async def test_a_kept_connection_that_gives_no_channel_is_replaced(
    stand: Stand, host: Server
) -> None:
    runner = stand.runner(connect_timeout_s=0.5, command_timeout_s=30)
    await stand.run(runner)
    host.mute |= host.connections
    assert (await stand.run(runner)).outcome is Outcome.DONE
    assert (host.logins, len(host.commands)) == (2, 2)


async def test_it_is_replaced_no_more_than_once(stand: Stand, host: Server) -> None:
    runner = stand.runner(connect_timeout_s=0.3)
    first = await stand.run(runner)
    assert first.outcome is Outcome.DONE
    assert host.acceptor is not None
    host.acceptor.close()
    host.mute |= host.connections
    plan = stand.plan()
    steps = (*plan.steps, replace(plan.steps[0], asset="H9"))
    result = await runner.run(replace(plan, steps=steps), nothing_inside)
    assert [step.outcome for step in result.steps] == [Outcome.FAILED, Outcome.FAILED]
    keys = [step.detail.key for step in result.steps]
    assert keys == ["plan_run_unreachable", "plan_run_refused"]
    assert (host.logins, len(host.commands)) == (1, 1)


async def test_what_breaks_after_it_was_sent_is_unknown_and_not_sent_again(
    stand: Stand, host: Server
) -> None:
    runner = stand.runner()
    await stand.run(runner)
    host.cut = True
    result = await stand.run(runner)
    assert (result.outcome, result.steps[0].detail.key) == (Outcome.UNKNOWN, "plan_run_lost")
    assert (host.logins, len(host.commands)) == (1, 2)


async def test_a_connection_with_a_command_still_on_it_is_not_kept(
    stand: Stand, host: Server
) -> None:
    host.pause_s = 5
    runner = stand.runner(command_timeout_s=0.1)
    assert (await stand.run(runner)).outcome is Outcome.UNKNOWN
    await host.gone()


async def test_a_cancelled_run_cuts_its_connection(stand: Stand, host: Server) -> None:
    host.pause_s = 5
    runner = stand.runner()
    run = asyncio.create_task(stand.run(runner))
    async with asyncio.timeout(5):
        while not host.commands:
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await host.gone()
    host.pause_s = 0
    assert (await stand.run(runner)).outcome is Outcome.DONE


async def test_whoever_may_not_send_any_more_is_asked_when_the_channel_stands(
    stand: Stand, host: Server
) -> None:
    class Lost(Order):
        """Says yes until the step is begun."""

        def may_send(self) -> bool:
            return not self.begun_any

        begun_any = False

        def begun(self, number: int) -> None:
            self.begun_any = True

    result = await stand.run(stand.runner(), watch=Lost())
    assert result.steps[0].outcome is Outcome.SKIPPED
    assert (host.logins, host.commands) == (1, [])
    await host.gone()


async def test_no_command_is_begun_when_the_time_of_the_host_is_up(
    stand: Stand, host: Server
) -> None:
    host.pause_s = 0.3
    plan = stand.plan()
    steps = tuple(replace(plan.steps[0], asset=code) for code in ("H1", "A", "B"))
    runner = stand.runner(host_timeout_s=0.2)
    result = await runner.run(replace(plan, steps=steps), nothing_inside)
    outcomes = [step.outcome for step in result.steps]
    assert outcomes == [Outcome.DONE, Outcome.FAILED, Outcome.SKIPPED]
    assert result.steps[1].detail.key == "plan_run_host_late"
    assert len(host.commands) == 1


@pytest.mark.parametrize("limit", ["parallel", "handshakes"])
async def test_hosts_that_are_away_take_no_place_of_others(
    stand: Stand, host: Server, limit: str
) -> None:
    async with silent() as (port, met):
        plan = stand.plan()
        dead = replace(plan.steps[0], endpoint=f"ops@127.0.0.1:{port}")
        steps = (*(replace(dead, host=f"dead-{n}") for n in range(5)), plan.steps[0])
        order = Order()
        one: dict[str, Any] = {limit: 1}
        runner = stand.runner(connect_timeout_s=0.5, **one)
        result = await runner.run(replace(plan, steps=steps), nothing_inside, order)
    assert order.ends[0] == 5
    assert [step.outcome for step in result.steps] == [Outcome.FAILED] * 5 + [Outcome.DONE]
    assert len(met) == 5  # nobody was tried a second time


async def test_a_login_that_stalls_gives_its_place_to_others(stand: Stand, host: Server) -> None:
    async with silent() as (port, met):

        async def speak() -> None:
            while not met:
                await asyncio.sleep(0.01)
            met[0].write(b"SSH-2.0-stalled\r\n")

        plan = stand.plan()
        stalled = replace(plan.steps[0], endpoint=f"ops@127.0.0.1:{port}", host="stalled")
        runner = stand.runner(connect_timeout_s=3, handshakes=1)
        order = Order()
        speaking = asyncio.create_task(speak())
        plan = replace(plan, steps=(stalled, plan.steps[0]))
        await runner.run(plan, nothing_inside, order)
        await speaking
    assert order.ends == [1, 0]


async def test_a_small_run_does_not_wait_for_a_big_one(stand: Stand, host: Server) -> None:
    host.pause_s = 0.05
    plan = stand.plan()
    many = replace(plan, steps=tuple(replace(plan.steps[0], host=f"n-{n}") for n in range(10)))
    runner = stand.runner(parallel=1)
    big = asyncio.create_task(runner.run(many, nothing_inside))
    async with asyncio.timeout(5):
        while not host.commands:
            await asyncio.sleep(0.01)
    await stand.run(runner)
    assert len(host.commands) < 5
    assert (await big).outcome is Outcome.DONE


async def test_login_names_and_keys_never_share_a_connection(stand: Stand, host: Server) -> None:
    plan = stand.plan()
    runner = stand.runner()
    for login in ("ops", "dba", "ops"):
        step = replace(plan.steps[0], endpoint=f"{login}@127.0.0.1:{host.port}")
        await runner.run(replace(plan, steps=(step,)), nothing_inside)
    assert host.logins == 2


async def test_a_host_by_its_name(stand: Stand, host: Server) -> None:
    key = host.key.export_public_key().decode()
    stand.known_hosts.write_text(f"[localhost]:{host.port} {key}")
    plan = stand.plan()
    runner = stand.runner(connect_timeout_s=2)
    names = ("localhost", "no-such-host.invalid")
    steps = tuple(
        replace(plan.steps[0], host=name, endpoint=f"ops@{name}:{host.port}") for name in names
    )
    result = await runner.run(replace(plan, steps=steps), nothing_inside)
    assert [step.outcome for step in result.steps] == [Outcome.DONE, Outcome.FAILED]
    assert result.steps[1].detail.key == "plan_run_unreachable"


@pytest.mark.parametrize(
    ("name", "value"),
    [("parallel", 0), ("handshakes", 0), ("connecting", 0), ("kept", -1), ("idle_s", 0)],
)
def test_settings_that_would_stop_everything_are_refused(name: str, value: int) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        SshSettings(Path("known_hosts"), **given)


async def test_a_key_in_use_may_be_renewed_in_place(stand: Stand, host: Server) -> None:
    """The same key written anew (a certificate renewal does so) is a new login, and works."""
    runner = stand.runner()
    await stand.run(runner)
    stamp = stand.key_file.stat()
    os.utime(stand.key_file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000))
    assert (await stand.run(runner)).outcome is Outcome.DONE
    assert host.logins == 2


async def test_a_run_that_is_cancelled_leaves_all_places(stand: Stand, host: Server) -> None:
    host.pause_s = 5
    plan = stand.plan()
    many = replace(plan, steps=tuple(replace(plan.steps[0], host=f"n-{n}") for n in range(4)))
    runner = stand.runner(parallel=1, connecting=2)
    run = asyncio.create_task(runner.run(many, nothing_inside))
    async with asyncio.timeout(5):
        while not host.commands or host.logins < 3:
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await host.gone()
    host.pause_s = 0
    async with asyncio.timeout(5):
        assert (await runner.run(many, nothing_inside)).outcome is Outcome.DONE


async def test_each_asset_of_a_host_has_its_own_key(stand: Stand, host: Server) -> None:
    other = stand.folder / "other_key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    stand.assets["H2"] = replace(stand.assets["H1"], code="H2", service="nginx", key=str(other))
    result = await stand.run(stand.runner(), "H1", "H2")
    assert [step.outcome for step in result.steps] == [Outcome.DONE, Outcome.FAILED]
    assert result.steps[1].detail.key == "plan_run_login"
    assert len(host.commands) == 1


async def test_a_run_that_is_called_off_connects_to_no_further_host(
    stand: Stand, host: Server
) -> None:
    class CalledOff(Order):
        """Says yes until somebody was let in."""

        def may_send(self) -> bool:
            return not host.logins

    plan = stand.plan()
    many = replace(plan, steps=tuple(replace(plan.steps[0], host=f"n-{n}") for n in range(3)))
    result = await stand.runner(connecting=1).run(many, nothing_inside, CalledOff())
    assert [step.outcome for step in result.steps] == [Outcome.SKIPPED] * 3
    assert {step.detail.key for step in result.steps} == {"progress_withheld"}
    assert host.logins == 1
