"""Looks at every configured check when it is due, and reports what fails, once, until it is over.

All times are the database's.  What is known is in its rows, so that a start neither forgets a
failing check nor raises a false alarm; only how often a host could not be asked is counted anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from engine.healing.checks import ON_HOSTS, Check
from engine.healing.probes import Finding, Prober
from engine.incidents.reports import Report, ReportSettings, take
from engine.inventory import Inventory
from prompts.texts import DEFAULT_LANGUAGE, say, text
from storage import checks, incidents
from storage.checks import CheckState
from storage.database import Database, Transaction
from storage.lifecycle import IncidentState

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Looks side by side."""
SLOW_AT_ONCE = 2
"""Of these, looks at hosts that could not be asked the last time: they take long to say nothing."""
UNSEEN_LOOKS = 10
"""Looks in a row that could not tell, until that itself is reported."""
STALE_ROUNDS = 3
"""Times its ``every_s`` after which failures from before a start no longer count."""

_WATCHSTANDER = incidents.WATCHSTANDER


@dataclass(frozen=True)
class Weighed:
    """What a look means beside the ones before it."""

    failures: int
    firing: bool
    begins: bool = False
    """Failing is to be reported; again while it lasts, for whoever closed the incident early."""
    over: bool = False


def weigh(check: Check, ok: bool | None, old: CheckState | None, stale: bool) -> Weighed:
    """Count a look. ``stale``: what is known of before is too old to be part of a row."""
    before = 0 if old is None or (stale and not old.firing) else old.failures
    firing = old is not None and old.firing
    if ok:
        # The first look of all, too: the row may be gone and its incident not.
        return Weighed(0, False, over=old is None or firing)
    if ok is None and check.kind in ON_HOSTS:
        return Weighed(before, firing)
    failures = before + 1
    firing = firing or failures >= check.failures
    return Weighed(failures, firing, begins=firing)


class CheckRounds:
    """Runs what is due. ``run_once`` is the tick; it starts looks and does not wait for them."""

    def __init__(
        self,
        db: Database,
        prober: Prober,
        inventory: Inventory,
        settings: ReportSettings,
        at_once: int = AT_ONCE,
    ) -> None:
        self._db = db
        self._prober = prober
        self._inventory = inventory
        self._settings = settings
        self._places = asyncio.Semaphore(at_once)
        self._slow = asyncio.Semaphore(SLOW_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._unseen: dict[str, int] = {}
        """Looks in a row that could not tell; has every check that this process looked at."""
        self._tidied = False
        self._stopped = False

    async def run_once(self) -> None:
        """Start a look at every check that is due and not being looked at."""
        if not self._tidied:
            async with self._db.write() as tx:
                await checks.forget_all_but(tx, list(self._prober.checks))
            self._tidied = True
        async with self._db.read() as tx:
            known = {state.name: state for state in await checks.listing(tx)}
            now = tx.now
        if self._stopped:
            return
        for check in self._prober.checks.values():
            if check.name not in self._running and _due(check, known, now):
                # As slow as the last time, until it says something.
                slow = check.name in known and known[check.name].ok is None
                task = asyncio.create_task(self._guarded(check, slow), name=f"check {check.name}")
                self._running[check.name] = task
                task.add_done_callback(partial(self._ended, check.name))

    def _ended(self, name: str, _: asyncio.Task[None]) -> None:
        self._running.pop(name, None)

    async def idle(self) -> None:
        """Wait until every look that was started has ended."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def stop(self) -> None:
        """Give up the looks that are under way, which changed nothing, and begin no more."""
        self._stopped = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, check: Check, slow: bool) -> None:
        try:
            async with self._slow if slow else self._places:
                async with self._db.read() as tx:
                    begun = tx.now
                finding = await self._prober.check(check.name)
                async with self._db.write() as tx:
                    await self._keep(tx, check, finding, begun)
        # The boundary: one check that breaks must not end the others, nor itself for good.
        except Exception:
            log.exception("check %s broke; it is tried again when it is due", check.name)

    async def _keep(self, tx: Transaction, check: Check, finding: Finding, begun: int) -> None:
        old = await checks.by_name(tx, check.name)
        first = check.name not in self._unseen
        stale = first and old is not None and tx.now - old.looked_at > STALE_ROUNDS * _ms(check)
        found = weigh(check, finding.ok, old, stale)
        await checks.record(
            tx,
            check.name,
            finding.ok,
            finding.detail.to_json(),
            failures=found.failures,
            firing=found.firing,
        )
        if found.begins and await self._untold(tx, check, begun):
            await self._report(tx, _failing(check, finding, found.failures))
        elif found.over:
            await self._report(tx, _over(check, check.name))
        await self._watch(tx, check, finding, first=first)

    async def _untold(self, tx: Transaction, check: Check, begun: int) -> bool:
        """Whether no incident stands for it that is open, or was resolved after the look began."""
        last = await incidents.newest(tx, _source(check), check.name)
        if last is None:
            return True
        return last.state is IncidentState.RESOLVED and (last.resolved_at or 0) < begun

    async def _watch(self, tx: Transaction, check: Check, finding: Finding, *, first: bool) -> None:
        """Report a host that could not be asked many times in a row, once; and that it answers."""
        unseen = self._unseen.get(check.name, 0)
        if finding.ok is None and check.kind in ON_HOSTS:
            self._unseen[check.name] = unseen + 1
            if unseen + 1 == UNSEEN_LOOKS:
                await self._report(tx, _unwatched(check, finding))
            return
        self._unseen[check.name] = 0
        if first or unseen >= UNSEEN_LOOKS:
            await self._report(tx, _over(check, _unwatched_fingerprint(check)))

    async def _report(self, tx: Transaction, report: Report) -> None:
        await take(tx, self._inventory, _WATCHSTANDER, report, self._settings)


def _ms(check: Check) -> int:
    return round(check.every_s * 1000)


def _due(check: Check, known: Mapping[str, CheckState], now: int) -> bool:
    state = known.get(check.name)
    # A clock that was put back must not keep a check from ever being due again.
    return state is None or not 0 <= now - state.looked_at < _ms(check)


def _source(check: Check) -> str:
    return f"check:{check.name}"


def _unwatched_fingerprint(check: Check) -> str:
    return f"{check.name} unwatched"


def _failing(check: Check, finding: Finding, failures: int) -> Report:
    found = say(finding.detail, DEFAULT_LANGUAGE)
    more = text("check_failing_detail", count=failures, every=f"{check.every_s:g}")
    return Report(
        source=_source(check),
        severity=check.severity,
        summary=say(text("check_failing", name=check.name, found=finding.detail), DEFAULT_LANGUAGE),
        fingerprint=check.name,
        detail=f"{found}\n{say(more, DEFAULT_LANGUAGE)}",
        asset=check.asset or None,
    )


def _unwatched(check: Check, finding: Finding) -> Report:
    words = text("check_unwatched", name=check.name, count=UNSEEN_LOOKS, found=finding.detail)
    return Report(
        source=_source(check),
        severity="P3",
        summary=say(words, DEFAULT_LANGUAGE),
        fingerprint=_unwatched_fingerprint(check),
        asset=check.asset or None,
    )


def _over(check: Check, fingerprint: str) -> Report:
    words = text("check_over", name=check.name)
    return Report(
        source=_source(check),
        severity=check.severity,
        summary=say(words, DEFAULT_LANGUAGE),
        fingerprint=fingerprint,
        firing=False,
        asset=check.asset or None,
    )
