"""One step of an attempt. What its state says has to be done next is done here, once.

Nothing is done twice: what leaves the process is either a look, which changes nothing, or an action
under the attempt's own origin, which exists once.  Every move is conditional on the attempt
standing as it was read, so a step that was overtaken counts for nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.approvals.proposals import Proposals
from engine.errors import GiveUp
from engine.healing import ending
from engine.healing.playbooks import Playbook, Playbooks
from engine.healing.probes import Finding, Prober
from engine.healing.settings import HealSettings
from engine.healing.verdict import Health, Verdict, right_after, settled
from prompts.texts import Text, text
from storage import actions, attempts, freezes, incidents, people
from storage.actions import Action
from storage.attempts import Attempt
from storage.database import Database, Transaction
from storage.incidents import WATCHSTANDER, Incident
from storage.lifecycle import FINAL, AttemptMove, AttemptState, IncidentState, Move, State

_CHECK = "check:"


@dataclass(frozen=True)
class Tools:
    """What the steps work with."""

    db: Database
    proposals: Proposals
    playbooks: Playbooks
    prober: Prober
    settings: HealSettings


async def advance(tools: Tools, attempt: Attempt) -> None:
    """Do the next step of an attempt whose time has come.

    A step looks first, which may take its time, and then decides in one transaction, by what the
    rows say at that moment.
    """
    async with tools.db.read() as tx:
        incident = await incidents.must(tx, attempt.incident_id)
    await _STEPS[attempt.state](tools, attempt, incident)


async def _before(tools: Tools, attempt: Attempt, incident: Incident) -> None:
    """Look at the symptom; when it is gone nothing is done, else the playbook's step begins."""
    playbook = tools.playbooks.named(attempt.playbook)
    found = await _look(tools, attempt, incident)
    async with tools.db.write() as tx:
        incident = await incidents.must(tx, attempt.incident_id)
        gone = incident.cleared_at is not None or _check_passes(incident, found)
        if incident.state is not IncidentState.HEALING:
            await ending.skip(tx, attempt, "over", text("heal_over"))
        elif playbook is None:
            words = text("heal_playbook_gone", playbook=attempt.playbook)
            await ending.skip(tx, attempt, "playbook_gone", words)
        elif gone:
            await ending.skip(tx, attempt, "gone", text("heal_gone"), _with(attempt, before=found))
        elif playbook.step.wait_ms:
            await attempts.move(
                tx,
                attempt,
                AttemptMove.WAIT,
                due_at=tx.now + playbook.step.wait_ms,
                values={"findings": _with(attempt, before=found)},
                detail={"until": tx.now + playbook.step.wait_ms},
            )
        else:
            await _act(tx, tools, attempt, incident, playbook, _with(attempt, before=found))


async def _waited(tools: Tools, attempt: Attempt, incident: Incident) -> None:
    """WAIT_RETRY: the time is over; run what the playbook names, or only look."""
    playbook = tools.playbooks.named(attempt.playbook)
    async with tools.db.write() as tx:
        if incident.state is not IncidentState.HEALING:
            await ending.skip(tx, attempt, "over", text("heal_over"))
        elif playbook is not None and attempt.action_type:
            await _act(tx, tools, attempt, incident, playbook, attempt.findings)
        else:
            await attempts.move(tx, attempt, AttemptMove.LOOK, values={"acted_at": tx.now})


async def _act(
    tx: Transaction,
    tools: Tools,
    attempt: Attempt,
    incident: Incident,
    playbook: Playbook,
    findings: Mapping[str, Any],
) -> None:
    """Propose the action: it goes through plan, risk, freeze and approval like any other."""
    if await freezes.current(tx) is not None:
        await attempts.postpone(tx, attempt, tx.now + round(tools.settings.frozen_look_s * 1000))
        return
    try:
        action = await tools.proposals.propose(
            tx,
            await people.itself(tx),
            attempt.action_type,
            attempt.targets,
            playbook.step.params,
            f"{incident.key} · {incident.kind} · {incident.summary}"[:500],
            origin=f"heal:{attempt.id}:act",
        )
    except GiveUp as refused:
        words = text("heal_refused", why=refused.text)
        await ending.skip(tx, attempt, "refused", words, findings)
        return
    values = {"action_id": action.id, "findings": findings}
    await attempts.move(tx, attempt, AttemptMove.ACT, values=values, detail={"action": action.id})


