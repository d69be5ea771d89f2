"""Plans on a real OpenSSH server on loopback: what reaches the programs, and how runs end."""

from __future__ import annotations

import asyncio
import getpass
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.actions.scripts import Scripts
from engine.execution.outcome import Outcome, RunResult, StepResult
from engine.execution.ssh import SshRunner, SshSettings
from engine.inventory import Asset, Inventory
from engine.plan import Plan, Step
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy

# The wrapper notes the command as it came, then lets a real shell take it apart, as a login shell
# would; the stand-in programs note the argv that reached them.
WRAPPER = """#!/bin/sh
printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> {folder}/commands
PATH={folder}/stubs:$PATH exec /bin/sh -c "exec $SSH_ORIGINAL_COMMAND"
"""
NOTE = "#!/bin/sh\n{{ printf '%s' \"${{0##*/}}\"; printf '|%s' \"$@\"; echo; }} >> {folder}/argv\n"
STUBS = {
    "systemctl": (
        'if [ "$1" = stop ]; then echo begun; echo $$ >> {folder}/pids; exec sleep 60; fi\nexit 0\n'
    ),
    "docker": "kill -KILL $$\n",
    "journalctl": 'i=0; while [ $i -lt "$4" ]; do echo line $i; i=$((i+1)); done\n',
    "df": "head -c 104857600 /dev/zero | tr '\\0' x\n",
    "free": "printf 'red \\033[31m \\302\\233 \\342\\200\\256 \\377\\n'; echo oops >&2; exit 3\n",
}


