"""One step of an attempt. What its state says has to be done next is done here, once.

Nothing is done twice: what leaves the process is either a look, which changes nothing, or an action
under the attempt's own origin, which exists once.  Every move is conditional on the attempt
standing as it was read, so a step that was overtaken counts for nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.errors import GiveUp, Why
from engine.execution.outcome import Outcome
from engine.healing import ending, guards
from engine.healing.guards import Repair
from engine.healing.moment import (
    Now,
    Tools,
    check_passes,
    kept,
    look,
    note,
    reporter,
    wait_for_thaw,
    wait_on,
)
from engine.healing.playbooks import Playbook, Undo
from engine.healing.probes import Finding
from engine.healing.verdict import Health, Verdict, right_after, settled
from prompts.texts import Text, text
from storage import actions, attempts, freezes, incidents, people
from storage.actions import Action
from storage.attempts import Attempt
from storage.database import Transaction
from storage.incidents import WATCHSTANDER
from storage.lifecycle import FINAL, AttemptMove, AttemptState, IncidentState, Move, State

_MINUTE = 60_000


async def advance(tools: Tools, attempt: Attempt) -> None:
    """Do the next step of an attempt whose time has come.

    A step looks first, which may take its time, and then decides in one transaction, by what the
    rows say at that moment.
    """
    found: tuple[Finding, ...] = ()
    if attempt.state in _LOOKS:
        async with tools.db.read() as tx:
            incident = await incidents.must(tx, attempt.incident_id)
        found = await look(tools, attempt, incident)
    async with tools.db.write() as tx:
        incident = await incidents.locked(tx, attempt.incident_id)
        if await attempts.stands(tx, attempt):
            await _STEPS[attempt.state](Now(tx, tools, attempt, incident, found))


async def _before(now: Now) -> None:
    """The symptom was looked at: the playbook's step begins, if there is still need of it."""
    if await _dropped(now):
        return
    findings = kept(now.attempt, before=now.found)
    wait_ms = now.playbook.step.wait_ms if now.playbook else 0
    if not wait_ms:
        await _act(now, findings)
        return
    due_at = now.tx.now + wait_ms
    values = {"findings": findings}
    await attempts.move(
        now.tx,
        now.attempt,
        AttemptMove.WAIT,
        due_at=due_at,
        values=values,
        detail={"until": due_at},
    )


async def _waited(now: Now) -> None:
    """WAIT_RETRY: the time is over; run what the playbook names, or only look."""
    if await _dropped(now):
        return
    if now.attempt.action_type:
        await _act(now, kept(now.attempt, before=now.found))
    else:
        await attempts.move(now.tx, now.attempt, AttemptMove.LOOK, values={"acted_at": now.tx.now})


async def _dropped(now: Now) -> bool:
    """Skip the attempt before it did anything, where what it began for is no longer so."""
    playbook, name = now.playbook, now.attempt.playbook
    if now.incident.state is not IncidentState.HEALING:
        why, words = "over", text("heal_over")
    elif playbook is None:
        why, words = "playbook_gone", text("heal_playbook_gone", playbook=name)
    elif playbook.digest != now.attempt.playbook_digest:
        why, words = "changed", text("heal_playbook_changed", playbook=name)
    elif now.over or check_passes(now):
        why, words = "gone", text("heal_gone")
    else:
        return False
    findings = kept(now.attempt, before=now.found)
    await ending.skip(now.tx, now.settings, now.attempt, why, words, findings)
    return True