async def _acting(tools: Tools, attempt: Attempt, incident: Incident) -> None:
    """Follow the action: with people, with the runner, or at its end."""
    async with tools.db.write() as tx:
        action = await _followed(tx, attempt, "action_id", attempt.action_id)
        if action.state is State.SUCCEEDED:
            values = {"acted_at": action.finished_at or tx.now}
            await attempts.move(tx, attempt, AttemptMove.LOOK, values=values)
        elif action.state is State.FAILED:
            words = text("heal_action_failed", id=action.id)
            await ending.fail(tx, tools.settings, tools.playbooks, attempt, "action_failed", words)
        elif action.state in FINAL:
            state = text(f"state_{action.state.value}")
            words = text("heal_not_run", id=action.id, state=state)
            await ending.skip(tx, attempt, action.state.value.lower(), words)
        elif _needless(incident) and await _withdrawn(tx, action):
            await ending.skip(tx, attempt, "over", text("heal_over"))
        else:
            await _wait_on(tx, tools, attempt)


async def _after(tools: Tools, attempt: Attempt, incident: Incident) -> None:
    """Right after the action."""
    found = await _look(tools, attempt, incident)
    verdict = right_after(found)
    findings = _with(attempt, after=found)
    async with tools.db.write() as tx:
        starting = (attempt.acted_at or attempt.started_at) + round(tools.settings.start_s * 1000)
        if verdict.health is Health.SICK and tx.now < starting:
            await _wait_on(tx, tools, attempt)
            return
        await _note(tx, attempt, "after", found, verdict)
        if verdict.health is Health.SICK:
            await _undo_or_fail(tx, tools, attempt, "still_there", verdict.why, findings)
            return
        playbook = tools.playbooks.named(attempt.playbook)
        due_at = tx.now + (playbook.settle_ms if playbook else 0)
        values = {"findings": findings}
        detail = {"until": due_at}
        await attempts.move(
            tx, attempt, AttemptMove.SETTLE, due_at=due_at, values=values, detail=detail
        )


async def _settling(tools: Tools, attempt: Attempt, incident: Incident) -> None:
    """After the stability window: success only when the symptom stayed away."""
    found = await _look(tools, attempt, incident)
    async with tools.db.write() as tx:
        incident = await incidents.must(tx, attempt.incident_id)
        since = attempt.acted_at or attempt.started_at
        earlier = [Finding.from_json(raw) for raw in attempt.findings.get("after", ())]
        verdict = settled(incident, since, earlier, found)
        findings = _with(attempt, settled=found)
        patience = since + tools.settings.clear_minutes * 60_000
        if verdict.health is Health.UNSURE and tx.now < patience:
            await _wait_on(tx, tools, attempt)
            return
        await _note(tx, attempt, "settled", found, verdict)
        if verdict.health is Health.WELL:
            await ending.succeed(tx, attempt, verdict.why, findings)
        else:
            await _undo_or_fail(tx, tools, attempt, verdict.health.value, verdict.why, findings)


async def _undo_or_fail(
    tx: Transaction,
    tools: Tools,
    attempt: Attempt,
    why: str,
    words: Text,
    findings: Mapping[str, Any],
) -> None:
    """It did not help: run the inverse, where the playbook declares one; then it has failed."""
    playbook = tools.playbooks.named(attempt.playbook)
    values: dict[str, Any] = {"findings": findings, "reason": words.to_json()}
    if playbook is not None and playbook.undo is not None and attempt.action_id is not None:
        try:
            action = await tools.proposals.propose(
                tx,
                await people.itself(tx),
                playbook.undo.action,
                attempt.targets,
                playbook.undo.params,
                f"undo #{attempt.action_id}",
                origin=f"heal:{attempt.id}:undo",
            )
        except GiveUp as refused:
            words = text("heal_no_undo", why=words, refused=refused.text)
        else:
            values["undo_id"] = action.id
            detail = {"action": action.id, "why": why}
            await attempts.move(tx, attempt, AttemptMove.UNDO, values=values, detail=detail)
            return
    await ending.fail(tx, tools.settings, tools.playbooks, attempt, why, words, findings)


