"""What vulnerability scanners find: each finding is one service request, told once or often."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from engine.errors import GiveUp, Why
from engine.language.classify import Suggestion
from engine.requests import words
from engine.requests.desk import Desk
from prompts.texts import text
from storage import requests
from storage.database import Transaction
from storage.lifecycle import RequestMove, RequestState
from storage.people import Person
from storage.requests import Request

_TYPE = "OTHER"
_PRIORITIES = {
    "CRITICAL": "CRITICAL",
    "HIGH": "HIGH",
    "MEDIUM": "MEDIUM",
    "MODERATE": "MEDIUM",
    "LOW": "LOW",
    "INFO": "LOW",
    "NONE": "LOW",
}
_FIELD_LIMIT = 100


@dataclass(frozen=True)
class Finding:
    """A vulnerability on an asset, as the scanner names all of it."""

    source: str
    title: str
    severity: str
    """CRITICAL, HIGH, MEDIUM (MODERATE), LOW, INFO or NONE, in any case."""
    asset: str = ""
    cve: str = ""
    """Its number; "" = it has none, and then its title tells it from others."""
    detail: str = ""


async def report(
    tx: Transaction, desk: Desk, person: Person, finding: Finding
) -> tuple[Request, bool]:
    """The request of a finding, and whether this report made it.

    The same source, CVE and asset give the same request again, also when it is closed. Raises
    GiveUp(INVALID) for an unknown severity or text that is empty, too long or not printable.
    """
    source = words.line(text("report_field", name="source"), finding.source, _FIELD_LIMIT)
    title = words.line(text("report_field", name="title"), finding.title, desk.settings.title_limit)
    priority = _PRIORITIES.get(finding.severity.strip().upper())
    if priority is None:
        given, known = words.quoted(finding.severity), ", ".join(_PRIORITIES)
        raise GiveUp(Why.INVALID, text("anomaly_bad_severity", severity=given, known=known))
    asset, cve = (
        words.line(text("report_field", name=name), value, _FIELD_LIMIT) if value.strip() else ""
        for name, value in (("asset", finding.asset), ("cve", finding.cve))
    )
    whole = " · ".join(part for part in (cve.upper(), asset, title) if part)
    limit = desk.settings.title_limit
    suggestion = Suggestion(_TYPE, priority, (cve.upper(),) if cve else ())
    made = await desk.create(
        tx,
        person,
        whole if len(whole) <= limit else whole[: limit - 1] + "…",
        "\n\n".join(part for part in (f"{source}: {whole}", finding.detail) if part.strip()),
        suggestion=suggestion,
        origin=_origin(source, cve.upper() or title, asset),
    )
    # It is classified by whoever found it; words in its text must not change that.
    new = made.state is RequestState.NEW and await requests.move(
        tx,
        made,
        RequestMove.CLASSIFY,
        actor=person.actor,
        person_id=person.id,
        detail={"type": _TYPE, "priority": priority},
        type=_TYPE,
        priority=priority,
        due_at=tx.now + desk.settings.due_after(priority),
    )
    return await desk.find(tx, made.key), new


def _origin(*parts: str) -> str:
    return "finding:" + hashlib.sha256("\x1f".join(parts).lower().encode()).hexdigest()
