"""Anomalies: severe ones become incidents, the others are skipped with the reason."""

from __future__ import annotations

import pytest

from engine import anomalies
from engine.errors import GiveUp, Why
from engine.inventory import Inventory
from prompts.texts import LANGUAGES, say
from storage import audit_read, incidents
from tests.unit.requests.conftest import Office

INVENTORY = Inventory({}, {}, {})


@pytest.mark.parametrize(("severity", "level"), [("HIGH", "P2"), ("critical", "P1")])
async def test_a_severe_anomaly_opens_an_incident(
    office: Office, severity: str, level: str
) -> None:
    async with office.db.write() as tx:
        outcome = await anomalies.report(
            tx, INVENTORY, office.robot, "probe", severity, "CPU at 100 %", asset="PAY-WAS-01"
        )
    assert outcome.incident is not None
    assert (outcome.incident.key, outcome.incident.severity) == ("INC-20261120-0001", level)
    assert (outcome.incident.asset, outcome.incident.source) == ("PAY-WAS-01", "probe")
    async with office.db.read() as tx:
        assert await incidents.by_key(tx, outcome.incident.key) == outcome.incident
        rows = await audit_read.latest(tx, outcome.incident.key)
    assert [(row.record.actor, row.record.kind) for row in rows] == [
        ("person:robot", "incident.open")
    ]


async def test_the_same_again_is_the_same_incident(office: Office) -> None:
    async with office.db.write() as tx:
        first, second, other = [
            await anomalies.report(
                tx, INVENTORY, office.robot, "probe", "HIGH", summary, asset=asset
            )
            for summary, asset in (("CPU at 97 %", "A"), ("CPU at 99 %", "A"), ("CPU at 99 %", "B"))
        ]
    assert first.incident is not None
    assert second.incident is not None
    assert other.incident is not None
    assert (second.incident.id, second.incident.count) == (first.incident.id, 2)
    assert other.incident.id != first.incident.id


@pytest.mark.parametrize("severity", ["LOW", "Medium"])
async def test_a_mild_one_is_skipped_with_the_reason(office: Office, severity: str) -> None:
    async with office.db.write() as tx:
        outcome = await anomalies.report(
            tx, INVENTORY, office.robot, "probe", severity, "CPU at 60 %"
        )
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
        ("alertmanager", "HIGH", "x", None),
        ("check:http", "HIGH", "x", None),
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
            await anomalies.report(
                tx, INVENTORY, office.robot, source, severity, summary, asset=asset
            )
    assert refusal.value.why is Why.INVALID
    async with office.db.read() as tx:
        assert await incidents.listing(tx) == []
        assert (await audit_read.head(tx)).count == 0
