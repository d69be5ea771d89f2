"""What ``watchstander guard`` reports, and what waits on disk while Watchstander cannot be reached.

A failure is always reported; success only after a failure, which a file remembers, so that a job
that works needs no Watchstander. Reports are written down before they are sent, and sent in order.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_TRIES = 3
_PAUSE_S = 1.0
_TIMEOUT_S = 3.0
_LOCK_S = 5.0
_MOST_KEPT = 20
"""Reports of one task that wait; of more, the oldest are dropped."""
_REFUSED = (400, 413, 422)
"""Answers to a report that will never be taken."""
_SUMMARY_LIMIT = 500


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    task: str
    program: str
    code: int
    said: str
    """The end of its stderr, or why it did not start."""


class _Unsent(Exception):
    """Could not be sent; it may work later."""


def report(args: argparse.Namespace, ending: Ending) -> None:
    """Report an ending where there is something to tell. Never raises; one line on stderr."""
    folder = (args.state or _state_folder()) / ending.task
    try:
        _report(args, ending, folder)
    except _Unsent as trouble:
        _remark(f"{trouble}; the report waits in {folder} for the next run")
    # The boundary: the job is over, and no trouble of ours may change how it ended.
    except Exception as error:  # noqa: BLE001
        _remark(f"not reported: {type(error).__name__}: {error}")


def _report(args: argparse.Namespace, ending: Ending, folder: Path) -> None:
    failing = folder / "failing"
    if ending.code == 0 and not (failing.exists() or any(folder.glob("*.json"))):
        return
    body = json.dumps(_body(args, ending)).encode()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder):
            if ending.code != 0:
                _write_down(folder, body)
                failing.touch()
            elif failing.exists():
                _write_down(folder, body)
                failing.unlink()
            _send_waiting(args, folder)
    except OSError as error:
        # Nothing can be written down there, so this one try is all there is.
        _remark(f"{folder}: {error.strerror}; give another with --state")
        _send(_address(args), _token(args), body)


def _state_folder() -> Path:
    given = os.environ.get("XDG_STATE_HOME", "")
    root = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return root / "watchstander" / "guard"


def _body(args: argparse.Namespace, ending: Ending) -> dict[str, Any]:
    over = ending.code == 0
    last = next((line for line in reversed(ending.said.split("\n")) if line.strip()), "")
    how = "works again" if over else f"failed with exit status {ending.code}"
    summary = f"{ending.task} {how}" + (f": {last.strip()}" if last and not over else "")
    # The program alone: its arguments may hold what only the job may know.
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    head = f"{ending.program}, exit status {ending.code}, {ended}"
    return {
        "source": f"guard:{ending.task}",
        "fingerprint": ending.task,
        "status": "resolved" if over else "firing",
        "severity": args.severity,
        "summary": summary[:_SUMMARY_LIMIT],
        "detail": head if over else f"{head}\n{ending.said}",
        "asset": args.asset or None,
        "labels": {
            "task": ending.task,
            "host": socket.gethostname()[:200],
            "exit_status": str(ending.code),
        },
    }


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs of a task that end together send one after the other."""
    import fcntl

    with (folder / "lock").open("w") as lock:
        until = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise _Unsent("another run of this task is still reporting") from None
                time.sleep(0.05)
        yield


def _write_down(folder: Path, body: bytes) -> None:
    name = f"{time.time_ns():020}.json"
    draft = folder / f".{name}"
    draft.touch(mode=0o600)
    draft.write_bytes(body)
    draft.replace(folder / name)
    for old in sorted(folder.glob("*.json"))[:-_MOST_KEPT]:
        old.unlink(missing_ok=True)


def _send_waiting(args: argparse.Namespace, folder: Path) -> None:
    waiting = sorted(folder.glob("*.json"))
    if not waiting:
        return
    url, token = _address(args), _token(args)
    for file in waiting:
        _send(url, token, file.read_bytes())
        file.unlink(missing_ok=True)


def _address(args: argparse.Namespace) -> str:
    url: str = args.url or os.environ.get("WATCHSTANDER_URL", "")
    if not url.startswith(("http://", "https://")):
        raise _Unsent("no address: give --url or WATCHSTANDER_URL, beginning with https://")
    return url.rstrip("/") + "/api/incidents"


def _token(args: argparse.Namespace) -> str:
    if args.token_file is None:
        token = os.environ.get("WATCHSTANDER_TOKEN", "")
    else:
        try:
            token = args.token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _Unsent(f"{args.token_file}: cannot be read: {error}") from None
    token = token.strip()
    if not (token and token.isascii() and token.isprintable()):
        raise _Unsent("no token: give --token-file or WATCHSTANDER_TOKEN")
    return token


def _send(url: str, token: str, body: bytes) -> None:
    """Send one report, trying for a few seconds. Raises _Unsent."""
    import httpx

    trouble = ""
    for left in reversed(range(_TRIES)):
        try:
            answer = httpx.post(
                url,
                content=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                timeout=_TIMEOUT_S,
                trust_env=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            trouble = f"{url}: {error}"
        else:
            if answer.is_success:
                return
            trouble = f"{url}: answered {answer.status_code}"
            if answer.status_code in _REFUSED:
                _remark(f"{trouble}: {answer.text[:200]}; this report is dropped")
                return
            if answer.status_code < 500:
                break  # the token or the address: trying again at once changes nothing
        if left:
            time.sleep(_PAUSE_S)
    raise _Unsent(trouble)


def _remark(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        shown = "".join(char if char.isprintable() else " " for char in line)
        sys.stderr.write(f"watchstander guard: {shown}\n")
        sys.stderr.flush()
