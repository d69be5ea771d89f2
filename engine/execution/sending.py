"""One command on one connection: sent at most once, and what is known of it afterwards.

Before a command is sent everything that goes wrong is NotBegun: nothing ran.  From the moment it is
sent only an exit status tells what became of it; a lost connection, a passed deadline or an end
without a status is UNKNOWN.  A command that passes its deadline is left alone: to kill a half-done
restart is worse.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import asyncssh

from engine.actions.script_exec import REMOTE_FOLDER
from engine.actions.scripts import Scripts
from engine.actions.slots import is_below
from engine.errors import GiveUp
from engine.execution.outcome import CappedOutput, Outcome, StepResult, visible
from engine.execution.pool import Lent, NotBegun, Withheld, reason_of, watch_over
from engine.execution.ssh_setup import SshSettings
from engine.plan import Step
from prompts.texts import Text, text
from storage import failpoints


class Sender:
    """Sends steps through connections."""

    def __init__(self, settings: SshSettings, scripts: Scripts) -> None:
        self._settings = settings
        self._scripts = scripts

    async def send(self, lent: Lent, step: Step, may_send: Callable[[], bool]) -> StepResult:
        """Carry out a step; a failure of the host's is a result, none is raised.

        ``may_send`` is asked right before the command is sent; a no raises Withheld.  A
        connection that was used or kept before, and breaks before the command was sent, is
        replaced once: the first one has surely carried nothing.
        """
        begun = time.monotonic()
        catch = _Catch(self._settings.output_cap, may_send)
        try:
            renewable = lent.begin()
            try:
                outcome, detail = await self._attempt(lent, step, catch)
            except NotBegun as error:
                if catch.sent or not (renewable and error.broken):
                    raise
                await lent.renew()
                lent.begin()
                catch = _Catch(self._settings.output_cap, may_send)
                outcome, detail = await self._attempt(lent, step, catch)
        except NotBegun as error:
            outcome, detail = Outcome.FAILED, error.text
        if not catch.closed:
            # Nobody knows what still goes on in that channel.
            lent.spoiled = True
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

    async def _attempt(self, lent: Lent, step: Step, catch: _Catch) -> tuple[Outcome, Text]:
        if step.upload:
            await self._upload(lent.ssh, step)
        return await self._execute(lent.ssh, step, catch)

    async def _execute(
        self, connection: asyncssh.SSHClientConnection, step: Step, catch: _Catch
    ) -> tuple[Outcome, Text]:
        seconds = self._settings.command_timeout_s
        try:
            async with asyncio.timeout(seconds), self._opening(connection, catch):
                failpoints.before("ssh.send")
                await connection.create_session(
                    lambda: catch, command_line(step.argv), encoding=None, request_pty=False
                )
                failpoints.after("ssh.send")
                failpoints.before("ssh.exit")
                await catch.ended.wait()
                failpoints.after("ssh.exit")
        except TimeoutError:
            if not catch.sent:
                raise NotBegun(_refused(step, "no channel in time"), broken=True) from None
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
                raise NotBegun(_refused(step, reason_of(error)), broken=not catch.sent) from None
            return Outcome.UNKNOWN, text("plan_run_lost", host=step.host)
        return _verdict(step, catch)

    @asynccontextmanager
    async def _opening(
        self, connection: asyncssh.SSHClientConnection, catch: _Catch
    ) -> AsyncIterator[None]:
        """Cut a connection that gives no channel in time: a kept one may be dead and silent.

        One that has given it, and whose command goes on, is watched over from then on.
        """

        def look() -> None:
            if catch.opened:
                watch_over(connection)
            else:
                connection.abort()

        timer = asyncio.get_running_loop().call_later(self._settings.connect_timeout_s, look)
        try:
            yield
        finally:
            timer.cancel()

    async def _upload(self, connection: asyncssh.SSHClientConnection, step: Step) -> None:
        """Put the script there under its hash; its bytes are hashed again just before."""
        try:
            content = await asyncio.to_thread(self._scripts.read, step.upload)
        except GiveUp as refusal:
            raise NotBegun(refusal.text) from None
        try:
            failpoints.before("ssh.upload")
            with _cut_after(self._settings.connect_timeout_s, connection):
                files = await connection.start_sftp_client()
            with _cut_after(self._settings.command_timeout_s, connection):
                async with files:
                    await _put(files, f"{REMOTE_FOLDER}/{step.upload}", content)
            failpoints.after("ssh.upload")
        except (asyncssh.Error, OSError) as error:
            raise NotBegun(
                text("plan_run_upload", host=step.host, reason=reason_of(error)),
                # To put the same bytes under their hash once more does no harm.
                broken=connection.is_closed(),
            ) from None


class _Catch(asyncssh.SSHClientSession[bytes]):
    """Takes a command's output as it comes and keeps no more than the cap."""

    def __init__(self, cap: int, may_send: Callable[[], bool]) -> None:
        self._may_send = may_send
        self.output = CappedOutput(cap)
        self.stdout = bytearray()
        """The first 4 KiB of standard output alone."""
        self.opened = False
        self.sent = False
        self.exit_status: int | None = None
        self.exit_signal = ""
        self.lost = False
        self.ended = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether the channel came to its end in order, or was never open."""
        return not self.opened or (self.ended.is_set() and not self.lost)

    def connection_made(self, _: asyncssh.SSHClientChannel[bytes]) -> None:
        # asyncssh calls this when the channel stands, right before the request with the command;
        # what is raised here reaches the caller, and no request is made.
        self.opened = True
        if not self._may_send():
            raise Withheld
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


@contextmanager
def _cut_after(seconds: float, connection: asyncssh.SSHClientConnection) -> Iterator[None]:
    """Cut the connection when the block takes longer, with all that waits on it: a cancel would
    not do, files and sessions are closed on its way, and a host that hangs answers that neither."""
    timer = asyncio.get_running_loop().call_later(seconds, connection.abort)
    try:
        yield
    finally:
        timer.cancel()


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


async def _put(sftp: asyncssh.SFTPClient, path: str, content: bytes) -> None:
    """Write a file of mode 0700 in a folder that only the login can write.

    Raises asyncssh.Error and OSError.

    It is written under another name and renamed, so the path never holds half a script, and one
    that is just running keeps its own bytes.
    """
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


def _refused(step: Step, reason: str) -> Text:
    return text("plan_run_refused", host=step.host, reason=reason)
