"""Calling a person to an incident, once, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.healing.playbooks import Playbook
from prompts.texts import Text, text
from storage import cards, incidents, outbox, people, rooms
from storage.database import Transaction
from storage.incidents import WATCHSTANDER, Incident
from storage.lifecycle import IncidentMove

_URGENT = ("P1", "P2")
_CALL_AGAIN_MS = 30 * 60_000
"""An alert that comes and goes calls for the same reason once in this time."""


async def escalate(
    tx: Transaction,
    incident: Incident,
    why: str,
    words: Text,
    *,
    quiet: bool = False,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Stop trying and call a person. False: it stands elsewhere already, and nobody is called.

    ``why`` is one word for the timeline, ``words`` the sentence for people.  ``quiet``: the same
    was told a short while ago; the card says it, and no message is sent.
    """
    told = {"why": why, "severity": incident.severity, "text": words.to_json(), **(detail or {})}
    before = await _called_at(tx, incident, why)
    quiet = quiet or before is not None
    told["called_at"] = before or tx.now
    if not await incidents.move(tx, incident.id, IncidentMove.ESCALATE, WATCHSTANDER, detail=told):
        return False
    if not quiet:
        await _call(tx, incident, words)
    return True


async def call_again(tx: Transaction, incident: Incident) -> None:
    """It became worse after a person was called: whoever left a P3 for tomorrow has to know."""
    await incidents.look_again(tx, incident.id, None)
    last = await incidents.last_event(tx, incident.id, IncidentMove.ESCALATE.value)
    assert last is not None  # it is ESCALATED
    await incidents.note(tx, incident.id, "worse", {"severity": incident.severity})
    await _call(tx, incident, Text.from_json(last.detail["text"]))


async def _call(tx: Transaction, incident: Incident, why: Text) -> None:
    sentence = text(
        "heal_escalated",
        key=incident.key,
        severity=incident.severity,
        summary=incident.summary,
        why=why,
    )
    await tell(tx, incident.subject, sentence, urgent=incident.severity in _URGENT)


async def _called_at(tx: Transaction, incident: Incident, why: str) -> int | None:
    """When a person was called for the same a short while ago, and it only came and went since."""
    last = await incidents.last_event(tx, incident.id, IncidentMove.ESCALATE.value)
    over = await incidents.last_event(tx, incident.id, IncidentMove.RESOLVE.value)
    if last is None or over is None or over.id < last.id or over.detail.get("why") != "cleared":
        return None  # whoever let it be tried again, or called it over, wants to hear
    same = (last.detail.get("why"), last.detail.get("severity")) == (why, incident.severity)
    called_at = int(last.detail.get("called_at", 0))
    return called_at if same and tx.now - called_at < _CALL_AGAIN_MS else None


async def tell(tx: Transaction, subject: str, words: Text, *, urgent: bool) -> None:
    """Rooms for approvals (else those with cards) hear it; if urgent, whoever is on call too."""
    for room in await rooms.for_approvals(tx) or await rooms.with_cards(tx):
        if subject:
            await cards.place(tx, subject, room.id)
        await outbox.say(tx, room.id, {"text": words.to_json()})
    if not urgent:
        return
    for person in await people.everyone(tx):
        if person.on_call:
            for room in await rooms.direct(tx, person.id):
                body = {"text": words.to_json(), "language": person.language}
                await outbox.say(tx, room.id, body)


def guidance(playbook: Playbook) -> Text:
    """What an ALERT_ONLY playbook says: its message in each language, and where its guide is."""
    message = {**playbook.title, **playbook.step.message}
    return text("heal_alert_only", message=message, guide=playbook.step.guide)
