"""How an attempt ends, and what that means for its incident. One transaction for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.healing.escalation import escalate
from engine.healing.playbooks import Playbooks
from engine.healing.settings import HealSettings
from prompts.texts import Text, text
from storage import attempts, blocks, incidents
from storage.attempts import Attempt
from storage.database import Transaction
from storage.incidents import WATCHSTANDER
from storage.lifecycle import AttemptMove, IncidentMove

_HOUR = 3_600_000
_DAY = 24 * _HOUR

_WAITS = ("gone",)
"""Skipped because the symptom is away: the source will say that it is over, or fire again."""
_OVER = ("over",)
_LOOK_AGAIN_MS = 60_000


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
    if why in _OVER or why in _WAITS:
        again = {"heal_at": tx.now if incident.cleared_at else tx.now + _LOOK_AGAIN_MS}
        await incidents.move(
            tx, incident.id, IncidentMove.PAUSE, WATCHSTANDER, values=again, detail={"why": why}
        )
    else:
        await escalate(tx, incident, why, words, detail={"attempt": attempt.id})


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
    """
    values: dict[str, Any] = {"reason": words.to_json()}
    if findings is not None:
        values["findings"] = findings
    if not await attempts.move(tx, attempt, AttemptMove.FAIL, values=values, detail={"why": why}):
        return
    incident = await incidents.must(tx, attempt.incident_id)
    playbook = playbooks.named(attempt.playbook)
    last = await incidents.last_event(tx, incident.id, IncidentMove.RETRY.value)
    since = max(tx.now - settings.retry_hours * _HOUR, last.at if last else 0)
    tried = await attempts.tries(tx, attempt.playbook, attempt.targets, attempt.symptom, since)
    if playbook is not None and len(tried) < playbook.max_retries:
        told = {"why": why, "text": words.to_json(), "attempt": attempt.id}
        values = {"heal_at": tx.now + playbook.cooldown_ms}
        await incidents.move(
            tx, incident.id, IncidentMove.PAUSE, WATCHSTANDER, values=values, detail=told
        )
        return
    if attempt.action_type:
        await blocks.put(tx, attempt, tx.now + settings.block_days * _DAY)
    sentence = text("heal_failed", playbook=attempt.playbook, count=len(tried), why=words)
    await escalate(tx, incident, why, sentence, detail={"attempt": attempt.id})
