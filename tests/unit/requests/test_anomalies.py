"""Anomalies: severe ones become incidents, the others are skipped with the reason."""

from __future__ import annotations

import pytest

from engine import anomalies
from engine.errors import GiveUp, Why
from prompts.texts import LANGUAGES, say
from storage import audit_read, incidents
from tests.unit.requests.conftest import Office


@pytest.mark.parametrize("severity", ["HIGH", "critical"])
async def test_a_severe_anomaly_opens_an_incident(office: Office, severity: str) -> None:
    async with office.db.write() as tx:
        outcome = await anomalies.report(
            tx, office.robot, "probe", severity, "CPU at 100 %", asset="PAY-WAS-01"
        )
    assert outcome.incident is not None
    assert outcome.incident.key == "INC-20261120-0001"
    async with office.db.read() as tx:
        assert await incidents.by_key(tx, outcome.incident.key) == outcome.incident
        rows = await audit_read.latest(tx, outcome.incident.key)
    assert [(row.record.actor, row.record.kind) for row in rows] == [
        ("person:robot", "incident.open")
    ]


@pytest.mark.parametrize("severity", ["LOW", "Medium"])
async def test_a_mild_one_is_skipped_with_the_reason(office: Office, severity: str) -> None:
    async with office.db.write() as tx:
        outcome = await anomalies.report(tx, office.robot, "probe", severity, "CPU at 60 %")
        assert await incidents.listing(tx) == []
        rows = await audit_read.latest(tx, "probe")
    assert outcome.incident is None
    assert outcome.skipped is not None
    for language in LANGUAGES:
        assert severity.upper() in say(outcome.skipped, language)
    assert [row.record.kind for row in rows] == ["anomaly.skip"]


@pytest.mark.parametrize(
    ("source", "severity", "summary", "asset"),
    [
        ("probe", "SEVERE", "x", None),
        ("probe", "", "x", None),
        ("", "HIGH", "x", None),
        ("probe", "HIGH", "", None),
        ("probe", "HIGH", "x" * 2_001, None),
        ("probe", "HIGH", "nul \0", None),
        ("probe", "HIGH", "x", "a" * 101),
    ],
)
async def test_bad_reports_are_refused_and_leave_nothing(
    office: Office, source: str, severity: str, summary: str, asset: str | None
) -> None:
    with pytest.raises(GiveUp) as refusal:
        async with office.db.write() as tx:
            await anomalies.report(tx, office.robot, source, severity, summary, asset=asset)
    assert refusal.value.why is Why.INVALID
    async with office.db.read() as tx:
        assert await incidents.listing(tx) == []
        assert (await audit_read.head(tx)).count == 0
