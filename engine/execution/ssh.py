"""The one way to a host: a plan's argv over SSH, each sent at most once.

Before a command is sent everything that goes wrong is FAILED: nothing ran.  From the moment it is
sent only an exit status tells what became of it; a lost connection, a passed deadline or an end
without a status is UNKNOWN, and a person settles it.  Nothing is ever sent a second time, and a
command that passes its deadline is left alone: to kill a half-done restart is worse.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import stat
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from engine.actions.script_exec import REMOTE_FOLDER
from engine.actions.scripts import Scripts
from engine.actions.slots import is_below
from engine.errors import GiveUp
from engine.execution.outcome import (
    CappedOutput,
    Outcome,
    RunResult,
    StepResult,
    skipped,
    visible,
    without_output,
)
from engine.inventory import Inventory
from engine.plan import Plan, Step
from prompts.texts import Text, text

log = logging.getLogger(__name__)
# At INFO asyncssh logs every command with its arguments; the audit log is the place for those.
asyncssh.set_log_level(logging.WARNING)

Inside = Callable[[Step], Awaitable[StepResult]]
"""Carries out a step that touches no host."""


@dataclass(frozen=True)
class SshSettings:
    """How hosts are reached."""

    known_hosts: Path
    """File of host keys in OpenSSH's format. There is no way to switch the check off."""

    key_file: Path | None = None
    """Private key for hosts whose assets name none; without a passphrase, mode 0600."""

    connect_timeout_s: float = 10.0
    """Seconds from the first packet to the end of the login."""

    command_timeout_s: float = 60.0
    """Seconds a command may take; after that its action is UNKNOWN. A slow stop needs its time."""

    output_cap: int = 64 * 1024
    """Bytes of output kept per command, the first and the last half; the rest is counted only."""

    parallel: int = 10
    """Hosts worked on at the same time, for all actions together."""


