"""/api/checks: every configured health check, and what the last look found."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from engine.healing.checks import Check
from handlers.api.door import Caller, api_router
from handlers.services import Services
from prompts.texts import Text, say
from storage import checks
from storage.checks import CheckState


def check_routes(services: Services) -> APIRouter:
    """The route of /api/checks; programs (role AGENT) may use it too."""
    router = api_router(services, "/api/checks", "checks")

    @router.get("")
    async def get_list(person: Caller) -> dict[str, Any]:
        """Every check as configured; ``ok`` null: never looked at, or it could not be told."""
        async with services.db.read() as tx:
            states = {state.name: state for state in await checks.listing(tx)}
        found = ((check, states.get(check.name)) for check in services.checks)
        return {"items": [_shown(check, state, person.language) for check, state in found]}

    return router


def _shown(check: Check, state: CheckState | None, language: str) -> dict[str, Any]:
    return {
        "name": check.name,
        "kind": check.kind,
        "asset": check.asset or None,
        "severity": check.severity,
        "every_s": check.every_s,
        "reported_after": check.failures,
        "ok": state.ok if state else None,
        "failures": state.failures if state else 0,
        "firing": state.firing if state else False,
        "detail": say(Text.from_json(state.detail), language) if state else None,
        "looked_at": state.looked_at if state else None,
        "since": state.since if state else None,
    }
