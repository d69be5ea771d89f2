"""/api/findings: what a vulnerability scanner found; each becomes one service request."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field, StrictStr

from engine.requests import findings
from handlers.api.door import Caller, api_router
from handlers.api.problems import Strict
from handlers.services import Services

# The engine checks lengths and severity; these caps only keep absurd sizes out.
Line = Annotated[StrictStr, Field(max_length=1_000)]


class Finding(Strict):
    """What was found, by whom, and where."""

    source: Line
    title: Line
    severity: Line
    asset: Line = ""
    cve: Line = ""
    detail: Annotated[StrictStr, Field(max_length=100_000)] = ""


def finding_routes(services: Services) -> APIRouter:
    """The route of /api/findings; programs (role AGENT) may use it too."""
    router = api_router(services, "/api/findings", "findings")

    @router.post("", status_code=201)
    async def report(person: Caller, found: Finding, response: Response) -> dict[str, Any]:
        """201 with the request; 200 with the one that the same source, CVE and asset made."""
        async with services.db.write() as tx:
            request, new = await findings.report(
                tx, services.desk, person, findings.Finding(**found.model_dump())
            )
        if not new:
            response.status_code = 200
        return {"request": request.key, "status": request.state.value, "new": new}

    return router