async def _undoing(tools: Tools, attempt: Attempt, _incident: Incident) -> None:
    async with tools.db.write() as tx:
        action = await _followed(tx, attempt, "undo_id", attempt.undo_id)
        if action.state not in FINAL:
            await _wait_on(tx, tools, attempt)
            return
        assert attempt.reason is not None
        state = text(f"state_{action.state.value}")
        words = text("heal_undone", why=Text.from_json(attempt.reason), id=action.id, state=state)
        await ending.fail(tx, tools.settings, tools.playbooks, attempt, "undone", words)


async def _followed(
    tx: Transaction, attempt: Attempt, column: str, action_id: int | None
) -> Action:
    """The action as it stands; where its plan changed, the one that took its place."""
    assert action_id is not None
    action = await actions.by_id(tx, action_id)
    assert action is not None
    if action.state is State.SUPERSEDED and action.superseded_by is not None:
        await attempts.follow(tx, attempt, column, action.superseded_by)
        return await _followed(tx, attempt, column, action.superseded_by)
    return action


def _needless(incident: Incident) -> bool:
    return incident.cleared_at is not None or incident.state is not IncidentState.HEALING


async def _withdrawn(tx: Transaction, action: Action) -> bool:
    """Void the card of an action that has not begun: what it was for is over."""
    detail = {"why": "the incident is over"}
    return await actions.move(tx, action.id, Move.SUPERSEDE, WATCHSTANDER, detail=detail)


async def _wait_on(tx: Transaction, tools: Tools, attempt: Attempt) -> None:
    await attempts.postpone(tx, attempt, tx.now + round(tools.settings.look_every_s * 1000))


async def _look(tools: Tools, attempt: Attempt, incident: Incident) -> tuple[Finding, ...]:
    """Every probe of what is touched, and of what the incident names. Outside any transaction."""
    named = [incident.asset] if incident.asset else []
    known = tools.proposals.planner.inventory.assets
    assets = [code for code in dict.fromkeys([*attempt.targets, *named]) if code in known]
    found = await tools.prober.look(assets)
    name = incident.source.removeprefix(_CHECK)
    if incident.source.startswith(_CHECK) and name in tools.prober.checks:
        found = (await tools.prober.check(name), *found)
    return found


def _check_passes(incident: Incident, found: Sequence[Finding]) -> bool:
    """The very check that reported it is well again."""
    return incident.source.startswith(_CHECK) and bool(found) and found[0].ok is True


def _with(attempt: Attempt, **looks: Sequence[Finding]) -> dict[str, list[dict[str, Any]]]:
    """What was found so far, and now."""
    new = {name: [finding.to_json() for finding in found] for name, found in looks.items()}
    return {**attempt.findings, **new}


async def _note(
    tx: Transaction, attempt: Attempt, when: str, found: Sequence[Finding], verdict: Verdict
) -> None:
    detail = {
        "attempt": attempt.id,
        "when": when,
        "health": verdict.health.value,
        "text": verdict.why.to_json(),
        "findings": [finding.to_json() for finding in found],
    }
    await incidents.note(tx, attempt.incident_id, "probe", detail)


_STEPS: Mapping[AttemptState, Callable[[Tools, Attempt, Incident], Awaitable[None]]] = {
    AttemptState.BEFORE: _before,
    AttemptState.WAITING: _waited,
    AttemptState.ACTING: _acting,
    AttemptState.AFTER: _after,
    AttemptState.SETTLING: _settling,
    AttemptState.UNDOING: _undoing,
}
