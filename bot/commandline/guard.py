"""``watchstander guard``: runs a job, and reports when it failed and when it works again.

The job comes first: it starts before anything is reported or looked up, its streams and signals
pass through, and its exit status is ours whatever becomes of the report.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import IO, Any

TAIL_BYTES = 20_000
TAIL_LINES = 200
"""How much of the end of stderr goes into a report."""

_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEVERITIES = ("P1", "P2", "P3")
_NOT_FOUND, _NOT_STARTED, _BY_SIGNAL = 127, 126, 128  # as a shell ends
_STRAGGLERS_S = 1.0  # how long stderr is read on when the job ended and a child of it did not
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser(
        "guard",
        help="run a job and report its failures",
        usage="watchstander guard --task NAME [options] -- COMMAND [ARGUMENT ...]",
    )
    parser.add_argument("--task", required=True, type=_task, help="the job's name, one per host")
    parser.add_argument(
        "--asset", default="", metavar="CODE", help="what it runs on (default: by the host's name)"
    )
    parser.add_argument("--severity", choices=_SEVERITIES, default="P2", help="default: P2")
    parser.add_argument(
        "--url", default="", help="Watchstander's address (default: WATCHSTANDER_URL)"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds an API token, role AGENT is enough (default: WATCHSTANDER_TOKEN)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="where unsent reports wait (default: watchstander/guard in the XDG state folder)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the job, after --")
    parser.set_defaults(run=run, misused=parser.error)


def _task(written: str) -> str:
    if not _TASK.fullmatch(written):
        raise argparse.ArgumentTypeError(
            f"{written!r} is no task name; use up to 64 letters, digits, '.', '_' and '-'"
        )
    return written


def run(args: argparse.Namespace) -> int:
    """Run the job to its end, then report; the job's exit status."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        args.misused("write the job behind --, e.g. -- /usr/local/bin/import --all")
    tail = Tail()
    code, problem = _run(command, tail)
    from bot.commandline.guard_report import Ending, report

    # Everything below is for others to know; nothing of it may change how the job ended.
    ending = Ending(args.task, command[0], code, problem or tail.text())
    report(args, ending)
    return code


def _run(command: list[str], tail: Tail) -> tuple[int, str]:
    """The exit status as a shell gives it, and why it could not be started ("" = it was)."""
    relay = _Relay()
    try:
        job = subprocess.Popen(command, stderr=subprocess.PIPE)  # noqa: S603 - no shell, as given
    except OSError as error:
        problem = f"{command[0]}: {error.strerror}"
        sys.stderr.write(f"watchstander guard: {problem}\n")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_STARTED, problem
    except ValueError as error:  # a NUL within an argument
        problem = f"{command[0]}: {error}"
        sys.stderr.write(f"watchstander guard: {problem}\n")
        return _NOT_STARTED, problem
    relay.to(job)
    assert job.stderr is not None
    reading = threading.Thread(target=_pass_on, args=(job.stderr, tail), daemon=True)
    reading.start()
    status = job.wait()
    reading.join(_STRAGGLERS_S)
    return (status if status >= 0 else _BY_SIGNAL - status), ""


def _pass_on(stream: IO[bytes], tail: Tail) -> None:
    """Copy the job's stderr to ours as it comes, and keep its end."""
    heard = True
    while chunk := os.read(stream.fileno(), 65_536):
        tail.add(chunk)
        while heard and chunk:
            try:
                chunk = chunk[os.write(2, chunk) :]
            except BlockingIOError:
                continue
            except OSError:
                heard = False  # nobody reads any more: the job must not be stopped by that


class Tail:
    """The end of what was written to a stream."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, chunk: bytes) -> None:
        self._kept += chunk[-TAIL_BYTES:]
        if len(self._kept) > 2 * TAIL_BYTES:
            del self._kept[:-TAIL_BYTES]

    def text(self) -> str:
        """At most ``TAIL_LINES`` lines and ``TAIL_BYTES`` bytes, what is not UTF-8 replaced."""
        lines = bytes(self._kept[-TAIL_BYTES:]).decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:]).replace("\0", "")


class _Relay:
    """Passes signals on to the job, also those that come before it has begun."""

    def __init__(self) -> None:
        self._job: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        for number in (*_PASSED_ON, *_OF_THE_TERMINAL):
            # What is ignored, as under nohup, stays ignored: the job inherits that.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass)

    def to(self, job: subprocess.Popen[bytes]) -> None:
        self._job = job
        for number in self._early:
            self._pass(number, None)

    def _pass(self, number: int, _frame: FrameType | None) -> None:
        if self._job is None:
            self._early.append(number)
        elif number in _PASSED_ON or not _at_terminal():
            with contextlib.suppress(ProcessLookupError):
                self._job.send_signal(number)


def _at_terminal() -> bool:
    """Whether a key pressed at a terminal reaches the job without us."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
