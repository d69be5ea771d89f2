"""A local instruct model words a text: facts in, plain text out, or nothing.

The model is the one of ``[model]``: its file in a process of its own, which is started when there
is something to write and ended soon after, then its server, and that on local addresses only.  What
it writes is data: it is cleaned, cut, and shown to people as a draft.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from engine.language.local_address import Resolve, resolve
from engine.language.model import LocalModel, ModelSettings
from engine.language.server import ModelServer
from engine.language.turns import Task

_log = logging.getLogger(__name__)
_PROMPTS = Path(__file__).resolve().parents[2] / "prompts"

IDLE_S = 30.0
"""Seconds after the last text until the model's process is ended: it holds a lot of memory."""
LIMIT = 2_000
"""Characters of a text that are kept, up to the end of a sentence."""
_FACT = 3_000
"""Characters of one fact that the model is shown."""
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$)|[。！？]|\n")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Writer:
    """Words texts, one at a time. ``write`` never raises for what a model or a server does.

    ``look_up`` resolves the server's host name; ``write_s`` is the most that one text may take.
    """

    def __init__(
        self,
        models: ModelSettings | None = None,
        write_s: float = 60.0,
        look_up: Resolve = resolve,
        idle_s: float = IDLE_S,
    ) -> None:
        # The shipped model fills in forms and writes nothing; what is private stays here.
        own = replace(
            models or ModelSettings(), deadline_s=write_s, shipped=False, allow_remote_server=""
        )
        task = Task(({"role": "system", "content": _render("write.j2", {})},), None)
        self._settings = own
        self._file = LocalModel(own, task)
        self._server = ModelServer(own, look_up, task)
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._rest: asyncio.Task[None] | None = None

    async def write(self, template: str, **facts: Any) -> str | None:
        """The model's words for a template of prompts/ with these facts.

        None: there is no model, it took too long, or what it wrote cannot be used.
        """
        if self._settings.file is None and not self._settings.url:
            return None
        said = _render(template, {name: _cut(fact) for name, fact in facts.items()})
        async with self._turn:
            answer = await self._by_file(said)
            if answer is None:
                answer = await self._by_server(said)
        return None if answer is None else usable(answer)

    @property
    def state(self) -> str:
        """How its file and its server are, for operators."""
        return f"file: {self._file.detail}; server: {self._server.detail}"

    @property
    def pid(self) -> int | None:
        """The process that holds the model's file; None while there is none."""
        return self._file.pid

    async def stop(self) -> None:
        """End the model's process and the connections."""
        if self._rest is not None:
            self._rest.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._rest
        async with self._turn:
            await asyncio.gather(self._file.stop(), self._server.stop())

    async def _by_file(self, said: str) -> str | None:
        if self._settings.file is None:
            return None
        if self._rest is not None:
            self._rest.cancel()
        await self._file.start(self._settings.deadline_s)
        self._rest = asyncio.create_task(self._end_when_idle(), name="writer")
        if self._file.told.get("kind") == "guided":
            return None  # it fills in forms and cannot write
        return await self._file.complete(said)

    async def _by_server(self, said: str) -> str | None:
        if not self._settings.url:
            return None
        await self._server.start()
        return await self._server.complete(said)

    async def _end_when_idle(self) -> None:
        await asyncio.sleep(self._idle_s)
        async with self._turn:
            await self._file.stop()


def usable(answer: str) -> str | None:
    """What a model wrote, as plain text; None when nothing is left of it."""
    plain = _THOUGHTS.sub("", answer).replace("\r\n", "\n")
    plain = "".join(c for c in plain if c == "\n" or unicodedata.category(c) not in _HIDDEN)
    if "<|" in plain:
        _log.warning("writer: the model's text holds marks of its own; it is not used")
        return None
    lines = [line.rstrip() for line in plain.splitlines() if not line.lstrip().startswith("```")]
    # A heading would look like one of ours.
    plain = "\n".join(line.lstrip("# ") if line.startswith("#") else line for line in lines).strip()
    if len(plain) > LIMIT:
        ends = [found.end() for found in _SENTENCE_END.finditer(plain[:LIMIT])]
        plain = plain[: ends[-1]].strip() if ends else plain[: LIMIT - 1] + "…"
    return plain or None


def _cut(fact: Any) -> Any:
    return fact[:_FACT] if isinstance(fact, str) else fact


def _render(template: str, facts: dict[str, Any]) -> str:
    return _environment().get_template(template).render(facts).strip()


@cache
def _environment() -> jinja2.Environment:
    # Plain text for a model, not HTML.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PROMPTS),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
    )
