"""/api/expiry: when certificates, licences and domains end."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from engine.upkeep.expiry import report
from handlers.api.door import Caller, api_router
from handlers.services import Services


def expiry_routes(services: Services) -> APIRouter:
    """The route of /api/expiry; programs (role AGENT) may read it too."""
    router = api_router(services, "/api/expiry", "expiry")

    @router.get("")
    async def listing(person: Caller) -> dict[str, Any]:
        """Everything that is listed, soonest first; what could not be looked at yet is first.

        ``days_left`` counts days of the configured time zone: 0 = today, negative = it was.
        """
        upkeep = services.upkeep
        async with services.db.read() as tx:
            found = await upkeep.endings(tx)
            today = upkeep.calendar.day(tx.now).isoformat()
        return {"today": today, "items": report(found, person.language)}

    return router
