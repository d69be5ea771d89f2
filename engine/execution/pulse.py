"""Signs of life of what this process runs, what it tells meanwhile, and when it has to stop.

A run is ours only while we can say so: each sign of life that is stored makes it ours for a while
by our own clock, and without one nothing more is sent.  The others wait longer than that before
they call it lost, so what they then begin never meets a command of ours that was not sent yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator

from engine.execution.dispatch import DispatchSettings
from engine.execution.outcome import StepResult
from engine.execution.progress import Progress
from engine.plan import Plan
from storage import actions, beats
from storage.actions import Action
from storage.database import Away, Database

log = logging.getLogger(__name__)

_TELL_EVERY_S = 1.0
_PAUSE_S = 0.2
"""After the database was found away."""


class Run:
    """A claimed action while it is carried out; it is what looks on (``progress.Watch``)."""

    def __init__(self, action: Action, run_id: str, begun: float, sure_s: float) -> None:
        """``begun``: the monotonic moment before the claim, which was the first sign of life."""
        self.action = action
        self.id = run_id
        self.plan = Plan.from_json(action.plan)
        self.progress = Progress(self.plan)
        self.poke = asyncio.Event()
        """Set when there is something to tell."""
        self.signed = begun
        self.tell_from = begun + _TELL_EVERY_S
        self.called_off = False
        self.lost = False
        self._sure_s = sure_s

    def may_send(self) -> bool:
        """Whether it is surely still ours, and nobody called it off."""
        sure = time.monotonic() < self.signed + self._sure_s
        if not sure and not self.lost:
            log.error("action %s: no sign of life was stored in time: it stops", self.action.id)
        return sure and not (self.lost or self.called_off)

    def begun(self, number: int) -> None:
        """See ``progress.Watch``."""
        self.progress.begun(number)
        self.poke.set()

    def ended(self, number: int, result: StepResult) -> None:
        """See ``progress.Watch``."""
        self.progress.ended(number, result)
        self.poke.set()


class Pulse:
    """One loop for all runs of this process; it exists while there are any."""

    def __init__(self, db: Database, settings: DispatchSettings) -> None:
        self._db = db
        self._beat_s = settings.beat_s
        self._runs: dict[str, Run] = {}
        self._task: asyncio.Task[None] | None = None
        self._news: asyncio.Event | None = None

    @contextlib.contextmanager
    def beating(self, run: Run) -> Iterator[None]:
        """Look after a run as long as the block."""
        self._runs[run.id] = run
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="pulse")
        elif self._news is not None:
            run.poke = self._news
            self._news.set()
        try:
            yield
        finally:
            del self._runs[run.id]
            if self._news is not None:
                self._news.set()

    async def _serve(self) -> None:
        async with self._db.listen("actions") as news:
            self._news = news
            for run in self._runs.values():
                run.poke = news
            while self._runs:
                news.clear()
                try:
                    await self._attend()
                except Away as away:
                    log.warning("signs of life are not stored: %s", away)
                    await asyncio.sleep(_PAUSE_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._until_due()):
                        await news.wait()
            self._news = None

    async def _attend(self) -> None:
        for run in list(self._runs.values()):
            now = time.monotonic()
            if run.lost:
                continue
            if now >= run.signed + self._beat_s:
                async with self._db.write(urgent=True) as tx:
                    run.lost = not await beats.give(tx, run.action.id, run.id)
                if not run.lost:
                    run.signed = now
            if run.progress.changed and now >= run.tell_from:
                await self._tell(run, now)
        if self._runs:
            async with self._db.read() as tx:
                off = await beats.called_off(tx, list(self._runs))
            for run in self._runs.values():
                run.called_off = run.called_off or run.id in off

    async def _tell(self, run: Run, now: float) -> None:
        run.tell_from = now + _TELL_EVERY_S
        standing = run.progress.to_json()
        async with self._db.write() as tx:
            await actions.progress(tx, run.action.id, run.id, standing)

    def _until_due(self) -> float:
        due = [
            min(
                run.signed + self._beat_s,
                run.tell_from if run.progress.changed else float("inf"),
            )
            for run in self._runs.values()
            if not run.lost
        ]
        return max(min(due, default=float("inf")) - time.monotonic(), 0.0) if due else self._beat_s
