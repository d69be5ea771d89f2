"""The embedding model as a part: a text in, its vector out, or nothing."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.knowledge.vectors import Vector
from engine.language.model import LOAD_LIMIT_S, LocalModel, ModelSettings
from engine.language.turns import Task
from prompts.texts import Text, say, text

_log = logging.getLogger(__name__)

TASK = Task((), None, "embedder", "[knowledge] embeddings", "[knowledge] embeddings_sha256")
TEXT_S = 30.0
"""Seconds that one text may take; past them the process hangs and is replaced."""
_MOST_NUMBERS = 16_384
_PROBES = ("The printer has no paper.", "VPN 비밀번호를 재설정하는 방법")
_SAME = 0.999
"""Cosine from which two vectors are the same but for rounding."""


class Embedding:
    """Asks a child process that holds the file. It never raises for what the model does.

    A model is believed after two texts: their vectors must be numbers, and differ.  ``edition``
    goes up when vectors from before no longer compare, as after the file was replaced.
    """

    def __init__(
        self,
        file: Path,
        sha256: str = "",
        models: ModelSettings | None = None,
        text_s: float = TEXT_S,
    ) -> None:
        own = replace(
            ModelSettings(file, sha256, deadline_s=text_s, shipped=False),
            memory_mb=(models or ModelSettings()).memory_mb,
        )
        self.edition = 0
        self._model = LocalModel(own, TASK)
        self._believed: int | None = None
        self._doubted: int | None = None
        self._fault = ""
        self._probe: Vector | None = None

    @property
    def ok(self) -> bool:
        """Whether the model can be asked."""
        return self._model.ok and self._model.pid == self._believed

    @property
    def condition(self) -> Text:
        """How it is, for operators."""
        return text("link_trouble", why=self._fault) if self._fault else self._model.condition

    @property
    def detail(self) -> str:
        """``condition`` in English, for logs and the command line."""
        return say(self.condition, "en")

    @property
    def pid(self) -> int | None:
        """The process that holds the file; None while there is none."""
        return self._model.pid

    @property
    def size(self) -> int:
        """Numbers of a vector; 0 before the first."""
        return 0 if self._probe is None else len(self._probe)

    async def start(self, wait_s: float = 0.0) -> None:
        """Start loading the file, and wait a little for it."""
        await self._model.start(wait_s)

    async def tried(self) -> str:
        """Load it, try it and end it: what is wrong, or "". For a look at a set-up."""
        await self.start(LOAD_LIMIT_S)
        try:
            return "" if await self.settle() else self.detail
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End the process."""
        await self._model.stop()

    async def settle(self) -> bool:
        """Try the model if its process is new. Gives ``ok``. Call it from one place at a time."""
        pid = self._model.pid
        if not self._model.ok or pid is None:
            self._fault = ""
            return False
        if pid not in (self._believed, self._doubted):
            found = [await self._vector(text) for text in _PROBES]
            if self._model.ok and self._model.pid == pid:
                self._judge(pid, *found)
        return self.ok

    def _judge(self, pid: int, one: Vector | None, other: Vector | None) -> None:
        self._fault = ""
        if one is None or other is None or one.shape != other.shape:
            self._fault = "it gives no vectors that can be used"
        elif float(one @ other) > _SAME:
            self._fault = "it gives different texts the same vector"
        if self._fault or one is None:
            self._doubted = pid
            self._fault += "; name another file in [knowledge] embeddings"
            _log.warning("embeddings: %s", self._fault)
            return
        before, self._probe, self._believed = self._probe, one, pid
        if before is None or before.shape != one.shape or float(before @ one) < _SAME:
            self.edition += 1

    async def vector(self, text: str) -> Vector | None:
        """The vector of a text, of length 1; None when there is none."""
        if not self.ok:
            return None
        found = await self._vector(text)
        return found if found is not None and found.shape == (self.size,) else None

    async def _vector(self, text: str) -> Vector | None:
        answer = await self._model.complete(text)
        try:
            raw = base64.b64decode(answer or "", validate=True)
        except ValueError:
            return None
        if not raw or len(raw) % 4 or len(raw) > 4 * _MOST_NUMBERS:
            return None
        numbers = np.frombuffer(raw, np.float32).astype(np.float64)
        length = float(np.linalg.norm(numbers))
        if not np.isfinite(length) or length == 0:
            return None
        return (numbers / length).astype(np.float32)
