"""/api/playbooks: every playbook in force, and what came of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from engine.healing.standing import Standing, standings
from handlers.api.door import Caller, api_router
from handlers.services import Services

_MINUTE_MS = 60_000


def playbook_routes(services: Services) -> APIRouter:
    """The route of /api/playbooks; programs (role AGENT) may use it too."""
    router = api_router(services, "/api/playbooks", "playbooks")

    @router.get("")
    async def get_list(person: Caller) -> dict[str, Any]:
        """Every playbook in the order in which they are looked at, with counts of its attempts."""
        async with services.db.read() as tx:
            found = await standings(tx, services.healer.playbooks)
        return {"items": [_shown(one, person.language) for one in found]}

    return router


def _shown(one: Standing, language: str) -> dict[str, Any]:
    playbook, last = one.playbook, one.last
    step, undo = playbook.step, playbook.undo
    return {
        "name": playbook.name,
        "title": playbook.title[language],
        "enabled": one.enabled,
        "classes": list(playbook.classes),
        "keywords": list(playbook.keywords),
        "unless": list(playbook.unless),
        "minimum": playbook.minimum,
        "cooldown_minutes": playbook.cooldown_ms // _MINUTE_MS,
        "max_retries": playbook.max_retries,
        "settle_seconds": playbook.settle_ms // 1000,
        "step": {
            "kind": step.kind,
            "action": step.action or None,
            "otherwise": step.otherwise or None,
            "role": step.role or None,
            "reach": step.reach if step.role else None,
            "params": dict(step.params),
            "wait_minutes": step.wait_ms // _MINUTE_MS or None,
            "message": step.message.get(language),
            "guide": step.guide or None,
        },
        "undo": {"action": undo.action, "params": dict(undo.params)} if undo else None,
        "digest": playbook.digest,
        "succeeded": one.succeeded,
        "failed": one.failed,
        "skipped": one.skipped,
        "under_way": one.under_way,
        "last_used_at": last.started_at if last else None,
        "last_state": last.state.value if last else None,
        "cools_until": one.cools_until,
    }
