"""``watchstander guard`` as cron runs it: real processes, a real REST API, real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from handlers.api.incidents import incident_routes
from storage import incidents, people, tokens
from storage.database import Database
from storage.incidents import Incident
from storage.lifecycle import IncidentState
from storage.people import Listing, Role
from tests.contract.web_server import serving
from tests.integration.command import ROOT, command_line, environment
from tests.unit.requests.parts import build_services


@dataclass
class Ended:
    code: int
    out: bytes
    err: str


@dataclass
class Cron:
    """Runs guarded jobs, and looks at the incidents they made."""

    db: Database
    folder: Path
    url: str
    token_file: Path
    running: list[Process] = field(default_factory=list)

    async def start(
        self, *job: str, options: tuple[str, ...] = (), url: str | None = None
    ) -> Process:
        where = ("--url", url or self.url, "--token-file", str(self.token_file))
        guard = ("guard", "--task", "nightly", *where, "--state", str(self.folder / "state"))
        process = await asyncio.create_subprocess_exec(
            *command_line(*guard, *options, "--", *job),
            cwd=ROOT,
            env=environment(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
            preexec_fn=_with_signals,
        )
        self.running.append(process)
        return process

    async def run(
        self,
        *job: str,
        stdin: bytes = b"",
        options: tuple[str, ...] = (),
        url: str | None = None,
    ) -> Ended:
        process = await self.start(*job, options=options, url=url)
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Ended(process.returncode, out, err.decode(errors="backslashreplace"))

    async def shell(self, line: str, url: str | None = None) -> Ended:
        return await self.run("sh", "-c", line, url=url)

    async def incidents(self) -> list[Incident]:
        async with self.db.read() as tx:
            return await incidents.listing(tx)

    def waiting(self) -> list[Path]:
        return sorted((self.folder / "state" / "nightly").glob("*.json"))


@pytest.fixture
async def cron(db: Database, tmp_path: Path) -> AsyncIterator[Cron]:
    async with db.write() as tx:
        await people.sync(tx, [Listing("robot", Role.AGENT, "en")])
        robot = await people.by_name(tx, "robot")
        assert robot is not None
        secret = await tokens.create(tx, robot.id, "api", None)
    token_file = tmp_path / "token"
    token_file.write_text(f"{secret}\n")
    async with serving(incident_routes(build_services(db, tmp_path))) as url:
        found = Cron(db, tmp_path, url, token_file)
        yield found
    for process in found.running:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)  # the job, too: it holds our pipes
            await process.wait()


def _with_signals() -> None:
    """As cron starts a job: whoever runs the tests may ignore signals, as nohup does."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_a_job_that_works_passes_through_and_reports_nothing(cron: Cron) -> None:
    ended = await cron.run("sh", "-c", "cat; printf 'odd \\377' >&2", stdin=b"\x00\xffdata")
    assert (ended.code, ended.out) == (0, b"\x00\xffdata")
    assert ended.err == "odd \\xff"
    assert await cron.incidents() == []
    assert not (cron.folder / "state").exists()


async def test_arguments_reach_the_job_as_they_are(cron: Cron) -> None:
    told = "import sys; print(sys.argv[1:])"
    ended = await cron.run(sys.executable, "-c", told, "--task", "$HOME; x", "", "--", "한")
    assert ended.out.decode() == "['--task', '$HOME; x', '', '--', '한']\n"


async def test_a_failure_is_an_incident_with_the_tail_of_stderr(cron: Cron) -> None:
    ended = await cron.run(
        "sh",
        "-c",
        "echo out; echo first >&2; echo 'psycopg: connection refused at db:5432' >&2; exit 3",
        options=("--asset", "PAY-WAS-01", "--severity", "P1"),
    )
    assert (ended.code, ended.out) == (3, b"out\n")
    assert ended.err == "first\npsycopg: connection refused at db:5432\n"
    [made] = await cron.incidents()
    assert (made.source, made.fingerprint, made.severity) == ("guard:nightly", "nightly", "P1")
    assert (made.asset, made.kind) == ("PAY-WAS-01", "DB_UNREACHABLE")
    assert made.summary == (
        "nightly failed with exit status 3: psycopg: connection refused at db:5432"
    )
    assert made.detail.startswith("sh, exit status 3, 20")
    assert made.detail.endswith("first\npsycopg: connection refused at db:5432")
    assert cron.waiting() == []


async def test_failures_are_counted_and_success_resolves_once(cron: Cron) -> None:
    for _ in range(2):
        assert (await cron.shell("exit 1")).code == 1
    [made] = await cron.incidents()
    assert (made.state, made.count) == (IncidentState.OPEN, 2)
    for _ in range(2):
        assert (await cron.shell("exit 0")).code == 0
    [made] = await cron.incidents()
    assert (made.state, made.count) == (IncidentState.RESOLVED, 2)


