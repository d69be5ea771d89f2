"""The local model as a part: a child process behind a deadline, restarted when it falls."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.language.shipped import SHIPPED, shipped_sum
from engine.language.turns import Task, reading
from prompts.texts import Text, say, text
from storage import failpoints

_log = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]

LOAD_LIMIT_S = 120.0
"""Seconds that loading the file may take; a model of several gigabytes comes from a slow disk."""
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 300.0
"""Between two starts the wait doubles from the first to the longest."""
START_WAIT_S = 5.0
"""How long ``start`` waits for the first attempt; a bigger model goes on loading behind it."""
_LINE_LIMIT = 1 << 20
THREADS = 2


SEND_ELSEWHERE = "yes, send our messages to this server"


@dataclass(frozen=True)
class ModelSettings:
    """The models that read free text: the file first, then the server; without them the rules."""

    path: Path | None = None
    """A GGUF file to read with instead of the model that ships: any instruct model."""
    sha256: str = ""
    """Its SHA-256 in hex; when given, a file that differs is refused. Empty = not checked."""
    deadline_s: float = 2.0
    """Seconds one message may take with the file, and with the server, waiting included; past
    it the next one reads."""
    memory_mb: int = 4096
    """Megabytes of address space for the child; a file that asks for more fails there alone."""
    queue: int = 32
    """Messages that may wait for the file, and for the server; further ones go on at once."""
    url: str = ""
    """An OpenAI-compatible server (Ollama, vLLM, llama.cpp), up to its ``/v1``, e.g.
    "http://127.0.0.1:11434/v1"; empty = none. Asked when the file has no answer."""
    url_model: str = ""
    """The model's name on that server; empty = the first one that it lists."""
    api_key: str = field(default="", repr=False)
    """Sent to that server as ``Authorization: Bearer …``; empty = nothing is sent. A secret."""
    allow_remote_server: str = ""
    """Messages go to loopback and private addresses only. "yes, send our messages to this server"
    lifts this for the server of ``url``, which must then be https:// or local."""

    shipped: bool = True
    """Read with the model that ships, where no ``path`` names another; false = not."""

    @property
    def file(self) -> Path | None:
        """The GGUF to load, None for none."""
        return self.path or (SHIPPED if self.shipped and SHIPPED.is_file() else None)

    @property
    def pinned(self) -> str:
        """The SHA-256 that the file must have; empty = any."""
        return self.sha256 if self.path else shipped_sum()

    def __post_init__(self) -> None:
        if self.url:
            _check_url(self.url)
        if not (self.api_key.isascii() and (self.api_key + "x").isprintable()):
            raise ValueError("api_key holds characters that no key has; copy it again")
        if self.allow_remote_server not in ("", SEND_ELSEWHERE):
            raise ValueError(f'allow_remote_server must be "" or "{SEND_ELSEWHERE}"')


class _Unusable(Exception):
    """The model cannot be started; the text says why and what mends it."""


