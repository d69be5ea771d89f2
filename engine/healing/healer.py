"""The healer: looks at incidents and attempts whose time has come, and does what is next.

Everything it knows is rows.  A process that dies leaves rows that say what is next; the next one
goes on there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from engine.approvals.proposals import Proposals
from engine.healing import guards
from engine.healing.advance import advance
from engine.healing.consider import Considering, consider
from engine.healing.escalation import escalate, tell
from engine.healing.moment import Tools
from engine.healing.playbooks import Playbooks
from engine.healing.probes import Prober
from engine.healing.settings import HealSettings
from prompts.texts import text
from storage import attempts, blocks, breakers, incidents
from storage.database import Away, Database
from storage.incidents import Incident

log = logging.getLogger(__name__)

_PAGE = 100
_SIDE_BY_SIDE = 8
"""Attempts looked at together: a dead host keeps one of them, not all."""
_AFTER_A_FAULT_MS = 60_000
_FAULTS = 3
"""Faults in a row after which a person is called."""


class Healer:
    """One per process. ``run_once`` does all that is due now."""

    def __init__(
        self,
        db: Database,
        proposals: Proposals,
        playbooks: Playbooks,
        prober: Prober,
        settings: HealSettings,
    ) -> None:
        self.settings = settings
        self.playbooks = playbooks
        self._db = db
        self._tools = Tools(db, proposals, playbooks, prober, settings)
        self._known = Considering(proposals.planner, playbooks, settings)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._faults: dict[str, int] = {}
        """Faults in a row of an incident or attempt."""
        self._rests: dict[int, int] = {}
        """Attempts that met a fault, and until when they are left alone."""

    async def serve(self) -> None:
        """Run until cancelled."""
        try:
            async with self._db.listen("incidents", "actions") as news:
                while True:
                    news.clear()
                    await self._consider_all()
                    await self._begin_steps()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self.settings.look_every_s):
                            await news.wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def run_once(self) -> None:
        """Consider every incident and do one step of every attempt that is due."""
        await self._consider_all()
        await self._begin_steps()
        await asyncio.gather(*self._tasks.values())

    async def _consider_all(self) -> None:
        async with self._db.read() as tx:
            due = await incidents.due(tx, _PAGE)
        for incident in due:
            try:
                async with self._db.write() as tx:
                    await consider(tx, self._known, incident.id)
                self._faults.pop(incident.subject, None)
            except Away:
                # No fault of this incident: none can be considered now.
                raise
            # The boundary: an incident that meets a bug must not stop the others.
            except Exception:
                log.exception("%s could not be considered; it is tried again", incident.key)
                await self._put_off(incident)

    async def _put_off(self, incident: Incident) -> None:
        """Try it again later; what cannot be considered at all is for a person."""
        told = self._often(incident.subject)
        async with self._db.write() as tx:
            incident = await incidents.locked(tx, incident.id)
            await incidents.look_again(tx, incident.id, tx.now + _AFTER_A_FAULT_MS)
            if told:
                await escalate(tx, incident, "fault", text("heal_fault_words"))

    async def _begin_steps(self) -> None:
        async with self._db.read() as tx:
            due = await attempts.due(tx, _PAGE)
            now = tx.now
        for attempt in due:
            if len(self._tasks) >= _SIDE_BY_SIDE:
                return
            if attempt.id not in self._tasks and not now < self._rests.get(attempt.id, 0):
                self._begin(attempt)

    def _begin(self, attempt: attempts.Attempt) -> None:
        async def step() -> None:
            try:
                await advance(self._tools, attempt)
                self._faults.pop(f"attempt:{attempt.id}", None)
                self._rests.pop(attempt.id, None)
            except Away:
                # No fault of this attempt: it goes on as it stands when the database is back.
                raise
            # The boundary: an attempt that meets a bug must not stop the others.
            except Exception:
                log.exception("attempt %s could not go on; it is tried again", attempt.id)
                await self._later(attempt)

        task = asyncio.create_task(step(), name=f"attempt-{attempt.id}")
        self._tasks[attempt.id] = task

        def end(finished: asyncio.Task[None]) -> None:
            self._tasks.pop(attempt.id, None)
            if not finished.cancelled() and (error := finished.exception()) is not None:
                # Not announced: what cannot be stored now is looked at again in a moment.
                trace = None if isinstance(error, Away) else error
                log.error("attempt %s waits: %s", attempt.id, error, exc_info=trace)
            else:
                self._db.announce({"incidents"})

        task.add_done_callback(end)

    async def _later(self, attempt: attempts.Attempt) -> None:
        told = self._often(f"attempt:{attempt.id}")
        async with self._db.write() as tx:
            incident = await incidents.locked(tx, attempt.incident_id)
            # Kept here too: an attempt whose action has ended is due whatever its row says.
            self._rests[attempt.id] = tx.now + _AFTER_A_FAULT_MS
            await attempts.postpone(tx, attempt, tx.now + _AFTER_A_FAULT_MS)
            if told:
                words = text("heal_fault", key=incident.key, attempt=attempt.id)
                await tell(tx, incident.subject, words, urgent=True)

    def _often(self, subject: str) -> bool:
        """Count a fault; True once, when it is too many to be a passing one."""
        self._faults[subject] = self._faults.get(subject, 0) + 1
        return self._faults[subject] == _FAULTS

    async def keep_watch(self) -> None:
        """Tell open breakers again, and lift blocks that good manual runs have proved wrong."""
        async with self._db.write() as tx:
            for block in await blocks.standing(tx):
                await guards.lift_if_earned(tx, self.settings, block)
        async with self._db.read() as tx:
            late = tx.now - self.settings.remind_hours * 3_600_000
            waiting = [one for one in await breakers.open_ones(tx) if one.reminded_at <= late]
        for breaker in waiting:
            async with self._db.write() as tx:
                if await breakers.reminded(tx, breaker):
                    words = text("heal_breaker_reminder", scope=breaker.scope, at=breaker.opened_at)
                    await tell(tx, "", words, urgent=False)
