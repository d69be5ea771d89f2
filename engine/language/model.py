"""The local model as a part: a child process behind a deadline, restarted when it falls."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language.contract import SCHEMA

_log = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
_INSTRUCTIONS = _ROOT / "prompts" / "parse.j2"

LOAD_LIMIT_S = 120.0
"""Seconds that loading the file may take; a model of several gigabytes comes from a slow disk."""
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 300.0
"""Between two starts the wait doubles from the first to the longest."""
START_WAIT_S = 5.0
"""How long ``start`` waits for the first attempt; a bigger model goes on loading behind it."""
_LINE_LIMIT = 1 << 20
THREADS = 2


@dataclass(frozen=True)
class ModelSettings:
    """The model that reads free text. Without a path the rules alone read it."""

    path: Path | None = None
    """A GGUF file; none by default."""
    sha256: str = ""
    """Its SHA-256 in hex; when given, a file that differs is refused. Empty = not checked."""
    deadline_s: float = 2.0
    """Seconds one message may take, waiting included; past it the child is stopped and the
    rules answer."""
    memory_mb: int = 4096
    """Megabytes of address space for the child; a file that asks for more fails there alone."""
    queue: int = 32
    """Messages that may wait for the model; the next ones go to the rules at once."""


class _Unusable(Exception):
    """The model cannot be started; the text says why and what mends it."""


class LocalModel:
    """Asks the child process. When anything goes wrong the answer is None; ``detail`` says why."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self._detail = "not started" if settings.path else "no model configured; rules only"
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._asked = 0
        self._answered = 0
        self._attempted = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def ok(self) -> bool:
        """False while a configured model does not answer."""
        return self._ready or self.settings.path is None

    @property
    def detail(self) -> str:
        return self._detail

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the child and wait a little for it; a failure is kept as ``detail``."""
        if self.settings.path is None or self._supervisor is not None:
            return
        self._supervisor = asyncio.create_task(self._supervise(), name="model supervisor")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._attempted.wait(), START_WAIT_S)

    async def stop(self) -> None:
        """Stop the child and its supervisor."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._end()
        self._detail = "stopped"

    async def complete(self, said: str) -> str | None:
        """The model's raw text for a message; None when it has none in time."""
        if not self._ready or self._waiting >= self.settings.queue:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(self.settings.deadline_s), self._turn:
                return await self._exchange(said)
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1

    async def _exchange(self, said: str) -> str | None:
        process = self._process
        if not self._ready or process is None:
            return None
        self._asked += 1
        try:
            await self._send(process, {"id": self._asked, "text": said})
            reply = await self._receive(process)
        except asyncio.CancelledError:
            # The deadline passed, or the caller left. A late answer must not meet the next one.
            self._fail(process, f"no answer within {self.settings.deadline_s:g} s; restarting")
            raise
        except (_Unusable, OSError) as error:
            self._fail(process, f"{error}; restarting")
            return None
        if reply.get("id") != self._asked or not isinstance(reply.get("answer"), str):
            _log.warning(
                "model: no answer: %s", reply.get("error", "not the reply that was awaited")
            )
            return None
        self._answered += 1
        return str(reply["answer"])

    def _fail(self, process: asyncio.subprocess.Process, why: str) -> None:
        self._ready, self._detail = False, why
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def _supervise(self) -> None:
        """Keep a child running; wait longer after each failure in a row."""
        wait = FIRST_WAIT_S
        while True:
            answered = self._answered
            try:
                await self._launch()
                await self._watch()
            except (_Unusable, OSError, TimeoutError) as error:
                self._detail = str(error) or f"not loaded within {LOAD_LIMIT_S:g} s"
            finally:
                self._ready = False
                await self._end()
                self._attempted.set()
            _log.warning("model: %s (next try in %.1f s)", self._detail, wait)
            if self._answered > answered:
                wait = FIRST_WAIT_S  # it worked for a while
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)

    async def _launch(self) -> None:
        path = self.settings.path
        assert path is not None
        await asyncio.to_thread(_check_file, path, self.settings.sha256)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "engine.language.model_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT,
            env=_environment(),
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        order = {
            "path": str(path.resolve()),
            "memory_mb": self.settings.memory_mb,
            "deadline_s": self.settings.deadline_s,
            "threads": THREADS,
            "instructions": _INSTRUCTIONS.read_text(encoding="utf-8"),
            "schema": SCHEMA,
        }
        async with asyncio.timeout(LOAD_LIMIT_S):
            await self._send(self._process, order)
            reply = await self._receive(self._process)
        if "failed" in reply:
            raise _Unusable(f"{path}: {reply['failed']}")
        self._ready, self._detail = True, f"{path.name} loaded"
        self._attempted.set()

    async def _watch(self) -> None:
        """Return when the child has ended."""
        assert self._process is not None
        code = await self._process.wait()
        if self._ready:
            self._detail = f"the model's process ended ({_ending(code)}); restarting"

    async def _end(self) -> None:
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    async def _send(self, process: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(message).encode() + b"\n")
        await process.stdin.drain()

    async def _receive(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            line = await process.stdout.readline()
            reply = json.loads(line) if line else None
        except ValueError as error:
            raise _Unusable(f"the model's process does not keep to the protocol: {error}") from None
        if not isinstance(reply, dict):
            code = await process.wait() if not line else process.returncode
            raise _Unusable(f"the model's process ended ({_ending(code)})")
        return reply


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    """Nothing of the bot's own environment: it may hold secrets."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": str(THREADS),
    }


def _check_file(path: Path, sha256: str) -> None:
    """Refuse what is plainly no model before a process is spent on it. Raises _Unusable."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise _Unusable(f"{path}: not a GGUF file; name another file in [model] path")
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest() if sha256 else ""
    except OSError as error:
        raise _Unusable(f"{path}: {error.strerror}; mend [model] path") from None
    if found != sha256.lower():
        raise _Unusable(f"{path}: its SHA-256 is {found}, not the one in [model] sha256")
