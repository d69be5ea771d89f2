"""How an attempt ends, and what that means for its incident. One transaction for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.healing import guards
from engine.healing.escalation import escalate
from engine.healing.playbooks import Playbooks
from engine.healing.settings import HealSettings
from prompts.texts import Text, text
from storage import attempts, blocks, incidents
from storage.attempts import Attempt
from storage.database import Transaction
from storage.incidents import WATCHSTANDER
from storage.lifecycle import AttemptMove, IncidentMove

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_GONE = "gone"
"""Skipped because the symptom is away: the source will say that it is over, or fire again."""
_CALLS_NOBODY = (_GONE, "over", "changed")
_LOOK_AGAIN_MS = 60_000

NOT_RUN = "not_run"
"""Nobody knew whether it ran, and a person said no: a try, but no proof that it does not help."""


async def succeed(
    tx: Transaction, attempt: Attempt, words: Text, findings: Mapping[str, Any]
) -> None:
    """The symptom is gone and stayed away: the incident is over."""
    values = {"findings": findings, "reason": words.to_json()}
    if await attempts.move(tx, attempt, AttemptMove.SUCCEED, values=values):
        why = {"why": "healed", "attempt": attempt.id}
        await incidents.move(
            tx, attempt.incident_id, IncidentMove.RESOLVE, WATCHSTANDER, detail=why
        )


async def skip(
    tx: Transaction,
    settings: HealSettings,
    attempt: Attempt,
    why: str,
    words: Text,
    findings: Mapping[str, Any] | None = None,
) -> None:
    """Nothing was done. Where that is no reason to be at ease, a person is called."""
    values: dict[str, Any] = {"reason": words.to_json()}
    if findings is not None:
        values["findings"] = findings
    if not await attempts.move(tx, attempt, AttemptMove.SKIP, values=values, detail={"why": why}):
        return
    incident = await incidents.must(tx, attempt.incident_id)
    over = incident.cleared_at is not None
    if not over and why not in _CALLS_NOBODY:
        await escalate(tx, incident, why, words, detail={"attempt": attempt.id})
        return
    told: dict[str, Any] = {"why": why}
    if why == _GONE and not over:
        told["since"] = await _gone_since(tx, incident.id)
        if tx.now - told["since"] >= settings.clear_minutes * _MINUTE:
            unsaid = text("heal_unsaid", source=incident.source, at=told["since"])
            await escalate(tx, incident, "unsaid", unsaid, detail={"attempt": attempt.id})
            return
    again = {"heal_at": tx.now if over else tx.now + _LOOK_AGAIN_MS}
    await incidents.move(
        tx, incident.id, IncidentMove.PAUSE, WATCHSTANDER, values=again, detail=told
    )


async def _gone_since(tx: Transaction, incident_id: int) -> int:
    """Since when each look has found the symptom gone, without a word of the source."""
    last = await incidents.last_event(tx, incident_id, IncidentMove.PAUSE.value)
    if last is None or last.detail.get("why") != _GONE:
        return tx.now
    for kind in (IncidentMove.REOPEN, IncidentMove.RETRY):
        newer = await incidents.last_event(tx, incident_id, kind.value)
        if newer is not None and newer.id > last.id:
            return tx.now
    return min(int(last.detail.get("since", tx.now)), tx.now)


async def fail(
    tx: Transaction,
    settings: HealSettings,
    playbooks: Playbooks,
    attempt: Attempt,
    why: str,
    words: Text,
    findings: Mapping[str, Any] | None = None,
) -> None:
    """It did not help. The next try comes after the cooldown; after the last one a person does.

    The last failure blocks the same repair of the same symptom until somebody or time lifts it.
    Of what went silent meanwhile a person hears at once.
    """
    values: dict[str, Any] = {"reason": words.to_json()}
    if findings is not None:
        values["findings"] = findings
    if not await attempts.move(tx, attempt, AttemptMove.FAIL, values=values, detail={"why": why}):
        return
    incident = await incidents.must(tx, attempt.incident_id)
    playbook = playbooks.named(attempt.playbook)
    forgiven = await guards.forgiven_at(tx, incident.id)
    since = max(tx.now - settings.retry_hours * _HOUR, forgiven)
    tried = await attempts.tries(tx, attempt.playbook, attempt.targets, attempt.symptom, since)
    spent = playbook is None or len(tried) >= playbook.max_retries
    # What went silent is not tried again.  It may be silent because the repair took it down.
    if playbook is not None and not spent and incident.cleared_at is None:
        told = {"why": why, "text": words.to_json(), "attempt": attempt.id}
        values = {"heal_at": tx.now + playbook.cooldown_ms}
        await incidents.move(
            tx, incident.id, IncidentMove.PAUSE, WATCHSTANDER, values=values, detail=told
        )
        return
    if attempt.action_type and spent and why != NOT_RUN:
        await blocks.put(tx, attempt, tx.now + settings.block_days * _DAY)
    sentence = text("heal_failed", playbook=attempt.playbook, count=len(tried), why=words)
    await escalate(tx, incident, why, sentence, detail={"attempt": attempt.id})
