"""Incidents as machines report them, in the room "ops"."""

from __future__ import annotations

from typing import Any

from engine.incidents.reports import Report, take
from handlers.card import Card
from prompts.texts import say, text
from storage import attempts, blocks, incidents
from storage.attempts import Attempt
from storage.incidents import Incident
from storage.lifecycle import AttemptMove, IncidentMove
from tests.unit.handlers.stage import Stage

DAY = 24 * 3_600_000


async def reported(stage: Stage, summary: str = "disk full on /data", **more: Any) -> Incident:
    """A report that fires; its card is in the room."""
    given = {"source": "alertmanager", "severity": "P1", "asset": "PAY-STG-01", **more}
    async with stage.db.write() as tx:
        report = Report(summary=summary, **given)
        found = await take(tx, stage.services.inventory, "test", report)
    await stage.settled()
    assert found.incident is not None
    return found.incident


async def now(stage: Stage, incident: Incident) -> Incident:
    """The incident as it stands."""
    async with stage.db.read() as tx:
        return await incidents.must(tx, incident.id)


async def failed_attempt(stage: Stage, incident: Incident, *, block: bool = True) -> Attempt:
    """A repair that was begun, failed and left a block; a person was called."""
    why = text("heal_action_failed", id=7)
    async with stage.db.write() as tx:
        await incidents.move(tx, incident.id, IncidentMove.HEAL, "test", detail={"playbook": "p"})
        attempt = await attempts.begin(
            tx,
            incident,
            playbook="p",
            playbook_digest="",
            action_type="server_restart",
            targets=("PAY-STG-01",),
        )
        for step in (AttemptMove.ACT, AttemptMove.FAIL):
            values = {"reason": why.to_json()} if step is AttemptMove.FAIL else {}
            detail = {"why": "action_failed"} if values else {"action": 7}
            attempt = await attempts.must(tx, attempt.id)
            assert await attempts.move(tx, attempt, step, values=values, detail=detail)
        attempt = await attempts.must(tx, attempt.id)
        if block:
            await blocks.put(tx, attempt, tx.now + 7 * DAY)
        told = {"why": "action_failed", "text": why.to_json()}
        await incidents.move(tx, incident.id, IncidentMove.ESCALATE, "test", detail=told)
    await stage.settled()
    return attempt


def card(stage: Stage, incident: Incident) -> Card:
    """The incident's card as the room sees it now."""
    (found,) = [c for c in stage.platform.shown.values() if incident.key in c.title]
    return found


def labels(shown: Card, language: str = "en") -> list[str]:
    """The verbs of its buttons."""
    verbs = ("take", "resolve", "retry", "why")
    names = {say(text(f"button_{verb}"), language): verb for verb in verbs}
    return [names[button.label] for button in shown.buttons]