class SshSetupError(Exception):
    """The runner cannot start. ``problems`` holds "where: what; the mend", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def setup_problems(settings: SshSettings, inventory: Inventory) -> list[str]:
    """Everything for which the runner refuses to start."""
    problems = []
    place = settings.known_hosts
    try:
        asyncssh.read_known_hosts(str(place))
    except FileNotFoundError:
        problems.append(f"{place}: no such file; make it with ssh-keyscan and compare the keys")
    except (OSError, ValueError) as error:
        problems.append(f"{place}: cannot be read as known_hosts: {error}; mend that line")
    own = {Path(asset.key) for asset in inventory.assets.values() if asset.key}
    for key in sorted(own | ({settings.key_file} if settings.key_file else set())):
        try:
            asyncssh.read_private_key(str(key))
        except (OSError, ValueError) as error:
            problems.append(f"{key}: not a usable private key: {error}; mend the path or the key")
    keyless = [asset.code for asset in inventory.assets.values() if not asset.key]
    if keyless and settings.key_file is None:
        problems.append(f"key_file: not set, and {keyless[0]} names no key; set one of them")
    return problems


def missing_host_keys(settings: SshSettings, inventory: Inventory) -> list[str]:
    """Hosts that would be refused for want of a key in known_hosts, with the mend, for `check`."""
    known = asyncssh.read_known_hosts(str(settings.known_hosts))
    places = {(a.address or a.host, a.port): a.code for a in inventory.assets.values()}
    return [
        f"{settings.known_hosts}: no key for {address} port {port} ({code});"
        f" run ssh-keyscan -p {port} {address} and compare it with the host"
        for (address, port), code in places.items()
        if not any(known.match(address, "", port)[:2])
    ]


class SshRunner:
    """Runs plans. One for the whole process, so that ``parallel`` holds for everything together."""

    def __init__(self, settings: SshSettings, inventory: Inventory, scripts: Scripts) -> None:
        """Raises SshSetupError when a host could never be reached safely with these settings."""
        problems = setup_problems(settings, inventory)
        if problems:
            raise SshSetupError(problems)
        self._settings = settings
        self._inventory = inventory
        self._scripts = scripts
        self._places = asyncio.Semaphore(settings.parallel)

    async def run(self, plan: Plan, inside: Inside) -> RunResult:
        """Carry out a plan and tell what became of every step; raises nothing for a host's sake.

        Hosts side by side, the steps of one host one after another.  A step that fails ends its
        asset; one that is UNKNOWN, or no connection, ends its host.  When cancelled, connections
        are cut and what was sent stays unknown: the caller records that.
        """
        lanes: dict[tuple[str, str], list[int]] = {}
        for number, step in enumerate(plan.steps):
            lanes.setdefault((step.host, step.endpoint), []).append(number)
        results: dict[int, StepResult] = {}
        async with asyncio.TaskGroup() as group:
            for (host, _), numbers in lanes.items():
                work = self._host if host else self._inside(inside)
                group.create_task(_lane(plan.steps, numbers, results, work))
        return RunResult(tuple(results[number] for number in range(len(plan.steps))))

    def _inside(self, inside: Inside) -> _Work:
        async def work(steps: Sequence[Step], record: _Record) -> None:
            for step in steps:
                try:
                    record(await inside(step))
                except GiveUp as refusal:
                    record(without_output(step, Outcome.FAILED, refusal.text))

        return work

    async def _host(self, steps: Sequence[Step], record: _Record) -> None:
        async with self._places:
            try:
                connection = await self._connect(steps[0])
            except _NotBegun as error:
                record(without_output(steps[0], Outcome.FAILED, error.text))
                return
            try:
                failed = ""
                for step in steps:
                    if step.asset == failed:
                        record(skipped(step))
                        continue
                    result = await self._step(connection, step)
                    record(result)
                    if result.outcome is Outcome.UNKNOWN:
                        return
                    failed = step.asset if result.outcome is Outcome.FAILED else ""
            finally:
                connection.abort()
                await connection.wait_closed()

    async def _connect(self, step: Step) -> asyncssh.SSHClientConnection:
        login, address, port = _split(step.endpoint)
        asset = self._inventory.assets.get(step.asset)
        key = asset.key if asset is not None and asset.key else self._settings.key_file
        try:
            known = await asyncio.to_thread(
                asyncssh.read_known_hosts, str(self._settings.known_hosts)
            )
            async with asyncio.timeout(self._settings.connect_timeout_s):
                return await asyncssh.connect(
                    address,
                    port,
                    username=login,
                    known_hosts=known,
                    client_keys=[str(key)],
                    # Nothing from the account Watchstander runs under: no ~/.ssh/config, no agent.
                    config=None,
                    agent_path=None,
                    preferred_auth="publickey",
                    keepalive_interval=15,
                    keepalive_count_max=3,
                )
        except asyncssh.HostKeyNotVerifiable:
            raise _NotBegun(text("plan_run_host_key", host=step.host)) from None
        except asyncssh.PermissionDenied as error:
            raise _NotBegun(text("plan_run_login", host=step.host, reason=_reason(error))) from None
        except (asyncssh.Error, OSError, ValueError) as error:
            raise _NotBegun(
                text("plan_run_unreachable", host=step.host, reason=_reason(error))
            ) from None

    async def _step(self, connection: asyncssh.SSHClientConnection, step: Step) -> StepResult:
        begun = time.monotonic()
        catch = _Catch(self._settings.output_cap)
        try:
            if step.upload:
                await self._upload(connection, step)
            outcome, detail = await self._execute(connection, step, catch)
        except _NotBegun as error:
            outcome, detail = Outcome.FAILED, error.text
        if outcome is Outcome.DONE and step.under:
            outcome, detail = _inside_roots(step, catch)
        return StepResult(
            step,
            outcome,
            catch.exit_status,
            catch.output.shown(),
            detail,
            int((time.monotonic() - begun) * 1000),
        )

    async def _execute(
        self, connection: asyncssh.SSHClientConnection, step: Step, catch: _Catch
    ) -> tuple[Outcome, Text]:
        seconds = self._settings.command_timeout_s
        try:
            async with asyncio.timeout(seconds):
                await connection.create_session(
                    lambda: catch, command_line(step.argv), encoding=None, request_pty=False
                )
                await catch.ended.wait()
        except TimeoutError:
            if not catch.sent:
                raise _NotBegun(_refused(step, "no channel in time")) from None
            # A status can be in while something the command left behind holds its output open.
            if catch.exit_status is None:
                lapse = text("plan_run_deadline", host=step.host, seconds=f"{seconds:g}")
                return Outcome.UNKNOWN, lapse
        except (asyncssh.Error, OSError) as error:
            # The server's own "no" to the request comes while the connection stands.
            plain_no = isinstance(error, asyncssh.ChannelOpenError) and not (
                catch.ended.is_set() or connection.is_closed()
            )
            if plain_no or not catch.sent:
                raise _NotBegun(_refused(step, _reason(error))) from None
            return Outcome.UNKNOWN, text("plan_run_lost", host=step.host)
        return _verdict(step, catch)

    async def _upload(self, connection: asyncssh.SSHClientConnection, step: Step) -> None:
        """Put the script there under its hash; its bytes are hashed again just before."""
        try:
            content = await asyncio.to_thread(self._scripts.read, step.upload)
        except GiveUp as refusal:
            raise _NotBegun(refusal.text) from None
        try:
            async with asyncio.timeout(self._settings.command_timeout_s):
                await _put(connection, f"{REMOTE_FOLDER}/{step.upload}", content)
        except (asyncssh.Error, OSError) as error:
            raise _NotBegun(
                text("plan_run_upload", host=step.host, reason=_reason(error))
            ) from None


class _NotBegun(Exception):
    """The command was surely not started."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.key)
        self.text = reason


