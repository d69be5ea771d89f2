"""May this repair be tried now? Every reason why not, in the order in which they are looked at.

All by database time and from rows: a restart forgets none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.actions.names import action_name
from engine.healing.playbooks import Playbook
from engine.healing.settings import HealSettings
from prompts.texts import Text, text
from storage import actions, attempts, blocks, breakers, freezes, incidents, playbooks
from storage.blocks import Block
from storage.database import Transaction
from storage.lifecycle import IncidentMove

_HOUR = 3_600_000
GLOBAL = "global"


class Why(StrEnum):
    """Which guard spoke."""

    OFF = "off"  #: healing, or this playbook, is switched off
    FROZEN = "frozen"
    BREAKER = "breaker"
    BLOCKED = "blocked"
    BUSY = "busy"  #: another repair touches the same target
    TRIES = "tries"  #: max_retries is used up
    COOLDOWN = "cooldown"


@dataclass(frozen=True)
class Weighed:
    """The verdict. ``why`` is None when nothing stands in the way."""

    why: Why | None = None
    text: Text | None = None
    until: int | None = None
    """When to ask again; None with a ``why`` = a person is needed."""
    block: Block | None = None
    tripped: tuple[str, int] | None = None
    """Scope and limit of a breaker that this very attempt would trip."""

    @property
    def go(self) -> bool:
        return self.why is None


@dataclass(frozen=True)
class Repair:
    """What would be tried."""

    playbook: Playbook
    symptom: str
    targets: tuple[str, ...]
    action_type: str = ""
    """"" = no command."""
    since: int = 0
    """When a person let it be tried again; tries before that are forgiven."""


async def weigh(tx: Transaction, settings: HealSettings, repair: Repair) -> Weighed:
    """Whether an attempt may begin now. Writes nothing."""
    return await _Guards(tx, settings, repair).ask()


async def weigh_again(tx: Transaction, settings: HealSettings, repair: Repair) -> Weighed:
    """Whether an attempt that began may propose its action now: what people stop is stopped.

    A freeze is not among it: it holds up, and ends nothing.
    """
    return await _Guards(tx, settings, repair).ask_again()


async def forgiven_at(tx: Transaction, incident_id: int) -> int:
    """When a person last let an incident be tried again; 0 = never.

    Not what was said while the clock was ahead: it would forgive what is yet to come.
    """
    last = await incidents.last_event(tx, incident_id, IncidentMove.RETRY.value)
    return last.at if last is not None and last.at <= tx.now else 0


@dataclass(frozen=True)
class _Guards:
    tx: Transaction
    settings: HealSettings
    repair: Repair

    async def ask(self) -> Weighed:
        """The first guard that objects, in their order."""
        for guard in (
            self._switched_off,
            self._frozen,
            self._tripped,
            self._blocked,
            self._busy,
            self._tried,
            self._too_often,
        ):
            found = await guard()
            if found is not None:
                return found
        return Weighed()

    async def ask_again(self) -> Weighed:
        """The first of those guards that objects by which people or failures stop everything."""
        for guard in (self._switched_off, self._tripped, self._blocked):
            found = await guard()
            if found is not None:
                return found
        return Weighed()

    async def _switched_off(self) -> Weighed | None:
        if not self.settings.enabled:
            return Weighed(Why.OFF, text("heal_disabled"))
        if not await playbooks.is_on(self.tx, self.repair.playbook.name):
            return Weighed(Why.OFF, text("heal_playbook_off", playbook=self.repair.playbook.name))
        return None

    async def _frozen(self) -> Weighed | None:
        freeze = await freezes.current(self.tx)
        if freeze is None:
            return None
        words = text("heal_frozen", name=freeze.begun_by, at=freeze.begun_at)
        return Weighed(Why.FROZEN, words, self._soon())

    async def _tripped(self) -> Weighed | None:
        """A breaker that is open already."""
        mine = {scope for scope, _ in _scopes(self.repair)} | {GLOBAL}
        for breaker in await breakers.open_ones(self.tx):
            if breaker.scope in mine:
                words = text("heal_breaker", scope=breaker.scope, at=breaker.opened_at)
                return Weighed(Why.BREAKER, words)
        return None

    async def _blocked(self) -> Weighed | None:
        """The same repair failed for the same symptom, and nothing has lifted that yet."""
        block = await blocks.in_force(self.tx, self.repair.symptom, self.repair.action_type)
        if block is None:
            return None
        failed = await attempts.must(self.tx, block.attempt_id)
        words = text(
            "heal_blocked",
            type=action_name(self.repair.action_type),
            id=failed.action_id,
            attempt=failed.id,
            at=block.created_at,
            until=block.expires_at,
        )
        return Weighed(Why.BLOCKED, words, block=block)

    async def _busy(self) -> Weighed | None:
        other = await attempts.under_way_on(
            self.tx, attempts.marks(self.repair.targets, self.repair.symptom)
        )
        if other is None:
            return None
        words = text("heal_busy", attempt=other.id, playbook=other.playbook)
        return Weighed(Why.BUSY, words, self._soon())

    async def _tried(self) -> Weighed | None:
        """Tries used up, or the last one is too fresh."""
        since = max(self.tx.now - self.settings.retry_hours * _HOUR, self.repair.since)
        earlier = await attempts.tries(
            self.tx, self.repair.playbook.name, self.repair.targets, self.repair.symptom, since
        )
        if self.repair.since:
            # Begun "later" than now, by a clock that was ahead: it is forgiven with the rest.
            earlier = [one for one in earlier if one.started_at <= self.tx.now]
        if len(earlier) >= self.repair.playbook.max_retries:
            words = text(
                "heal_tries",
                playbook=self.repair.playbook.name,
                count=len(earlier),
                hours=self.settings.retry_hours,
            )
            return Weighed(Why.TRIES, words)
        ends = [last.finished_at or last.started_at for last in earlier]
        # An end that is yet to come is of a clock that was ahead: it tells nothing.
        told = [end for end in ends if end <= self.tx.now]
        until = max(told, default=0) + self.repair.playbook.cooldown_ms
        if told and until > self.tx.now:
            return Weighed(
                Why.COOLDOWN,
                text("heal_cooldown", playbook=self.repair.playbook.name, at=until),
                until,
            )
        return None

    async def _too_often(self) -> Weighed | None:
        """One more attempt would be more than an hour allows."""
        limits = {"target": self.settings.per_target, "symptom": self.settings.per_symptom}
        scopes = [*_scopes(self.repair), (GLOBAL, {})]
        for scope, counted in scopes:
            limit = limits.get(scope.partition(":")[0], self.settings.per_hour)
            # What happened before a person closed the breaker is forgiven.
            since = max(self.tx.now - _HOUR, await breakers.last_closed(self.tx, scope))
            if await attempts.begun_since(self.tx, since, **counted) >= limit:
                words = text("heal_breaker_trips", scope=scope, limit=limit)
                return Weighed(Why.BREAKER, words, tripped=(scope, limit))
        return None

    def _soon(self) -> int:
        return self.tx.now + round(self.settings.frozen_look_s * 1000)


def _scopes(repair: Repair) -> list[tuple[str, dict[str, str]]]:
    """The breakers that watch over an attempt, with what each of them counts."""
    watched = [(f"target:{target}", {"target": target}) for target in repair.targets]
    return [*watched, (f"symptom:{repair.symptom}", {"symptom": repair.symptom})]


async def lift_if_earned(tx: Transaction, settings: HealSettings, block: Block) -> bool:
    """Lift a block that good manual runs of the same action on the same targets proved wrong."""
    failed = await attempts.must(tx, block.attempt_id)
    clean = await actions.clean_runs(tx, block.action_type, failed.targets, block.created_at)
    return clean >= settings.clean_runs and await blocks.lift(tx, block, None, "clean runs")
