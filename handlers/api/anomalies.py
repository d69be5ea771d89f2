"""/api/anomalies: what monitoring found. What is severe becomes an incident with its card."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field, StrictStr

from engine import anomalies
from handlers.api.door import Caller, api_router
from handlers.api.problems import Strict
from handlers.services import Services
from prompts.texts import say

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
                tx,
                services.inventory,
                person,
                found.source,
                found.severity,
                found.summary,
                asset=found.asset,
                settings=services.report_settings,
            )
        if outcome.incident is not None:
            return {"incident": outcome.incident.key, "skipped": None}
        response.status_code = 200
        return {"incident": None, "skipped": say(outcome.skipped or "", person.language)}

    return router
