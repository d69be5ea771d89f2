"""Plans over real SSH against the simulated hosts: what the ledger shows, and how runs end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.actions.scripts import Scripts
from engine.actions.slots import ACCOUNT, ARGUMENT, CONTAINER, UNIT
from engine.errors import GiveUp, Why
from engine.execution.demo_hosts import DemoHosts
from engine.execution.outcome import Outcome, RunResult, StepResult, without_output
from engine.execution.ssh import (
    SshRunner,
    SshSettings,
    SshSetupError,
    missing_host_keys,
    setup_problems,
)
from engine.inventory import Asset, Inventory
from engine.plan import Plan, Step
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from prompts.texts import text

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


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as ready:
        yield ready


def register(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  {name}\n")
    return digest


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


async def test_a_registered_script_is_uploaded_by_hash_and_run(
    stage: Stage, tmp_path: Path
) -> None:
    digest = register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\necho rotated\n")
    result = await stage.run("script_exec", ["WAS-01"], script="rotate.sh", args=["nightly", "a=b"])
    assert result.outcome is Outcome.DONE
    assert stage.ledger() == [("was-01", [f".watchstander/{digest}", "nightly", "a=b"])]
    there = tmp_path / "hosts/homes/was-01/.watchstander" / digest
    assert there.read_bytes() == b"#!/bin/sh\necho rotated\n"
    assert stat.S_IMODE(there.stat().st_mode) == 0o700
    assert stat.S_IMODE(there.parent.stat().st_mode) == 0o700
    assert [p.name for p in there.parent.iterdir()] == [digest], "no half files stay behind"


async def test_a_script_changed_after_the_plan_is_refused(stage: Stage, tmp_path: Path) -> None:
    register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\necho rotated\n")
    plan = stage.planner.plan("script_exec", ["WAS-01"], {"script": "rotate.sh"})
    (tmp_path / "scripts/rotate.sh").write_bytes(b"#!/bin/sh\nrm -rf /\n")
    result = await stage.runner.run(plan, nothing_inside)
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_script_gone"
    register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\nrm -rf /\n")
    again = await stage.runner.run(plan, nothing_inside)
    assert again.steps[0].detail.key == "plan_script_gone", "registered anew is another script"
    assert stage.ledger() == []


async def test_a_script_folder_that_others_can_write_is_refused(
    stage: Stage, tmp_path: Path
) -> None:
    register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\n")
    folder = tmp_path / "hosts/homes/was-01/.watchstander"
    folder.mkdir()
    folder.chmod(0o777)
    result = await stage.run("script_exec", ["WAS-01"], script="rotate.sh")
    assert result.steps[0].detail.key == "plan_run_upload"
    assert stage.ledger() == []


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
    result = await runner.run(replace(plan, steps=steps), nothing_inside)
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


async def test_cancelling_a_run_cuts_its_connections(stage: Stage) -> None:
    plan = stage.planner.plan("bulk_sr_update", ["SR-20261120-0001"], {"op": "close"})
    begun = asyncio.Event()

    async def endless(step: Step) -> StepResult:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    restart = stage.planner.plan("server_restart", ["WAS-01"], {})
    task = asyncio.create_task(
        stage.runner.run(replace(plan, steps=(*plan.steps, *restart.steps)), endless)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await stage.run("server_restart", ["WAS-02"])).outcome is Outcome.DONE


def legal(slot: Any) -> st.SearchStrategy[str]:
    pattern = slot.pattern.pattern
    return st.from_regex(slot.pattern, fullmatch=True).filter(
        lambda value: len(value) <= slot.longest and value not in slot.refused and bool(pattern)
    )


WORDS = st.one_of(legal(UNIT), legal(CONTAINER), legal(ACCOUNT), legal(ARGUMENT))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=1, max_size=8))
async def test_what_arrives_is_exactly_what_was_sent(stage: Stage, lines: list[list[str]]) -> None:
    stage.hosts.ledger.write_text("")
    sample = stage.planner.plan("server_restart", ["WAS-01"], {}).steps[0]
    # One asset name per step: an unknown program fails, and that must not skip the next.
    steps = tuple(
        replace(sample, asset=f"A{number}", argv=("echo", *argv))
        for number, argv in enumerate(lines)
    )
    plan = Plan("server_restart", ("WAS-01",), {}, steps, "HIGH")
    result = await stage.runner.run(plan, nothing_inside)
    assert stage.ledger() == [("was-01", ["echo", *argv]) for argv in lines]
    assert {r.exit_status for r in result.steps} == {127}


HARD = [
    "$(id)",
    "`id`",
    "a b",
    "'",
    '"',
    "\\",
    "\n",
    ";",
    "&&",
    "|",
    "*",
    "~",
    "{a,b}",
    "!",
    "#",
    "%s",
]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(st.sampled_from(HARD), min_size=1, max_size=8))
async def test_even_words_no_slot_would_pass_arrive_unchanged(
    stage: Stage, words: list[str]
) -> None:
    stage.hosts.ledger.write_text("")
    step = replace(
        stage.planner.plan("server_restart", ["WAS-01"], {}).steps[0], argv=("echo", *words)
    )
    await stage.runner.run(Plan("server_restart", (), {}, (step,), "HIGH"), nothing_inside)
    assert stage.ledger() == [("was-01", ["echo", *words])]
