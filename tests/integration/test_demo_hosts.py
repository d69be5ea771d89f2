"""Plans over real SSH against the simulated hosts: what the ledger shows, and how runs end."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from engine.actions.scripts import Scripts
from engine.errors import GiveUp, Why
from engine.execution.outcome import Outcome, StepResult, without_output
from engine.execution.ssh import (
    SshRunner,
    SshSettings,
    SshSetupError,
    missing_host_keys,
    setup_problems,
)
from engine.plan import Step
from prompts.texts import text
from tests.integration.demo_stage import INVENTORY, Stage, nothing_inside, staged


async def test_a_restart_puts_exactly_the_planned_argv_in_the_ledger(stage: Stage) -> None:
    plan = stage.planner.plan("server_restart", ["WAS-01", "APP"], {})
    result = await stage.runner.run(plan, nothing_inside)
    assert result.outcome is Outcome.DONE
    assert sorted(stage.ledger()) == [
        ("box", ["docker", "restart", "--", "shop-app"]),
        ("was-01", ["systemctl", "restart", "--", "tomcat"]),
    ]
    assert [r.step for r in result.steps] == list(plan.steps)


async def test_units_keep_their_state(stage: Stage) -> None:
    await stage.run("service_stop", ["WAS-01"])
    stopped = await stage.run("service_status", ["WAS-01", "WAS-02"])
    assert stopped.outcome is Outcome.DONE
    assert "ActiveState=inactive" in stopped.steps[0].output
    assert "ActiveState=active" in stopped.steps[1].output
    await stage.run("service_start", ["WAS-01"])
    started = await stage.run("service_status", ["WAS-01"])
    assert "ActiveState=active" in started.steps[0].output


@pytest.mark.parametrize(
    ("action", "target", "params", "seen"),
    [
        ("disk_status", "WAS-01", {}, "/data"),
        ("memory_status", "WAS-01", {}, "Mem:"),
        ("db_lock_status", "DB-01", {}, "blocked_by"),
        ("db_lock_status", "APP-DB", {}, "blocked_by"),
        ("service_status", "APP", {}, "running"),
        ("log_collect", "WAS-01", {"lines": 3}, "tomcat[814]"),
        ("log_collect", "APP", {"lines": "3"}, "shop-app[814]"),
        ("account_disable", "WAS-01", {"account": "jh.chen"}, ""),
    ],
)
async def test_every_looking_action_has_its_answer(
    stage: Stage, action: str, target: str, params: dict[str, Any], seen: str
) -> None:
    result = await stage.run(action, [target], **params)
    assert result.outcome is Outcome.DONE
    assert seen in result.steps[0].output
    if "lines" in params:
        assert len(result.steps[0].output.splitlines()) == 3


async def test_a_link_inside_the_roots_is_read_by_the_name_that_was_shown(stage: Stage) -> None:
    result = await stage.run("log_collect", ["WAS-01"], path="/var/log/tomcat/current", lines=5)
    assert result.outcome is Outcome.DONE
    assert len(result.steps[1].output.splitlines()) == 5
    assert stage.ledger() == [
        ("was-01", ["realpath", "-e", "--", "/var/log/tomcat/current"]),
        ("was-01", ["tail", "-n", "5", "--", "/var/log/tomcat/current"]),
    ]


@pytest.mark.parametrize("path", ["/var/log/shadow.log", "/var/log/outside/shadow"])
async def test_a_link_out_of_the_roots_is_never_read(stage: Stage, path: str) -> None:
    result = await stage.run("log_collect", ["WAS-01"], path=path)
    assert [r.outcome for r in result.steps] == [Outcome.FAILED, Outcome.SKIPPED]
    assert result.steps[0].detail.key == "plan_run_outside"
    assert [argv[0] for _, argv in stage.ledger()] == ["realpath"]


async def test_a_missing_log_is_a_failure_that_says_so(stage: Stage) -> None:
    result = await stage.run("log_collect", ["WAS-01"], path="/var/log/nothing.log")
    assert [r.outcome for r in result.steps] == [Outcome.FAILED, Outcome.SKIPPED]
    assert result.steps[0].exit_status == 1
    assert "No such file" in result.steps[0].output


async def test_a_failed_step_ends_its_asset_and_not_the_next_on_the_host(stage: Stage) -> None:
    good = stage.planner.plan("server_restart", ["APP", "APP-DB"], {})
    bad = replace(good.steps[0], argv=("no-such-program",))
    plan = replace(good, steps=(bad, good.steps[0], good.steps[1]))
    result = await stage.runner.run(plan, nothing_inside)
    assert [r.outcome for r in result.steps] == [Outcome.FAILED, Outcome.SKIPPED, Outcome.DONE]
    assert result.steps[0].exit_status == 127
    assert result.outcome is Outcome.FAILED


async def test_a_wrong_host_key_is_refused_before_anything_is_sent(stage: Stage) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    port = stage.hosts.ports["was-01"]
    stage.hosts.known_hosts.write_text(f"[127.0.0.1]:{port} {other}")
    result = await stage.run("server_restart", ["WAS-01"])
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_run_host_key"
    assert stage.ledger() == []


async def test_an_unknown_key_is_not_let_in(stage: Stage, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(stranger))
    assets = {c: replace(a, key=str(stranger)) for c, a in stage.inventory.assets.items()}
    runner = SshRunner(
        SshSettings(stage.hosts.known_hosts), replace(stage.inventory, assets=assets), Scripts(None)
    )
    plan = stage.planner.plan("server_restart", ["WAS-01"], {})
    result = await runner.run(plan, nothing_inside)
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_run_login"
    assert stage.ledger() == []


async def test_a_dead_host_fails_and_delays_no_other(stage: Stage) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plan = stage.planner.plan("server_restart", ["WAS-01", "WAS-02", "APP", "APP-DB"], {})
    dead = replace(plan.steps[0], endpoint=f"ops@127.0.0.1:{port}")
    # The second asset on the dead host must not wait for its own timeout.
    steps = (dead, replace(plan.steps[1], endpoint=dead.endpoint, host="was-01"), *plan.steps[2:])
    runner = SshRunner(
        SshSettings(stage.hosts.known_hosts, stage.hosts.key_file, connect_timeout_s=0.5),
        stage.inventory,
        Scripts(None),
    )
    result = await runner.run(replace(plan, steps=steps, rolling=0), nothing_inside)
    server.close()
    outcomes = [r.outcome for r in result.steps]
    assert outcomes == [Outcome.FAILED, Outcome.SKIPPED, Outcome.DONE, Outcome.DONE]
    assert result.steps[0].detail.key == "plan_run_unreachable"
    assert result.outcome is Outcome.FAILED


class Refusing(asyncssh.SSHServerSession[bytes]):
    """A session that ends every command in one odd way."""

    def __init__(self, how: str) -> None:
        self._how = how

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        if self._how == "cut":
            self._chan.get_extra_info("connection").abort()
        if self._how == "leave":
            self._chan.get_extra_info("connection").close()
        return self._how != "refuse"

    def session_started(self) -> None:
        if self._how == "no status":
            self._chan.close()


class OddServer(asyncssh.SSHServer):
    def __init__(self, how: str) -> None:
        self._how = how

    def session_requested(self) -> Any:
        return False if self._how == "no session" else Refusing(self._how)


@pytest.mark.parametrize(
    ("how", "outcome", "detail"),
    [
        ("no session", Outcome.FAILED, "plan_run_refused"),
        ("refuse", Outcome.FAILED, "plan_run_refused"),
        ("cut", Outcome.UNKNOWN, "plan_run_lost"),
        ("leave", Outcome.UNKNOWN, "plan_run_lost"),
        ("no status", Outcome.UNKNOWN, "plan_run_no_status"),
    ],
)
async def test_what_is_sure_not_to_have_begun_failed_and_the_rest_is_unknown(
    stage: Stage, how: str, outcome: Outcome, detail: str
) -> None:
    key = str(stage.hosts.folder / "host_key")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        config=None,
        server_factory=lambda: OddServer(how),
        server_host_keys=[key],
        authorized_client_keys=asyncssh.import_authorized_keys(
            asyncssh.read_private_key(str(stage.hosts.key_file)).export_public_key().decode()
        ),
        encoding=None,
    )
    public = asyncssh.read_private_key(key).export_public_key().decode()
    stage.hosts.known_hosts.write_text(f"[127.0.0.1]:{server.get_port()} {public}")
    plan = stage.planner.plan("server_restart", ["WAS-01"], {})
    step = replace(plan.steps[0], endpoint=f"ops@127.0.0.1:{server.get_port()}")
    result = await stage.runner.run(replace(plan, steps=(step,)), nothing_inside)
    server.close()
    await server.wait_closed()
    assert (result.outcome, result.steps[0].detail.key) == (outcome, detail)


async def test_steps_inside_go_on_after_a_refusal(stage: Stage) -> None:
    keys = ["SR-20261120-0001", "SR-20261120-0002", "SR-20261120-0003"]
    plan = stage.planner.plan("bulk_sr_update", keys, {"op": "close"})

    async def inside(step: Step) -> StepResult:
        if step.asset == keys[1]:
            raise GiveUp(Why.CONFLICT, text("plan_run_done"))
        return without_output(step, Outcome.DONE, text("plan_run_done"))

    result = await stage.runner.run(plan, inside)
    assert [r.outcome for r in result.steps] == [Outcome.DONE, Outcome.FAILED, Outcome.DONE]


async def test_a_bug_inside_is_unknown_and_cuts_no_other_host(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    bulk = stage.planner.plan("bulk_sr_update", ["SR-20261120-0001"], {"op": "close"})
    restart = stage.planner.plan("server_restart", ["WAS-01"], {})
    both = replace(restart, steps=(*bulk.steps, *restart.steps))

    async def broken(step: Step) -> StepResult:
        raise KeyError(step.asset)

    result = await stage.runner.run(both, broken)
    assert [r.outcome for r in result.steps] == [Outcome.UNKNOWN, Outcome.DONE]
    assert "KeyError" in caplog.text


async def test_a_restart_of_the_hosts_keeps_ports_keys_and_ledger(tmp_path: Path) -> None:
    async with staged(tmp_path) as first:
        await first.run("disk_status", ["WAS-01"])
        before = (first.hosts.ports, first.hosts.known_hosts.read_text())
    async with staged(tmp_path) as second:
        assert (second.hosts.ports, second.hosts.known_hosts.read_text()) == before
        result = await second.run("disk_status", ["WAS-01"])
        assert result.outcome is Outcome.DONE
        assert len(second.ledger()) == 2


async def test_a_taken_port_is_replaced_and_known_hosts_follows(tmp_path: Path) -> None:
    async with staged(tmp_path) as first:
        port = first.hosts.ports["was-01"]
    squatter = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port)
    async with staged(tmp_path) as second:
        assert second.hosts.ports["was-01"] != port
        assert (await second.run("disk_status", ["WAS-01"])).outcome is Outcome.DONE
    squatter.close()


async def test_what_the_hosts_keep_is_private(stage: Stage) -> None:
    for name in ("host_key", "id_ed25519", "known_hosts", "ports.json", "ledger.jsonl"):
        assert stat.S_IMODE((stage.hosts.folder / name).stat().st_mode) == 0o600, name


async def test_sftp_stays_in_the_home_of_the_host(stage: Stage) -> None:
    async with (
        asyncssh.connect(
            "127.0.0.1",
            stage.hosts.ports["was-01"],
            config=None,
            known_hosts=str(stage.hosts.known_hosts),
            client_keys=[str(stage.hosts.key_file)],
            agent_path=None,
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        assert await sftp.realpath("/../..") == "/"
        assert not await sftp.exists("/etc/passwd")


@pytest.mark.parametrize("quoting", ["systemctl 'restart", "a \\"])
async def test_a_command_that_cannot_be_parsed_is_noted_and_refused(
    stage: Stage, quoting: str
) -> None:
    async with asyncssh.connect(
        "127.0.0.1",
        stage.hosts.ports["was-01"],
        config=None,
        known_hosts=str(stage.hosts.known_hosts),
        client_keys=[str(stage.hosts.key_file)],
        agent_path=None,
    ) as connection:
        done = await connection.run(quoting)
    assert done.exit_status == 2
    assert stage.ledger() == [("was-01", [quoting])]


def test_without_known_hosts_there_is_no_runner(tmp_path: Path) -> None:
    with pytest.raises(SshSetupError, match="known_hosts: no such file"):
        SshRunner(SshSettings(tmp_path / "known_hosts"), INVENTORY, Scripts(None))


def test_every_setup_problem_is_told(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("@nonsense was-01 ssh-ed25519 AAAA\n")
    (tmp_path / "key").write_text("not a key")
    problems = setup_problems(SshSettings(tmp_path / "known_hosts", tmp_path / "key"), INVENTORY)
    assert len(problems) == 2
    (tmp_path / "known_hosts").write_text("")
    assert (
        "key_file: not set" in setup_problems(SshSettings(tmp_path / "known_hosts"), INVENTORY)[0]
    )
    missing = missing_host_keys(SshSettings(tmp_path / "known_hosts"), INVENTORY)
    assert len(missing) == 4
    assert "ssh-keyscan -p 22 was-01" in missing[0]
