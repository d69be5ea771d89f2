"""``POST /webhooks/alertmanager``: Prometheus Alertmanager's webhook, payload version 4.

The caller is a person or a program (role AGENT is enough) with an API token. A notification is in
the inbox before it is answered, so a 200 means that none of it can be lost; a 5xx makes
Alertmanager send it again.

**Once or twice.** Alertmanager sends the very same body in two cases: within seconds when it did
not see our answer, and every ``repeat_interval`` while the alert goes on. The first must not count
and the second must. They differ by time alone, so a body that was kept less than ``REPEAT_MS`` ago
is the same notification, and a later one is a new one.  Were this ever wrong, a count would be off
by one: an alert joins its incident by its fingerprint, however often it comes.

**One bad alert** does not lose the others: they are kept, and the answer and the log name it. Only
a payload without a single good alert is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Body

from engine.errors import GiveUp, Why
from engine.incidents.reports import Report
from handlers.api.door import Caller, api_router
from handlers.services import Services
from handlers.webhooks import intake
from handlers.webhooks.alert import BadAlert, read_alert
from handlers.webhooks.together import Together
from prompts.texts import text
from storage import inbox
from storage.database import Transaction

_log = logging.getLogger(__name__)

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a notification: some thousand alerts. Alertmanager drops what is refused."""

REPEAT_MS = 60_000
"""Milliseconds in which the same body is the same notification. A retry comes within seconds."""

_VERSION = "4"
_NAMED_PROBLEMS = 5
_LANE = "alertmanager"


def alertmanager_routes(services: Services) -> APIRouter:
    """The route of /webhooks/alertmanager."""
    router = api_router(services, "/webhooks/alertmanager", "webhooks", BODY_LIMIT)
    together = Together(services.db)

    @router.post("")
    async def notify(person: Caller, payload: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Keep a notification. Unknown fields are ignored; alerts that cannot be read are named."""
        found, problems = _alerts(payload)
        if problems:
            _log.warning("alertmanager: not kept: %s", "; ".join(problems))
        if truncated := _truncated(payload):
            _log.warning("alertmanager: it left out %s alerts; see max_alerts there", truncated)
        digest = _digest(payload)
        kept = await together.write(lambda tx: _keep(tx, person.actor, digest, found))
        return {
            "status": "kept",
            "alerts": len(found),
            "repeated": not kept,
            "truncated": truncated,
            "problems": problems,
        }

    return router


def _alerts(payload: dict[str, Any]) -> tuple[list[Report], list[str]]:
    """The alerts as reports, and what is wrong with the others. Raises GiveUp(INVALID)."""
    version = payload.get("version")
    if version != _VERSION:
        given = json.dumps(version, ensure_ascii=True)[:40]
        raise GiveUp(Why.INVALID, text("alertmanager_bad_version", given=given, known=_VERSION))
    alerts = payload.get("alerts")
    if not isinstance(alerts, list) or not alerts:
        raise GiveUp(Why.INVALID, text("alertmanager_no_alerts"))
    found, problems = [], []
    for number, raw in enumerate(alerts):
        try:
            found.append(read_alert(raw))
        except BadAlert as problem:
            problems.append(f"alerts[{number}]: {problem}")
    shown = problems[:_NAMED_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    if not found:
        raise GiveUp(Why.INVALID, text("alertmanager_bad_alerts", problem="; ".join(shown)))
    return found, shown


async def _keep(tx: Transaction, actor: str, digest: str, found: list[Report]) -> bool:
    """Keep a notification in one transaction; False when it is there already."""
    window = tx.now // REPEAT_MS
    before = await inbox.received_at(tx, intake.SOURCE, _delivery(digest, window - 1, 0))
    if before is not None and tx.now - before < REPEAT_MS:
        return False
    kept = False
    for number, body in enumerate(intake.parts(actor, found)):
        delivery = _delivery(digest, window, number)
        kept |= await inbox.keep(tx, intake.SOURCE, delivery, body, _LANE) is not None
    tx.wake(intake.SOURCE)
    return kept


def _delivery(digest: str, window: int, part: int) -> str:
    return f"{_LANE}:{digest}:{window}:{part}"


def _digest(payload: dict[str, Any]) -> str:
    canonical = json.dumps(payload, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _truncated(payload: dict[str, Any]) -> int:
    """How many alerts Alertmanager itself left out (its ``max_alerts``)."""
    given = payload.get("truncatedAlerts")
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else 0