class LocalModel:
    """Asks the child process. When anything goes wrong the answer is None; ``detail`` says why."""

    def __init__(self, settings: ModelSettings, task: Task | None = None) -> None:
        self.settings = settings
        self._task = task or reading()
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self.told: Mapping[str, Any] = {}
        """What the loaded model says of itself: its ``kind``, and its calibration if it has one."""
        self._condition = text("link_not_started" if settings.file else "link_model_none")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._asked = 0
        self._answered = 0
        self._attempted = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def ok(self) -> bool:
        """False while a configured model does not answer."""
        return self._ready or self.settings.file is None

    @property
    def condition(self) -> Text:
        """How it is, for operators."""
        return self._condition

    @property
    def detail(self) -> str:
        """``condition`` in English, for logs and the command line."""
        return say(self._condition, "en")

    @property
    def stays_local(self) -> bool:
        """Whether every message stays on this machine; what is private needs this."""
        return True

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process else None

    async def start(self, wait_s: float = START_WAIT_S) -> None:
        """Start the child and wait a little for it; a failure is kept as ``detail``."""
        if self.settings.file is None or self._supervisor is not None:
            return
        self._attempted.clear()  # it may have been stopped before
        self._supervisor = asyncio.create_task(self._supervise(), name="model supervisor")
        with contextlib.suppress(TimeoutError):
            # Not wait_for: on Python 3.11 it can lose a stop that comes with the answer.
            async with asyncio.timeout(wait_s):
                await self._attempted.wait()

    async def stop(self) -> None:
        """Stop the child and its supervisor."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._end()
        self._condition = text("link_stopped")

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
            failpoints.before("model.ask")
            await self._send(process, {"id": self._asked, "text": said})
            reply = await self._receive(process)
            failpoints.after("model.ask")
        except asyncio.CancelledError:
            # The deadline passed, or the caller left. A late answer must not meet the next one.
            self._fail(process, text("link_no_answer", seconds=f"{self.settings.deadline_s:g}"))
            raise
        except (_Unusable, OSError) as error:
            self._fail(process, text("link_trouble", why=str(error)))
            return None
        if reply.get("id") != self._asked or not isinstance(reply.get("answer"), str):
            _log.warning(
                "model: no answer: %s", reply.get("error", "not the reply that was awaited")
            )
            return None
        self._answered += 1
        return str(reply["answer"])

    def _fail(self, process: asyncio.subprocess.Process, why: Text) -> None:
        self._ready, self._condition = False, text("link_model_restarting", why=why)
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
                self._condition = _why_not(error)
            finally:
                self._ready = False
                await self._end()
                self._attempted.set()
            _log.warning("model: %s (next try in %.1f s)", self.detail, wait)
            if self._answered > answered:
                wait = FIRST_WAIT_S  # it worked for a while
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)

    async def _launch(self) -> None:
        path = self.settings.file
        assert path is not None
        problem = await asyncio.to_thread(file_problem, path, self.settings.pinned, self._task)
        if problem:
            raise _Unusable(problem)
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
            "turns": self._task.turns,
            "schema": self._task.schema,
            "kind": self._task.kind,
        }
        async with asyncio.timeout(LOAD_LIMIT_S):
            await self._send(self._process, order)
            reply = await self._receive(self._process)
        if "failed" in reply:
            raise _Unusable(f"{path}: {reply['failed']}")
        self.told = reply.get("told", {})
        self._ready, self._condition = True, text("link_model_loaded", file=path.name)
        self._attempted.set()

    async def _watch(self) -> None:
        """Return when the child has ended."""
        assert self._process is not None
        code = await self._process.wait()
        if self._ready:
            ended = text("link_model_ended", how=_ending(code))
            self._condition = text("link_model_restarting", why=ended)

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


def _check_url(url: str) -> None:
    """Raises ValueError for what is not the plain address of a server."""
    parts = urlsplit(url)  # raises ValueError for brackets that do not match
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("url is no web address; write one such as http://127.0.0.1:11434/v1")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("url holds characters that no address has; copy it again")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("url has a user, ? or # in it; leave them out (api_key is for the key)")


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _why_not(error: Exception) -> Text:
    """Why it could not be started, for operators."""
    if str(error):
        return text("link_trouble", why=str(error))
    return text("link_model_slow", seconds=f"{LOAD_LIMIT_S:g}")


def _environment() -> dict[str, str]:
    """Nothing of the bot's own environment: it may hold secrets."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": str(THREADS),
    }


def file_problem(path: Path, sha256: str, task: Task) -> str:
    """Why a file is plainly no model, with the mend; "" where nothing is seen.

    ``sha256`` is what it must have, in hex; "" = any.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                return f"{path}: not a GGUF file; name another file in {task.path_key}"
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest() if sha256 else ""
    except OSError as error:
        return f"{path}: {error.strerror}; mend {task.path_key}"
    if found != sha256.lower():
        return f"{path}: its SHA-256 is {found}, not the one in {task.sum_key}"
    return ""
