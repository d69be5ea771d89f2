"""What can happen to repairs, in any order, and what has to hold after each of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from engine.approvals.proposals import Verdict
from engine.audit import AuditSettings, Checkpointer, verify
from engine.errors import GiveUp
from engine.incidents import desk
from storage import actions, attempts, freezes, incidents, playbooks
from storage.actions import Action
from storage.attempts import Attempt
from storage.database import Transaction
from storage.incidents import Incident
from storage.lifecycle import UNDER_WAY, AttemptState, IncidentState, State
from tests.unit.healing.ward import Ward

HOUR = 3_600_000
DAY = 24 * HOUR
ALERTS: tuple[dict[str, Any], ...] = (
    {},
    {"fingerprint": "f2", "summary": "another request timed out"},
    {"fingerprint": "f3", "summary": "a third request timed out", "asset": "TWO"},
    {"fingerprint": "f4", "summary": "java.lang.OutOfMemoryError: heap", "asset": "ONE"},
    {"source": "guard:job", "fingerprint": "f5", "summary": "job on TWO timed out", "asset": "TWO"},
    {"source": "check:shop", "fingerprint": "shop", "summary": "shop timed out"},
    {"fingerprint": "f7", "summary": "a fourth request timed out", "asset": "NOWHERE"},
)
SPANS_S = (1, 6, 31, 61, 121, 301, 961, 1_801, 3_700, 30_000)


@dataclass
class Walk:
    """One walk through a ward, and its record of what people said."""

    ward: Ward
    dice: random.Random
    starts: Callable[[Ward, random.Random], Ward]
    """Another process on the same rows, perhaps with other files."""
    retried_at: list[int] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    async def go(self, steps: int) -> None:
        """Walk, then let everything come to rest."""
        weights: dict[Callable[[], Awaitable[None]], int] = {
            self.report: 5, self.clear: 2, self.approve: 5, self.reject: 1, self.break_: 2,
            self.mend: 1, self.freeze: 1, self.thaw: 3, self.resolve: 2, self.retry: 4,
            self.take: 1, self.switch_off: 1, self.switch_on: 4, self.restart: 2, self.crash: 1,
            self.settle: 2, self.later: 6,
        }  # fmt: skip
        deeds, weight = list(weights), list(weights.values())
        async with self.ward.yard.db.read() as tx:
            await Checkpointer(self._audit).sign(tx)
        for _ in range(steps):
            (deed,) = self.dice.choices(deeds, weight)
            self.done.append(deed.__name__)
            await deed()
            await self.ward.step(seconds=self.dice.choice((0, 0, 1, 6)))
            await self.check()
        await self.rest()

    @property
    def _audit(self) -> AuditSettings:
        folder = self.ward.yard.folder
        return AuditSettings(folder / "audit.key", folder / "audit.checkpoints")

    async def report(self) -> None:
        (alert,) = self.dice.choices(ALERTS, (6, 2, 3, 4, 2, 3, 1))
        await self.ward.report(**alert | {"severity": self.dice.choice(("P1", "P2", "P3"))})

    async def clear(self) -> None:
        async with self.ward.yard.db.write() as tx:
            known = {one.fingerprint for one in await incidents.listing(tx)}
        for alert in self.dice.sample(ALERTS, 2):
            if alert.get("fingerprint", "f1") in known:
                await self.ward.report(**alert | {"firing": False})

    async def approve(self) -> None:
        await self._decide(Verdict.APPROVE)

    async def reject(self) -> None:
        await self._decide(Verdict.REJECT)

    async def _decide(self, verdict: Verdict, *, ends: bool = True) -> None:
        waiting = await self.ward.waiting()
        if not waiting:
            return
        chosen = self.dice.choice(waiting)
        try:
            await self.ward.yard.decide(chosen.id, verdict=verdict)
        except GiveUp:  # frozen, too late, or changed: the person is told, and nothing happens
            return
        if ends:
            await self.ended(chosen)

    async def ended(self, action: Action) -> None:
        ends = (State.SUCCEEDED, State.FAILED, State.REJECTED, State.SUPERSEDED, State.UNKNOWN)
        await self.ward.yard.ends(action.id, *ends)

    async def crash(self) -> None:
        """The process dies, perhaps with a command under way."""
        if self.dice.random() < 0.7:
            await self._decide(Verdict.APPROVE, ends=False)
        await self.ward.yard.kill()
        await self.ward.yard.start()
        await self.restart()
        await self._runs_end()

    async def _runs_end(self) -> None:
        async with self.ward.yard.db.read() as tx:
            frozen = await freezes.current(tx) is not None
            states = [State.RUNNING] if frozen else [State.RUNNING, State.APPROVED]
            left = await actions.listing(tx, states=states)
        for action in left:
            await self.ended(action)

    async def settle(self) -> None:
        async with self.ward.yard.db.write() as tx:
            for action in await actions.listing(tx, states=[State.UNKNOWN]):
                jun = self.ward.yard.people["jun"]
                ran = self.dice.random() < 0.5
                await self.ward.yard.proposals.settle(tx, jun, action.id, ran=ran)

    async def break_(self) -> None:
        host, fault = self.dice.choice(("one", "two")), self.dice.choice(("", " stays"))
        self.ward.break_(host, f"tomcat{fault}")

    async def mend(self) -> None:
        self.ward.mend(self.dice.choice(("one", "two")))

    async def freeze(self) -> None:
        async with self.ward.yard.db.write() as tx:
            await freezes.begin(tx, self.ward.yard.people["jun"], "")

    async def thaw(self) -> None:
        async with self.ward.yard.db.write() as tx:
            await freezes.end(tx, self.ward.yard.people["jun"], "")
        await self._runs_end()

    async def resolve(self) -> None:
        await self._at_the_desk(desk.resolve)

    async def take(self) -> None:
        await self._at_the_desk(desk.take)

    async def retry(self) -> None:
        if await self._at_the_desk(desk.retry):
            self.retried_at.append(self.ward.yard.clock.now)

    async def _at_the_desk(self, deed: Callable[..., Awaitable[object]]) -> bool:
        async with self.ward.yard.db.read() as tx:
            found = await incidents.listing(tx, states=desk.LIVE)
        if not found:
            return False
        try:
            async with self.ward.yard.db.write() as tx:
                await deed(tx, self.ward.yard.people["jun"], self.dice.choice(found))
        except GiveUp:
            return False
        return True

    async def switch_off(self) -> None:
        await self._switch(on=False)

    async def switch_on(self) -> None:
        await self._switch(on=True)

    async def _switch(self, *, on: bool) -> None:
        async with self.ward.yard.db.write() as tx:
            for name in ("restart-app", "wait-then-restart"):
                await playbooks.switch(tx, name, on, self.ward.yard.people["jun"])

    async def restart(self) -> None:
        self.ward = self.starts(self.ward, self.dice)

    async def later(self) -> None:
        await self.ward.step(seconds=self.dice.choice(SPANS_S))
        await self.ward.yard.watch.run_once()

    async def rest(self) -> None:
        """Everything is allowed, everything is approved, and time passes: nothing stays stuck."""
        self.done.append("rest")
        await self.thaw()
        await self.switch_on()
        for _ in range(80):
            await self.settle()
            while await self.ward.waiting():
                await self._decide(Verdict.APPROVE)
            await self.ward.step(seconds=901)
            await self.ward.step(seconds=6)
            await self.check()
            if await self._quiet():
                break
        else:
            raise AssertionError(f"not at rest: {await self._left()}")
        async with self.ward.yard.db.read() as tx:
            verdict = await verify(tx, self._audit)
        assert verdict.ok, verdict.lines

    async def _left(self) -> list[Incident | Attempt]:
        async with self.ward.yard.db.read() as tx:
            found = await incidents.listing(tx, 1000)
            tried = await _tried(tx, found)
        busy = [one for one in found if one.state in (IncidentState.OPEN, IncidentState.HEALING)]
        return [*busy, *(one for one in tried if one.state in UNDER_WAY)]

    async def _quiet(self) -> bool:
        return not await self._left()

    async def check(self) -> None:
        """All that has to hold at every moment."""
        async with self.ward.yard.db.read() as tx:
            found = await incidents.listing(tx, 1000)
            tried = await _tried(tx, found)
            asked = await actions.listing(tx, limit=1000)
        _one_at_a_time(tried)
        for incident in found:
            _somebody_is_next(incident, [a for a in tried if a.incident_id == incident.id])
        self._within_limits(tried)
        approved = [one for one in asked if one.approved and one.type == "server_restart"]
        assert len(self.ward.restarts()) <= len(approved)

    def _within_limits(self, tried: list[Attempt]) -> None:
        """No more tries than the playbook allows, nor sooner, but for what a person forgave."""
        counted = [a for a in tried if a.state is not AttemptState.SKIPPED or a.action_id]
        rows = {(a.playbook, target) for a in counted for target in a.targets}
        for playbook, target in rows:
            mine = [a for a in counted if a.playbook == playbook and target in a.targets]
            for attempt in mine:
                since = max([attempt.started_at - DAY, *self._said_before(attempt)])
                recent = [a for a in mine if since <= a.started_at <= attempt.started_at]
                assert len(recent) <= 2, (playbook, target, recent)
            for before, after in pairwise(mine):
                forgiven = any(at >= before.started_at for at in self._said_before(after))
                rested = after.started_at - (before.finished_at or after.started_at)
                assert forgiven or rested >= HOUR // 2, (before, after)

    def _said_before(self, attempt: Attempt) -> list[int]:
        return [at for at in self.retried_at if at <= attempt.started_at]


async def _tried(tx: Transaction, found: list[Incident]) -> list[Attempt]:
    tried = [one for each in found for one in await attempts.of_incident(tx, each.id)]
    return sorted(tried, key=lambda one: one.id)


def _one_at_a_time(tried: list[Attempt]) -> None:
    busy = [target for a in tried if a.state in UNDER_WAY for target in a.targets]
    assert len(busy) == len(set(busy)), busy


def _somebody_is_next(incident: Incident, tried: list[Attempt]) -> None:
    """A person, a time, or an attempt; and never two of them pulling."""
    under_way = [a for a in tried if a.state in UNDER_WAY]
    assert len(under_way) <= 1, under_way
    if incident.state is IncidentState.HEALING:
        assert under_way, incident
    elif incident.state is IncidentState.ESCALATED:
        assert not under_way, (incident, under_way)
        assert incident.cleared_at is None or _left_a_doubt(tried), incident
    elif incident.state is IncidentState.OPEN:
        assert incident.heal_at is not None, incident
    for attempt in under_way:
        assert attempt.due_at <= attempt.started_at + 10 * DAY


def _left_a_doubt(tried: list[Attempt]) -> bool:
    """Over, says its source, but the last repair failed: a person has to look."""
    return bool(tried) and tried[-1].state is AttemptState.FAILED