_Record = Callable[[StepResult], None]
_Work = Callable[[Sequence[Step], _Record], Awaitable[None]]


async def _lane(
    steps: Sequence[Step], numbers: Sequence[int], results: dict[int, StepResult], work: _Work
) -> None:
    """Do the steps of one host, and account for every one of them whatever happens."""
    waiting = list(numbers)

    def record(result: StepResult) -> None:
        results[waiting.pop(0)] = result

    try:
        await work([steps[number] for number in numbers], record)
    # The boundary of one host: a bug here must not cut the commands that run on the others.
    except Exception:
        log.exception("%s: the runner broke", steps[numbers[0]].host or "inside")
        if waiting:
            record(without_output(steps[waiting[0]], Outcome.UNKNOWN, text("plan_run_broke")))
    while waiting:
        record(skipped(steps[waiting[0]]))


class _Catch(asyncssh.SSHClientSession[bytes]):
    """Takes a command's output as it comes and keeps no more than the cap."""

    def __init__(self, cap: int) -> None:
        self.output = CappedOutput(cap)
        self.stdout = bytearray()
        """The first 4 KiB of standard output alone."""
        self.sent = False
        self.exit_status: int | None = None
        self.exit_signal = ""
        self.lost = False
        self.ended = asyncio.Event()

    def connection_made(self, _: asyncssh.SSHClientChannel[bytes]) -> None:
        # asyncssh calls this when the channel stands, right before the request with the command.
        self.sent = True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype is None and len(self.stdout) < 4096:
            self.stdout += data[: 4096 - len(self.stdout)]
        self.output.add(data)

    def exit_status_received(self, status: int) -> None:
        self.exit_status = status

    def exit_signal_received(self, signal: str, *_: object) -> None:
        self.exit_signal = signal

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc is not None
        self.ended.set()


def command_line(argv: Sequence[str]) -> str:
    """The only place where an argv becomes one string, quoted for the login's shell on the host."""
    return shlex.join(argv)


def _verdict(step: Step, catch: _Catch) -> tuple[Outcome, Text]:
    if catch.exit_status == 0:
        return Outcome.DONE, text("plan_run_done")
    if catch.exit_status is not None:
        return Outcome.FAILED, text("plan_run_exit", status=catch.exit_status)
    if catch.exit_signal:
        return Outcome.UNKNOWN, text("plan_run_signal", signal=visible(catch.exit_signal)[:40])
    key = "plan_run_lost" if catch.lost else "plan_run_no_status"
    return Outcome.UNKNOWN, text(key, host=step.host)


def _inside_roots(step: Step, catch: _Catch) -> tuple[Outcome, Text]:
    """Whether the host resolved the path to exactly one place below the roots."""
    resolved = catch.stdout.decode("ascii", "replace")
    if resolved.endswith("\n") and is_below(resolved[:-1], step.under):
        return Outcome.DONE, text("plan_run_done")
    path = visible(resolved[:200]).strip()
    return Outcome.FAILED, text("plan_run_outside", host=step.host, path=path)


async def _put(connection: asyncssh.SSHClientConnection, path: str, content: bytes) -> None:
    """Write a file of mode 0700 in a folder that only the login can write.

    Raises asyncssh.Error and OSError.

    It is written under another name and renamed, so the path never holds half a script, and one
    that is just running keeps its own bytes.
    """
    async with connection.start_sftp_client() as sftp:
        private = asyncssh.SFTPAttrs(permissions=0o700)
        if not await sftp.lexists(REMOTE_FOLDER):
            await sftp.mkdir(REMOTE_FOLDER, private)
        folder = await sftp.lstat(REMOTE_FOLDER)
        mode = folder.permissions or 0
        if not stat.S_ISDIR(mode) or mode & 0o022:
            raise PermissionError(f"{REMOTE_FOLDER} must be a folder that only its owner can write")
        part = f"{path}.{secrets.token_hex(8)}"
        async with sftp.open(part, "xb", private) as file:
            await file.write(content)
        await sftp.chmod(part, 0o700)
        await sftp.posix_rename(part, path)


def _split(endpoint: str) -> tuple[str, str, int]:
    """user@address:port, with an IPv6 address in brackets."""
    login, _, place = endpoint.rpartition("@")
    address, _, port = place.rpartition(":")
    return login, address.strip("[]"), int(port)


def _refused(step: Step, reason: str) -> Text:
    return text("plan_run_refused", host=step.host, reason=reason)


def _reason(error: Exception) -> str:
    """A library's or a host's words, fit to be shown."""
    return visible(str(error) or type(error).__name__)[:200].replace("\n", " ")