class RealHost:
    """An sshd of our own: its port, its files, and a runner that points at it."""

    def __init__(self, folder: Path, sshd: str) -> None:
        self.folder = folder
        self.sshd = sshd
        self.process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        for name in ("host_key", "other_key", "user_key"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(keygen, check=True)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        self.know("host_key")
        (folder / "stubs").mkdir()
        _program(folder / "wrapper", WRAPPER.format(folder=folder))
        for name, body in STUBS.items():
            _program(folder / "stubs" / name, (NOTE + body).format(folder=folder))
        self.inventory = Inventory(
            {},
            {},
            {
                asset.code: asset
                for asset in (
                    self._asset("WAS", service="tomcat"),
                    self._asset("BOX", container="app"),
                )
            },
        )
        self.planner = Planner(
            self.inventory, load_policy(), Scripts(None), PlanSettings((str(folder / "logs"),))
        )

    def _asset(self, code: str, **what: str) -> Asset:
        user = getpass.getuser()
        return Asset(
            code, "S", "WAS", "DEV", code.lower(), address="127.0.0.1", port=self.port, user=user,
            **what,
        )  # fmt: skip

    def start(self, *options: str) -> None:
        """Listen, with further lines of configuration."""
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nPidFile none\nUsePAM no\n"
            f"StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            f"ForceCommand {self.folder}/wrapper\n" + "".join(f"{line}\n" for line in options)
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("wb") as log:
            self.process = subprocess.Popen([self.sshd, "-D", "-e", "-f", str(config)], stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.02)
        raise AssertionError("sshd does not listen")

    def kill(self) -> None:
        """The server with every process of its connections."""
        assert self.process is not None
        # What a command left running is no child of sshd any more; the stand-ins note their ids.
        left = map(int, self.lines("pids"))
        for pid in [self.process.pid, *_descendants(self.process.pid), *left]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        (self.folder / "pids").unlink(missing_ok=True)

    def know(self, key: str) -> None:
        public = (self.folder / f"{key}.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    async def run(self, plan: Plan, **settings: Any) -> RunResult:
        runner = SshRunner(
            SshSettings(self.folder / "known_hosts", self.folder / "user_key", **settings),
            self.inventory,
            Scripts(None),
        )
        return await runner.run(plan, _nothing_inside)

    async def act(self, action: str, target: str, **params: Any) -> RunResult:
        return await self.run(self.planner.plan(action, [target], params))

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []


async def _nothing_inside(step: Step) -> StepResult:
    raise AssertionError(f"no step of this plan is inside: {step}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(path: Path, body: str) -> None:
    path.write_text(body)
    path.chmod(0o755)


def _descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *_descendants(child)]
    return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[RealHost]:
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if sshd is None:
        pytest.fail("these tests need sshd: apt-get install openssh-server openssh-client")
    ready = RealHost(tmp_path, sshd)
    ready.start()
    yield ready
    ready.kill()


async def _until(host: RealHost, name: str) -> None:
    """Wait for the first line of a ledger."""
    async with asyncio.timeout(10):
        while not host.lines(name):
            await asyncio.sleep(0.01)


async def test_a_restart_reaches_systemctl_as_planned_and_once(host: RealHost) -> None:
    result = await host.act("server_restart", "WAS")
    assert result.outcome is Outcome.DONE
    assert host.lines("commands") == ["systemctl restart -- tomcat"]
    assert host.lines("argv") == ["systemctl|restart|--|tomcat"]


async def test_a_status_with_spaces_and_braces_survives_the_shell(host: RealHost) -> None:
    plan = host.planner.plan("service_status", ["WAS"], {})
    hard = ("systemctl", "show", "{{.Name}} $(id) `id` ; && | * ~ ' \" \\", "--", "tomcat")
    result = await host.run(replace(plan, steps=(replace(plan.steps[0], argv=hard),)))
    assert result.outcome is Outcome.DONE
    assert host.lines("argv") == ["|".join(hard)]
    await host.act("service_status", "WAS")
    assert host.lines("argv")[1].startswith("systemctl|show|--no-pager|--property=Id,")


async def test_the_journal_gives_the_lines_asked_for(host: RealHost) -> None:
    result = await host.act("log_collect", "WAS", lines=37)
    assert result.outcome is Outcome.DONE
    assert result.steps[0].output.splitlines() == [f"line {n}" for n in range(37)]


async def test_a_log_file_is_read_and_a_link_out_is_not(host: RealHost, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "app.log").write_text("one\ntwo\nthree\n")
    (logs / "current").symlink_to(logs / "app.log")
    (logs / "way-out").symlink_to(tmp_path / "user_key")
    (logs / "up").symlink_to(tmp_path)
    (logs / ".secret").write_text("hidden\n")
    (logs / "to-secret").symlink_to(logs / ".secret")
    (logs / "two\nlines").write_text("x\n")
    (logs / "odd").symlink_to(logs / "two\nlines")
    for name in ("app.log", "current"):
        result = await host.act("log_collect", "WAS", path=f"{logs}/{name}", lines=2)
        assert result.outcome is Outcome.DONE, name
        assert result.steps[1].output == "two\nthree\n"
    for name in ("way-out", "up/user_key", "to-secret", "odd"):
        result = await host.act("log_collect", "WAS", path=f"{logs}/{name}")
        assert [r.outcome for r in result.steps] == [Outcome.FAILED, Outcome.SKIPPED], name
        assert result.steps[0].detail.key == "plan_run_outside", name
    assert sum(line.startswith("tail") for line in host.lines("commands")) == 2


async def test_a_swapped_host_key_is_refused_and_nothing_is_sent(host: RealHost) -> None:
    host.know("other_key")
    result = await host.act("server_restart", "WAS")
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_run_host_key"
    assert host.lines("commands") == []


async def test_a_host_that_is_not_known_is_refused(host: RealHost) -> None:
    (host.folder / "known_hosts").write_text("")
    result = await host.act("server_restart", "WAS")
    assert result.outcome is Outcome.FAILED
    assert host.lines("commands") == []


async def test_a_closed_port_is_a_failure(host: RealHost) -> None:
    host.kill()
    result = await host.act("server_restart", "WAS")
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_run_unreachable"
    host.start()


async def test_a_hanging_command_is_unknown_at_its_deadline(host: RealHost) -> None:
    plan = host.planner.plan("service_stop", ["WAS"], {})
    begun = time.monotonic()
    result = await host.run(plan, command_timeout_s=1.0)
    assert time.monotonic() - begun < 5
    assert result.outcome is Outcome.UNKNOWN
    assert result.steps[0].detail.key == "plan_run_deadline"
    assert result.steps[0].output == "begun\n"
    assert host.lines("argv") == ["systemctl|stop|--|tomcat"]


async def test_a_server_killed_in_the_middle_is_unknown_and_ends_the_host(host: RealHost) -> None:
    plan = host.planner.plan("service_stop", ["WAS"], {})
    other = replace(plan.steps[0], asset="NEXT")
    run = asyncio.create_task(host.run(replace(plan, steps=(*plan.steps, other))))
    await _until(host, "argv")
    await asyncio.to_thread(host.kill)
    result = await run
    assert [r.outcome for r in result.steps] == [Outcome.UNKNOWN, Outcome.SKIPPED]
    assert result.steps[0].detail.key == "plan_run_lost"
    assert host.lines("argv") == ["systemctl|stop|--|tomcat"]
    host.start()


async def test_an_end_by_signal_without_status_is_unknown(host: RealHost) -> None:
    result = await host.act("server_restart", "BOX")
    assert result.outcome is Outcome.UNKNOWN
    assert result.steps[0].exit_status is None
    assert result.steps[0].detail.key == "plan_run_signal"


async def test_a_flood_is_capped_without_growing(host: RealHost) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plan = host.planner.plan("disk_status", ["WAS"], {})
    result = await host.run(plan, output_cap=10_000)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.outcome is Outcome.DONE
    output = result.steps[0].output
    assert output.startswith("x" * 5000 + "\n[… 104847600 B …]\nx")
    assert len(output) < 10_100
    assert grown_kib < 40 * 1024


async def test_output_is_shown_with_nothing_hidden_in_it(host: RealHost) -> None:
    result = await host.act("memory_status", "WAS")
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].exit_status == 3
    output = result.steps[0].output
    assert "red \\x1b[31m \\x9b \\u202e \ufffd\n" in output
    assert "oops\n" in output


async def test_cancelling_a_run_leaves_no_connection(host: RealHost) -> None:
    plan = host.planner.plan("service_stop", ["WAS"], {})
    run = asyncio.create_task(host.run(plan))
    await _until(host, "argv")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await host.act("server_restart", "WAS")).outcome is Outcome.DONE


def test_the_account_that_runs_watchstander_lends_nothing(
    host: RealHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ~/.ssh/config that sends everything elsewhere changes nothing."""
    home = host.folder / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/config").write_text("Host *\n  ProxyCommand /bin/false\n")
    monkeypatch.setenv("HOME", str(home))
    result = asyncio.run(host.act("server_restart", "WAS"))
    assert result.outcome is Outcome.DONE
