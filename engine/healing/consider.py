"""What to do about an incident: begin an attempt, wait, or call a person.

One transaction per incident, and the move is conditional on it being OPEN: whoever comes second
does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import GiveUp
from engine.healing import guards
from engine.healing.escalation import call_again, escalate, guidance
from engine.healing.guards import Repair, Weighed
from engine.healing.playbooks import Playbook, Playbooks, choose, plan_for
from engine.healing.settings import HealSettings
from engine.planning import Planner
from prompts.texts import text
from storage import attempts, blocks, breakers, incident_locks, incidents
from storage.database import Transaction
from storage.incidents import WATCHSTANDER, Incident
from storage.lifecycle import AttemptMove, IncidentMove, IncidentState

ALERT_ONLY = "ALERT_ONLY"
WAIT_RETRY = "WAIT_RETRY"


@dataclass(frozen=True)
class Considering:
    """What a decision is made from."""

    planner: Planner
    playbooks: Playbooks
    settings: HealSettings


async def consider(tx: Transaction, known: Considering, incident_id: int) -> None:
    """Decide about an incident whose time has come."""
    await incident_locks.decide_alone(tx)
    incident = await incidents.locked(tx, incident_id)
    if not _due(incident, tx.now):
        return
    if incident.state is IncidentState.ESCALATED:
        await call_again(tx, incident)
        return
    under_way = await attempts.under_way_of(tx, incident.id)
    if under_way is not None:
        # It was called over and came back: its repair goes on, and no other one begins beside it.
        told = {"playbook": under_way.playbook, "attempt": under_way.id}
        await incidents.move(tx, incident.id, IncidentMove.HEAL, WATCHSTANDER, detail=told)
        return
    if incident.cleared_at is not None:
        why = {"why": "cleared"}
        await incidents.move(tx, incident.id, IncidentMove.RESOLVE, WATCHSTANDER, detail=why)
        return
    playbook, targets = choose(
        known.playbooks,
        known.planner.inventory,
        incident.kind,
        incident.severity,
        f"{incident.summary}\n{incident.detail}",
        incident.asset,
    )
    if playbook is None:
        words = text("heal_no_playbook", kind=incident.kind, severity=incident.severity)
        await escalate(tx, incident, "no_playbook", words)
    elif playbook.step.kind == ALERT_ONLY:
        await _only_tell(tx, known, incident, playbook)
    else:
        await _repair(tx, known, incident, playbook, targets)


def _due(incident: Incident, now: int) -> bool:
    if incident.state not in (IncidentState.OPEN, IncidentState.ESCALATED):
        return False
    at = incident.heal_at
    return at is not None and (at <= now or at > now + incidents.FARTHEST_MS)


async def _only_tell(
    tx: Transaction, known: Considering, incident: Incident, playbook: Playbook
) -> None:
    """ALERT_ONLY: the message and where its guide is; within its cooldown on the card alone."""
    verdict = await guards.weigh(tx, known.settings, _wish(incident, playbook, (), ""))
    if verdict.why is guards.Why.OFF and verdict.text is not None:
        await escalate(tx, incident, verdict.why, verdict.text)
        return
    since = tx.now - playbook.cooldown_ms
    quiet = await attempts.told_since(tx, playbook.name, incident.symptom, since)
    attempt = await attempts.begin(
        tx,
        incident,
        playbook=playbook.name,
        playbook_digest=playbook.digest,
        action_type="",
        targets=(),
    )
    words = guidance(playbook)
    values = {"reason": words.to_json()}
    await attempts.move(tx, attempt, AttemptMove.SKIP, values=values, detail={"why": "alert_only"})
    await escalate(tx, incident, "alert_only", words, quiet=quiet)


async def _repair(
    tx: Transaction,
    known: Considering,
    incident: Incident,
    playbook: Playbook,
    targets: tuple[str, ...],
) -> None:
    if playbook.step.action and not targets:
        words = text("heal_no_target", playbook=playbook.name, role=playbook.step.role)
        await escalate(tx, incident, "no_target", words)
        return
    action_type = ""
    if playbook.step.action:
        try:
            action_type = plan_for(playbook, known.planner, targets).action
        except GiveUp as refused:
            words = text("heal_no_plan", playbook=playbook.name, why=refused.text)
            await escalate(tx, incident, "no_plan", words)
            return
    forgiven = await guards.forgiven_at(tx, incident.id)
    wish = _wish(incident, playbook, targets, action_type, forgiven)
    verdict = await guards.weigh(tx, known.settings, wish)
    if verdict.block is not None and await guards.lift_if_earned(tx, known.settings, verdict.block):
        verdict = await guards.weigh(tx, known.settings, wish)
    if verdict.go:
        await _begin(tx, incident, wish)
    else:
        await _hold(tx, incident, verdict)


def _wish(
    incident: Incident,
    playbook: Playbook,
    targets: tuple[str, ...],
    action_type: str,
    since: int = 0,
) -> Repair:
    return Repair(playbook, incident.symptom, targets, action_type, since)


async def _begin(tx: Transaction, incident: Incident, wish: Repair) -> None:
    told = {"playbook": wish.playbook.name}
    if await incidents.move(tx, incident.id, IncidentMove.HEAL, WATCHSTANDER, detail=told):
        await attempts.begin(
            tx,
            incident,
            playbook=wish.playbook.name,
            playbook_digest=wish.playbook.digest,
            action_type=wish.action_type,
            targets=wish.targets,
        )


async def _hold(tx: Transaction, incident: Incident, verdict: Weighed) -> None:
    """Wait where waiting helps; else call a person, who sees why."""
    assert verdict.why is not None
    words = verdict.text or text("heal_disabled")
    if verdict.until is not None:
        last = await incidents.last_event(tx, incident.id)
        if last is None or last.kind != verdict.why.value:
            await incidents.note(tx, incident.id, verdict.why.value, {"text": words.to_json()})
        await incidents.look_again(tx, incident.id, verdict.until)
        return
    if verdict.tripped is not None:
        scope, limit = verdict.tripped
        await breakers.trip(tx, scope, limit)
    detail: dict[str, object] = {}
    if verdict.block is not None:
        await blocks.stopped_one(tx, verdict.block.id)
        detail = {"block": verdict.block.id, "attempt": verdict.block.attempt_id}
    await escalate(tx, incident, verdict.why.value, words, detail=detail)
