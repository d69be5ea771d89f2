"""/api/incidents: programs report what fires or is over; anybody reads what became of it.

A report is never refused for odd characters in a log line: what cannot be kept is cleaned away.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field, StrictStr

from engine.errors import GiveUp, Why
from engine.incidents import desk, reports
from engine.incidents.reports import Report
from engine.insight.root_cause import root_cause
from engine.requests.words import quoted
from handlers.api.door import Caller, api_router, page
from handlers.api.problems import Strict
from handlers.services import Services
from prompts.texts import text
from storage import incidents
from storage.incidents import Incident, IncidentEvent
from storage.lifecycle import IncidentState

_MAX_ID = 2**63 - 1
_STATUS = {"firing": True, "resolved": False}

Line = Annotated[StrictStr, Field(max_length=200)]
Label = Annotated[StrictStr, Field(max_length=reports.LABEL_VALUE_LIMIT)]
TypedId = Annotated[str, Path(max_length=40)]


class NewReport(Strict):
    """What fires, or is over: by whom, how bad, where."""

    summary: Annotated[StrictStr, Field(max_length=reports.SUMMARY_LIMIT)]
    severity: Line = "P2"
    source: Line = ""
    """"" = ``rest:NAME`` of the caller."""
    detail: Annotated[StrictStr, Field(max_length=200_000)] = ""
    asset: Line | None = None
    fingerprint: Line = ""
    """The same for each report of the same thing; "" = made of source, asset and summary."""
    status: Line = "firing"
    labels: Annotated[
        dict[Line, Label], Field(max_length=reports.LABELS_LIMIT, default_factory=dict)
    ]


def incident_routes(services: Services) -> APIRouter:
    """The routes of /api/incidents; programs (role AGENT) may use them too."""
    router = api_router(services, "/api/incidents", "incidents")

    @router.post("", status_code=201)
    async def report(person: Caller, told: NewReport, response: Response) -> dict[str, Any]:
        """201 with a new incident; 200 with the one that the report belongs to, or null."""
        wanted = _report(told, person.name)
        async with services.db.write() as tx:
            taken = await reports.take(
                tx, services.inventory, person.actor, wanted, services.report_settings
            )
        if not taken.new:
            response.status_code = 200
        return {"incident": taken.incident and _shown(taken.incident), "new": taken.new}

    @router.get("")
    async def get_list(
        _person: Caller,
        status: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=1, le=_MAX_ID)] = None,
    ) -> dict[str, Any]:
        """Incidents, newest first: those that are not over, or of a ``status`` ("ALL" = all)."""
        async with services.db.read() as tx:
            found = await incidents.listing(tx, limit, states=_states(status), before=before)
        return page(found, limit, [_shown(incident) for incident in found])

    @router.get("/{id}")
    async def show(_person: Caller, id: TypedId) -> dict[str, Any]:
        """One incident with its timeline; the id as people type it."""
        async with services.db.read() as tx:
            incident = await desk.find(tx, id)
            timeline = await incidents.timeline(tx, incident.id)
        return _shown(incident) | {"timeline": [_event(event) for event in timeline]}

    @router.get("/{id}/root-cause")
    async def why(person: Caller, id: TypedId, worded: bool = False) -> dict[str, Any]:
        """What points at a cause, ranked; ``worded``: also a model's paragraph, or null."""
        async with services.db.read() as tx:
            found = await root_cause(tx, services.inventory, await desk.find(tx, id))
        told = found.to_json(person.language)
        if worded:
            told["worded"] = await services.explaining.words(found, person.language)
        return told

    return router


def _report(told: NewReport, name: str) -> Report:
    """The report of a body. Raises GiveUp(INVALID) with what is wrong."""
    if not told.summary.strip():
        field = text("report_field", name="summary")
        raise GiveUp(Why.INVALID, text("request_text_empty", field=field))
    if reports.severity_of(told.severity) is None:
        given, known = quoted(told.severity), ", ".join(reports.SEVERITIES)
        raise GiveUp(Why.INVALID, text("anomaly_bad_severity", severity=given, known=known))
    if told.status not in _STATUS:
        given, known = quoted(told.status), ", ".join(_STATUS)
        raise GiveUp(Why.INVALID, text("api_bad_state", given=given, known=known))
    source = told.source.strip() or f"rest:{name}"
    if reports.own_source(source):
        raise GiveUp(Why.INVALID, text("report_own_source", source=quoted(source)))
    return Report(
        source=source,
        severity=told.severity,
        summary=told.summary,
        fingerprint=told.fingerprint,
        firing=_STATUS[told.status],
        detail=told.detail,
        labels=told.labels,
        asset=told.asset,
    )


def _states(wanted: str | None) -> tuple[IncidentState, ...] | None:
    if wanted is None:
        return desk.LIVE
    if wanted.upper() == "ALL":
        return None
    if wanted.upper() in IncidentState.__members__:
        return (IncidentState(wanted.upper()),)
    known = ", ".join((*IncidentState, "ALL"))
    raise GiveUp(Why.INVALID, text("api_bad_state", given=quoted(wanted), known=known))


def _shown(incident: Incident) -> dict[str, Any]:
    """An incident as JSON. Times are milliseconds since 1970 in UTC."""
    return {
        "id": incident.key,
        "source": incident.source,
        "severity": incident.severity,
        "summary": incident.summary,
        "detail": incident.detail,
        "asset": incident.asset,
        "status": incident.state.value,
        "class": incident.kind,
        "symptom": incident.symptom,
        "fingerprint": incident.fingerprint,
        "count": incident.count,
        "flaps": incident.flaps,
        "assignee": incident.assignee or None,
        "created_at": incident.created_at,
        "last_seen_at": incident.last_seen_at,
        "cleared_at": incident.cleared_at,
        "escalated_at": incident.escalated_at,
        "resolved_at": incident.resolved_at,
    }


def _event(event: IncidentEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "who": event.who or "watchstander",
        "kind": event.kind,
        "detail": dict(event.detail),
    }
