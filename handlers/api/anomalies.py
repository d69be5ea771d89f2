"""/api/anomalies: what monitoring found. What is severe becomes an incident that people hear of."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field, StrictStr

from engine import anomalies
from handlers import replies
from handlers.api.door import Caller, api_router
from handlers.api.problems import Strict
from handlers.card import Tone
from handlers.replies import Reply
from handlers.services import Services
from prompts.texts import say, text
from storage import rooms
from storage.database import Transaction
from storage.incidents import Incident

# The engine checks lengths and severity; these caps only keep absurd sizes out.
Line = Annotated[StrictStr, Field(max_length=1_000)]


class Anomaly(Strict):
    """What was found, by whom, and where."""

    source: Line
    severity: Line
    summary: Annotated[StrictStr, Field(max_length=20_000)]
    asset: Line | None = None


def anomaly_routes(services: Services) -> APIRouter:
    """The route of /api/anomalies; programs (role AGENT) may use it too."""
    router = api_router(services, "/api/anomalies", "anomalies")

    @router.post("", status_code=201)
    async def report(person: Caller, found: Anomaly, response: Response) -> dict[str, Any]:
        """201 with the incident for HIGH and CRITICAL; 200 with the reason when it is skipped."""
        async with services.db.write() as tx:
            outcome = await anomalies.report(
                tx, person, found.source, found.severity, found.summary, asset=found.asset
            )
            if outcome.incident is not None:
                await _announce(tx, outcome.incident)
        if outcome.incident is not None:
            return {"incident": outcome.incident.key, "skipped": None}
        response.status_code = 200
        return {"incident": None, "skipped": say(outcome.skipped or "", person.language)}

    return router


async def _announce(tx: Transaction, incident: Incident) -> None:
    words = text(
        "anomaly_opened",
        key=incident.key,
        severity=incident.severity,
        source=incident.source,
        asset=incident.asset or "",
        summary=incident.summary,
    )
    for room in await rooms.for_approvals(tx) or await rooms.with_cards(tx):
        await replies.announce(tx, room.id, Reply(text=words, tone=Tone.BAD))
