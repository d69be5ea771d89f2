"""Anomalies that machines report: severe ones become incidents, the others are skipped."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import GiveUp, Why
from engine.incidents import reports
from engine.incidents.reports import Report, ReportSettings
from engine.inventory import Inventory
from engine.requests import words
from prompts.texts import Text, text
from storage import audit
from storage.database import Transaction
from storage.incidents import Incident
from storage.people import Person

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
_SEVERE = ("HIGH", "CRITICAL")
_SOURCE_LIMIT = 100


@dataclass(frozen=True)
class Outcome:
    """What became of a report: an incident, or the reason why there is none."""

    incident: Incident | None = None
    skipped: Text | None = None


async def report(
    tx: Transaction,
    inventory: Inventory,
    person: Person,
    source: str,
    severity: str,
    summary: str,
    *,
    asset: str | None = None,
    settings: ReportSettings = reports.DEFAULT,
) -> Outcome:
    """HIGH and CRITICAL are taken as P2 and P1; LOW and MEDIUM are skipped.

    What the same source told of the same asset before is the same incident. ``asset`` is kept as
    it was named when the inventory has no such thing. Raises GiveUp(INVALID) for an unknown
    severity or text that is empty, too long or not printable.
    """
    source = words.line(text("report_field", name="source"), source, _SOURCE_LIMIT)
    if reports.own_source(source):
        raise GiveUp(Why.INVALID, text("report_own_source", source=words.quoted(source)))
    summary = words.paragraph(text("report_field", name="summary"), summary, reports.SUMMARY_LIMIT)
    asset = words.line(text("report_field", name="asset"), asset, _SOURCE_LIMIT) if asset else None
    level = severity.upper()
    if level not in SEVERITIES:
        known = ", ".join(SEVERITIES)
        raise GiveUp(
            Why.INVALID,
            text("anomaly_bad_severity", severity=words.quoted(severity), known=known),
        )
    if level not in _SEVERE:
        detail = {"source": source, "severity": level, "summary": summary, "asset": asset}
        await audit.append(tx, person.actor, "anomaly.skip", source, detail)
        return Outcome(skipped=text("anomaly_skipped", severity=level))
    head, _, rest = summary.partition("\n")
    found = Report(
        source, level, head, detail=rest, asset=asset, labels={"severity": level.lower()}
    )
    taken = await reports.take(tx, inventory, person.actor, found, settings)
    return Outcome(incident=taken.incident)