async def _act(now: Now, findings: Mapping[str, Any]) -> None:
    """Propose the action: it goes through plan, risk, freeze and approval like any other."""
    tx, attempt, playbook = now.tx, now.attempt, now.playbook
    assert playbook is not None  # _dropped has looked
    if await freezes.current(tx) is not None:
        await wait_for_thaw(now)
        return
    wish = Repair(playbook, attempt.symptom, attempt.targets, attempt.action_type)
    stopped = await guards.weigh_again(tx, now.settings, wish)
    if stopped.why is not None:
        words = stopped.text or text("heal_disabled")
        await ending.skip(tx, now.settings, attempt, stopped.why.value, words, findings)
        return
    incident = now.incident
    try:
        action = await now.tools.proposals.propose(
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
        await ending.skip(tx, now.settings, attempt, "refused", words, findings)
        return
    values = {"action_id": action.id, "findings": findings}
    await attempts.move(tx, attempt, AttemptMove.ACT, values=values, detail={"action": action.id})


async def _acting(now: Now) -> None:
    """Follow the action: with people, with the runner, or at its end."""
    tx, attempt = now.tx, now.attempt
    action = await _followed(tx, attempt, "action_id", attempt.action_id)
    state = text(f"state_{action.state.value}")
    if action.state is State.SUCCEEDED:
        values = {"acted_at": action.finished_at or tx.now}
        await attempts.move(tx, attempt, AttemptMove.LOOK, values=values)
    elif action.state is State.FAILED and _ran(action):
        words = text("heal_action_failed", id=action.id)
        await _fail(now, "action_failed", words)
    elif action.state is State.FAILED:
        key = "heal_not_run" if action.cancelled_at is None else "cancel_heal"
        words = text(key, id=action.id, state=state)
        await _fail(now, ending.NOT_RUN, words)
    elif action.state in FINAL:
        words = text("heal_not_run", id=action.id, state=state)
        await ending.skip(tx, now.settings, attempt, action.state.value.lower(), words)
    elif now.over and await _withdrawn(tx, action):
        await ending.skip(tx, now.settings, attempt, "over", text("heal_over"))
    else:
        await wait_on(now)


async def _after(now: Now) -> None:
    """Right after the action."""
    verdict = right_after(now.found)
    # A clock that was put back leaves no time to start at all, rather than all the time there is.
    starting = 0 <= now.tx.now - now.acted_at < round(now.settings.start_s * 1000)
    if verdict.health is not Health.SICK:
        await note(now, "after", verdict)
        due_at = now.tx.now + _window_ms(now)
        await attempts.move(
            now.tx,
            now.attempt,
            AttemptMove.SETTLE,
            due_at=due_at,
            values={"findings": kept(now.attempt, after=now.found)},
            detail={"until": due_at},
        )
    elif starting:
        await wait_on(now)
    else:
        await _undo_or_fail(now, "after", "still_there", verdict)


async def _settling(now: Now) -> None:
    """After the stability window: success only when the symptom stayed away."""
    earlier = [Finding.from_json(raw) for raw in now.attempt.findings.get("after", ())]
    verdict = settled(now.incident, now.acted_at, earlier, now.found)
    patient = 0 <= now.tx.now - now.acted_at < _patience_ms(now)
    if verdict.health is Health.WELL:
        await note(now, "settled", verdict)
        findings = kept(now.attempt, settled=now.found)
        await ending.succeed(now.tx, now.attempt, verdict.why, findings)
    elif verdict.health is Health.UNSURE and patient:
        await wait_on(now)
    else:
        await _undo_or_fail(now, "settled", verdict.health.value, verdict)


def _window_ms(now: Now) -> int:
    """How long it has to stay well. Of a playbook that is gone nobody knows: as long as can be."""
    return now.playbook.settle_ms if now.playbook else now.settings.clear_minutes * _MINUTE


def _patience_ms(now: Now) -> int:
    """How long its source may take to say that it is over: a slow check has its own pace."""
    check = reporter(now.tools, now.incident)
    rounds = round(2 * check.every_s * 1000) if check is not None else 0
    return max(now.settings.clear_minutes * _MINUTE, rounds)


async def _undo_or_fail(now: Now, when: str, why: str, verdict: Verdict) -> None:
    """It did not help: run the inverse, where the playbook declares one; then it has failed."""
    tx, attempt, playbook, words = now.tx, now.attempt, now.playbook, verdict.why
    undo = playbook.undo if playbook and attempt.action_id is not None else None
    # What a person calls over is left as it is.
    wanted = playbook is not None and undo is not None and not now.closed
    if wanted and await freezes.current(tx) is not None:
        await wait_for_thaw(now)
        return
    await note(now, when, verdict)
    findings = kept(attempt, **{when: now.found})
    if wanted and playbook is not None and undo is not None:
        try:
            action = await _inverse(now, playbook, undo)
        except GiveUp as refused:
            words = text("heal_no_undo", why=words, refused=refused.text)
        else:
            values = {"findings": findings, "reason": words.to_json(), "undo_id": action.id}
            detail = {"action": action.id, "why": why}
            await attempts.move(tx, attempt, AttemptMove.UNDO, values=values, detail=detail)
            return
    await _fail(now, why, words, findings)


async def _inverse(now: Now, playbook: Playbook, undo: Undo) -> Action:
    """Propose the inverse. Raises GiveUp; also where it is the inverse of another version."""
    if playbook.digest != now.attempt.playbook_digest:
        raise GiveUp(Why.CONFLICT, text("heal_playbook_changed", playbook=playbook.name))
    return await now.tools.proposals.propose(
        now.tx,
        await people.itself(now.tx),
        undo.action,
        now.attempt.targets,
        undo.params,
        f"undo #{now.attempt.action_id}",
        origin=f"heal:{now.attempt.id}:undo",
    )


async def _undoing(now: Now) -> None:
    tx, attempt = now.tx, now.attempt
    action = await _followed(tx, attempt, "undo_id", attempt.undo_id)
    if action.state not in FINAL and now.over and await _withdrawn(tx, action):
        action = await _followed(tx, attempt, "undo_id", action.id)
    if action.state not in FINAL:
        await wait_on(now)
        return
    assert attempt.reason is not None
    state = text(f"state_{action.state.value}")
    words = text("heal_undone", why=Text.from_json(attempt.reason), id=action.id, state=state)
    await _fail(now, "undone", words)


async def _fail(now: Now, why: str, words: Text, findings: Mapping[str, Any] | None = None) -> None:
    known = now.tools.playbooks
    await ending.fail(now.tx, now.settings, known, now.attempt, why, words, findings)


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


def _ran(action: Action) -> bool:
    """Whether a FAILED one failed by itself.

    Else a person called it off while it ran, or said of an UNKNOWN one that it did not run; that
    says nothing of whether it would have helped.
    """
    if action.result is None or action.cancelled_at is not None:
        return False
    return bool(action.result["outcome"] != Outcome.UNKNOWN.value)


async def _withdrawn(tx: Transaction, action: Action) -> bool:
    """Void the card of an action that has not begun: what it was for is over."""
    detail = {"why": "the incident is over"}
    return await actions.move(tx, action.id, Move.SUPERSEDE, WATCHSTANDER, detail=detail)


_LOOKS = (
    AttemptState.BEFORE,
    AttemptState.WAITING,
    AttemptState.AFTER,
    AttemptState.SETTLING,
)
_STEPS: Mapping[AttemptState, Callable[[Now], Awaitable[None]]] = {
    AttemptState.BEFORE: _before,
    AttemptState.WAITING: _waited,
    AttemptState.ACTING: _acting,
    AttemptState.AFTER: _after,
    AttemptState.SETTLING: _settling,
    AttemptState.UNDOING: _undoing,
}