async def test_only_the_tail_is_reported_and_all_of_it_passes(cron: Cron) -> None:
    ended = await cron.shell("seq 1 100000 >&2; exit 1")
    assert ended.err.count("\n") == 100_000
    [made] = await cron.incidents()
    lines = made.detail.splitlines()
    assert lines[-1] == "100000"
    assert len(lines) == 201


@pytest.mark.parametrize(
    ("job", "code"),
    [(("/no/such/program",), 127), (("/",), 126), (("sh", "-c", "kill -TERM $$"), 143)],
)
async def test_the_exit_status_is_a_shells(cron: Cron, job: tuple[str, ...], code: int) -> None:
    assert (await cron.run(*job)).code == code
    [made] = await cron.incidents()
    assert f"exit status {code}" in made.summary


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
async def test_signals_reach_the_job(cron: Cron, number: signal.Signals) -> None:
    trap = f"trap 'echo caught; exit 7' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    process = await cron.start("sh", "-c", trap)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
        os.kill(process.pid, number)
        out, _ = await process.communicate()
    assert (process.returncode, out) == (7, b"caught\n")


async def test_output_comes_through_while_the_job_runs(cron: Cron) -> None:
    process = await cron.start("sh", "-c", "echo now >&2; read line; echo $line")
    assert process.stderr is not None
    async with asyncio.timeout(30):
        assert await process.stderr.readline() == b"now\n"
        out, _ = await process.communicate(b"go\n")
    assert out == b"go\n"


async def test_a_child_that_outlives_the_job_holds_nothing_up(cron: Cron) -> None:
    # Its own copies of our pipes are closed, except for stderr, which guard reads.
    process = await cron.start("sh", "-c", "sleep 20 >/dev/null & exit 4")
    async with asyncio.timeout(15):
        assert await process.wait() == 4
    [made] = await cron.incidents()
    assert "exit status 4" in made.summary
    os.killpg(process.pid, signal.SIGKILL)


async def test_while_nobody_answers_reports_wait_and_are_sent_in_order(cron: Cron) -> None:
    nowhere = closed_port()
    ended = await cron.shell("echo first >&2; exit 5", url=nowhere)
    assert ended.code == 5
    [said] = [line for line in ended.err.splitlines() if line.startswith("watchstander guard:")]
    assert "waits in" in said
    assert (await cron.shell("exit 0", url=nowhere)).code == 0
    assert len(cron.waiting()) == 2
    assert {file.stat().st_mode & 0o777 for file in cron.waiting()} == {0o600}
    assert await cron.incidents() == []
    assert (await cron.shell("exit 0")).err == ""
    assert cron.waiting() == []
    [made] = await cron.incidents()
    assert (made.state, made.summary) == (
        IncidentState.RESOLVED,
        "nightly failed with exit status 5: first",
    )


async def test_a_wrong_token_keeps_the_report_and_the_exit_status(cron: Cron) -> None:
    good = cron.token_file.read_text()
    cron.token_file.write_text("ws_wrong")
    ended = await cron.shell("exit 6")
    assert ended.code == 6
    assert "answered 401" in ended.err
    assert "ws_wrong" not in ended.err
    cron.token_file.write_text(good)
    assert (await cron.shell("exit 6")).code == 6
    [made] = await cron.incidents()
    assert made.count == 2


async def test_a_report_that_is_refused_for_good_is_dropped(cron: Cron) -> None:
    folder = cron.folder / "state" / "nightly"
    folder.mkdir(parents=True)
    (folder / "00000000000000000001.json").write_text('{"what": "is this"}')
    ended = await cron.shell("exit 1")
    assert ended.code == 1
    assert "dropped" in ended.err
    assert cron.waiting() == []
    assert len(await cron.incidents()) == 1


async def test_without_a_place_to_write_it_is_still_sent(cron: Cron) -> None:
    (cron.folder / "state").write_text("a file stands in the way")
    ended = await cron.shell("exit 2")
    assert ended.code == 2
    assert "--state" in ended.err
    assert len(await cron.incidents()) == 1


@pytest.mark.parametrize("options", [("--task", "../x"), ("--severity", "P9"), ("--oops",)])
async def test_a_misused_guard_says_so_and_runs_nothing(
    cron: Cron, options: tuple[str, ...]
) -> None:
    made = cron.folder / "made"
    ended = await cron.run("touch", str(made), options=options)
    assert ended.code == 2
    assert "usage: watchstander" in ended.err
    assert not made.exists()
    assert (await cron.run()).code == 2
