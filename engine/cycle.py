"""The cycle: what Watchstander does by itself every few minutes.

Each step runs on its own, in transactions of its own, and a step that fails does not stop the
others: it is named in the report.  Every move is conditional on the old state, so a second process
on the same database repeats nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.approvals.watch import WatchReport
from engine.language.classify import by_model, classify
from engine.requests import sla
from engine.requests.assign import Roster
from engine.requests.desk import Desk
from storage import backlog, clocks, people
from storage.backlog import Fresh, Reading
from storage.database import Database, Transaction

_log = logging.getLogger(__name__)

CYCLE = "cycle"
"""The name of this work in ``storage.clocks``."""

Sweep = Callable[[], Awaitable[WatchReport]]
"""``await sweep()`` escalates and expires actions: ``ApprovalWatch.run_once``."""

Work = Callable[[], Awaitable[int]]
"""``await work()`` does a step of another part's and gives how many things it did."""


@dataclass(frozen=True)
class CycleSettings:
    """When the cycle runs and how much it takes at once."""

    minutes: int = 5
    """Minutes from one cycle to the next."""

    batch: int = 500
    """Requests in one transaction, 1 to 5000. More is faster, fewer lets others write sooner."""

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise ValueError(f"minutes: {self.minutes} is too short; give at least 1")
        if not 1 <= self.batch <= 5_000:
            raise ValueError(f"batch: {self.batch} is out of range; give 1 to 5000")


@dataclass
class CycleReport:
    """What one cycle did. Times are milliseconds."""

    started_at: int = 0
    took_ms: int = 0
    classified: int = 0
    answered: int = 0
    """INQUIRY requests that the knowledge base answered."""
    assigned: int = 0
    escalated: int = 0
    breached: int = 0
    drafted: int = 0
    """Articles drafted from completed requests since the cycle before."""
    expired: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Step → what went wrong, in English. What the step had committed before is counted."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Cycle:
    """Runs the steps. The report of the last run is in the database, under ``CYCLE``."""

    def __init__(
        self,
        db: Database,
        desk: Desk,
        sweep: Sweep,
        settings: CycleSettings | None = None,
        *,
        answer: Work | None = None,
        draft: Work | None = None,
    ) -> None:
        self.settings = settings or CycleSettings()
        self._db = db
        self._desk = desk
        self._sweep = sweep
        self._answer = answer
        self._draft = draft
        self._running: asyncio.Task[CycleReport] | None = None

    @property
    def running(self) -> bool:
        return self._running is not None

    async def run_once(self) -> CycleReport:
        """Run every step once. Who calls while a run is on waits for it and gets its report."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="cycle")
        # A caller who goes away (a closed HTTP connection) must not stop the work of the others.
        return await asyncio.shield(self._running)

    async def _run(self) -> CycleReport:
        report = CycleReport()
        begun = time.monotonic()
        try:
            async with self._db.read() as tx:
                report.started_at = tx.now
            for name, step in self._steps().items():
                await self._step(report, name, step)
            report.took_ms = round((time.monotonic() - begun) * 1000)
            async with self._db.write() as tx:
                await clocks.note(tx, CYCLE, report.to_json())
            return report
        finally:
            self._running = None

    def _steps(self) -> dict[str, Callable[[], AsyncIterator[int]]]:
        return {
            "classified": self._classify,
            "answered": lambda: _counted(self._answer),
            "assigned": self._assign,
            "escalated": self._escalate,
            "breached": self._breach,
            "drafted": lambda: _counted(self._draft),
            "expired": self._expire,
        }

    async def _step(
        self, report: CycleReport, name: str, step: Callable[[], AsyncIterator[int]]
    ) -> None:
        try:
            async for count in step():
                setattr(report, name, getattr(report, name) + count)
        except Exception as error:  # noqa: BLE001 - the boundary: one bad step must not stop the rest
            _log.exception("cycle: the step %r failed; the next cycle tries it again", name)
            report.failed[name] = f"{type(error).__name__}: {error}"

    async def _classify(self) -> AsyncIterator[int]:
        after = 0
        while True:
            async with self._db.read() as tx:
                batch = await backlog.fresh(tx, self.settings.batch, after)
            if not batch:
                return
            # Reading words is the slow part: it holds no lock, and rows that moved meanwhile
            # are left alone by the conditional UPDATE.
            read = self._read(batch)
            async with self._db.write() as tx:
                count = await backlog.classify(tx, read)
            yield count
            after = batch[-1].id

    def _read(self, batch: list[Fresh]) -> dict[Reading, list[Fresh]]:
        read: dict[Reading, list[Fresh]] = {}
        for request in batch:
            # What the model said when the request was made stands; asking it now would take
            # thousands of requests too long.
            suggestion = by_model(request.suggestion) or classify(request.title, request.body)
            priority = request.priority or suggestion.priority
            due_after = self._desk.settings.due_after(priority)
            read.setdefault(Reading(suggestion.type, priority, due_after), []).append(request)
        return read

    async def _assign(self) -> AsyncIterator[int]:
        after = 0
        while True:
            async with self._db.write() as tx:
                roster = Roster(await people.everyone(tx), await backlog.loads(tx))
                waiting = await backlog.unassigned(tx, self.settings.batch, after, roster.types)
                count = await backlog.assign(tx, roster.share(waiting))
            if not waiting:
                return
            yield count
            after = waiting[-1].id

    async def _escalate(self) -> AsyncIterator[int]:
        margin = self._desk.settings.escalate_ms
        async for count in self._until_none(lambda tx, limit: sla.escalate(tx, margin, limit)):
            yield count

    async def _breach(self) -> AsyncIterator[int]:
        async for count in self._until_none(sla.breach):
            yield count

    async def _until_none(
        self, work: Callable[[Transaction, int], Awaitable[int]]
    ) -> AsyncIterator[int]:
        while True:
            async with self._db.write() as tx:
                count = await work(tx, self.settings.batch)
            if count == 0:
                return
            yield count

    async def _expire(self) -> AsyncIterator[int]:
        yield len((await self._sweep()).expired)


async def _counted(work: Work | None) -> AsyncIterator[int]:
    if work is not None:
        yield await work()
