"""Anomalies that machines report: severe ones become incidents, the others are skipped."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import GiveUp, Why
from engine.requests import words
from prompts.texts import Text, text
from storage import audit, incidents
from storage.database import Transaction
from storage.incidents import Incident
from storage.people import Person

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
_SEVERE = ("HIGH", "CRITICAL")
_SOURCE_LIMIT = 100
_SUMMARY_LIMIT = 2_000


@dataclass(frozen=True)
class Outcome:
    """What became of a report: an incident, or the reason why there is none."""

    incident: Incident | None = None
    skipped: Text | None = None


async def report(
    tx: Transaction,
    person: Person,
    source: str,
    severity: str,
    summary: str,
    *,
    asset: str | None = None,
) -> Outcome:
    """HIGH and CRITICAL open an incident ``INC-YYYYMMDD-NNNN``; LOW and MEDIUM are skipped.

    ``asset`` is kept as it was named; it need not be in the inventory, because nothing acts on it.
    Raises GiveUp(INVALID) for an unknown severity or text that is empty, too long or not printable.
    """
    source = words.line(text("anomaly_field_source"), source, _SOURCE_LIMIT)
    summary = words.paragraph(text("anomaly_field_summary"), summary, _SUMMARY_LIMIT)
    asset = words.line(text("anomaly_field_asset"), asset, _SOURCE_LIMIT) if asset else None
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
    made = await incidents.create(
        tx, source=source, severity=level, summary=summary, asset=asset, actor=person.actor
    )
    return Outcome(incident=made)
