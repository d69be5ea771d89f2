"""Reports: one incident per thing and source, with a count; what flaps comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.incidents import reports
from engine.incidents.reports import Report, ReportSettings, Taken
from engine.inventory import Inventory, load_inventory
from storage import attempts, audit_read, cards, incidents, rooms
from storage.database import Database
from storage.incidents import Incident
from storage.lifecycle import AttemptMove, IncidentMove, IncidentState
from storage.rooms import RoomListing
from tests.conftest import FakeClock

INVENTORY = """
[[institution]]
code = "BANK"
names = ["Bank"]
[[system]]
code = "PAY"
institution = "BANK"
names = ["Pay"]
[[asset]]
code = "PAY-WAS-01"
system = "PAY"
layer = "WAS"
environment = "PRD"
host = "pay1"
address = "10.0.0.1"
service = "tomcat.service"
[[asset]]
code = "PAY-WAS-02"
system = "PAY"
layer = "WAS"
environment = "PRD"
host = "pay2"
address = "fd00::2"
service = "tomcat"
[[asset]]
code = "PAY-WEB-01"
system = "PAY"
layer = "WEB"
environment = "PRD"
host = "pay1"
address = "10.0.0.1"
container = "nginx"
names = ["the front door"]
"""

SLOW = Report("alertmanager", "critical", "checkout is slow", "fp1", labels={"job": "shop"})


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    (tmp_path / "inventory.toml").write_text(INVENTORY, "utf-8")
    return load_inventory(tmp_path / "inventory.toml")


class Desk:
    """Takes reports and looks at what became of them."""

    def __init__(self, db: Database, inventory: Inventory) -> None:
        self.db = db
        self.inventory = inventory

    async def take(self, report: Report, settings: ReportSettings = reports.DEFAULT) -> Taken:
        async with self.db.write() as tx:
            return await reports.take(tx, self.inventory, "person:am", report, settings)

    async def opened(self, report: Report) -> Incident:
        taken = await self.take(report)
        assert taken.new
        assert taken.incident is not None
        return taken.incident

    async def now(self, incident: Incident) -> Incident:
        async with self.db.read() as tx:
            return await incidents.must(tx, incident.id)

    async def move(self, incident: Incident, *steps: IncidentMove) -> None:
        async with self.db.write() as tx:
            for step in steps:
                assert await incidents.move(tx, incident.id, step, "watchstander")

    async def kinds(self, incident: Incident) -> list[str]:
        async with self.db.read() as tx:
            return [event.kind for event in await incidents.timeline(tx, incident.id)]


@pytest.fixture
def desk(db: Database, inventory: Inventory) -> Desk:
    return Desk(db, inventory)


async def test_the_first_report_opens_an_incident_with_its_card_and_trail(
    desk: Desk, clock: FakeClock
) -> None:
    async with desk.db.write() as tx:
        listed = [RoomListing("web", "", "ops"), RoomListing("web", "", "quiet", cards=False)]
        await rooms.sync(tx, listed)
    made = await desk.opened(replace(SLOW, summary="connect to db1: Connection timed out"))
    assert (made.key, made.source, made.severity) == ("INC-20261120-0001", "alertmanager", "P1")
    assert (made.state, made.count, made.flaps) == (IncidentState.OPEN, 1, 0)
    assert (made.kind, len(made.symptom)) == ("TIMEOUT", 16)
    assert (made.heal_at, made.last_seen_at, made.cleared_at) == (clock.now, clock.now, None)
    async with desk.db.read() as tx:
        ops = await rooms.find(tx, "web", "", "ops")
        quiet = await rooms.find(tx, "web", "", "quiet")
        assert ops is not None
        assert quiet is not None
        assert await cards.copy_in(tx, made.subject, ops.id) is not None
        assert await cards.copy_in(tx, made.subject, quiet.id) is None
        [event] = await incidents.timeline(tx, made.id)
        [row] = await audit_read.latest(tx, made.key)
    assert event.detail["labels"] == {"job": "shop"}
    assert (row.record.actor, row.record.kind) == ("person:am", "incident.open")


async def test_the_same_again_is_counted_and_the_worst_severity_stays(
    desk: Desk, clock: FakeClock
) -> None:
    made = await desk.opened(replace(SLOW, severity="info"))
    for severity in ("warning", "info"):
        clock.forward(minutes=1)
        taken = await desk.take(replace(SLOW, severity=severity, summary="other words"))
        assert not taken.new
    found = await desk.now(made)
    assert (found.count, found.flaps, found.severity) == (3, 0, "P2")
    assert (found.last_seen_at, found.summary) == (clock.now, made.summary)
    assert await desk.kinds(made) == ["open"]


async def test_another_fingerprint_or_source_is_another_incident(desk: Desk) -> None:
    made = [
        await desk.opened(report)
        for report in (SLOW, replace(SLOW, fingerprint="fp2"), replace(SLOW, source="guard:x"))
    ]
    assert len({incident.id for incident in made}) == 3


async def test_over_resolves_what_nobody_repairs(desk: Desk, clock: FakeClock) -> None:
    made = await desk.opened(SLOW)
    clock.forward(minutes=1)
    taken = await desk.take(replace(SLOW, firing=False))
    assert taken.incident is not None
    assert (taken.new, taken.incident.state) == (False, IncidentState.RESOLVED)
    assert (taken.incident.resolved_at, taken.incident.cleared_at) == (clock.now, clock.now)
    async with desk.db.read() as tx:
        last = (await incidents.timeline(tx, made.id))[-1]
    assert (last.kind, last.detail["why"]) == ("resolve", "cleared")
    # Once more changes nothing: it is over already.
    clock.forward(minutes=1)
    again = await desk.take(replace(SLOW, firing=False))
    assert again.incident == taken.incident


async def test_over_resolves_an_escalated_one(desk: Desk) -> None:
    made = await desk.opened(SLOW)
    await desk.move(made, IncidentMove.ESCALATE)
    await desk.take(replace(SLOW, firing=False))
    assert (await desk.now(made)).state is IncidentState.RESOLVED


async def test_over_leaves_a_repair_to_the_healer(desk: Desk, clock: FakeClock) -> None:
    made = await desk.opened(SLOW)
    await desk.move(made, IncidentMove.HEAL)
    await desk.take(replace(SLOW, firing=False))
    found = await desk.now(made)
    assert (found.state, found.cleared_at) == (IncidentState.HEALING, clock.now)
    await desk.take(SLOW)
    found = await desk.now(made)
    assert (found.state, found.cleared_at) == (IncidentState.HEALING, None)
    assert (found.count, found.flaps) == (2, 1)


async def test_over_waits_for_an_attempt_in_whatever_state_the_incident_is(desk: Desk) -> None:
    made = await desk.opened(SLOW)
    async with desk.db.write() as tx:
        attempt = await attempts.begin(
            tx, made, playbook="p", playbook_digest="d", action_type="", targets=["PAY-WAS-01"]
        )
    await desk.take(replace(SLOW, firing=False))
    assert (await desk.now(made)).state is IncidentState.OPEN
    async with desk.db.write() as tx:
        assert await attempts.move(tx, attempt, AttemptMove.SKIP)
    await desk.take(replace(SLOW, firing=False))
    assert (await desk.now(made)).state is IncidentState.RESOLVED


async def test_what_was_never_known_cannot_be_over(desk: Desk) -> None:
    assert await desk.take(replace(SLOW, firing=False)) == Taken(None, False)
    async with desk.db.read() as tx:
        assert await incidents.listing(tx) == []


@pytest.mark.parametrize(("minutes", "same"), [(0, True), (30, True), (30.001, False)])
async def test_what_comes_back_soon_is_the_same_incident(
    desk: Desk, clock: FakeClock, minutes: float, same: bool
) -> None:
    made = await desk.opened(SLOW)
    await desk.take(replace(SLOW, firing=False))
    clock.forward(minutes=minutes)
    taken = await desk.take(SLOW)
    assert taken.incident is not None
    assert (taken.incident.id == made.id, taken.new) == (same, not same)
    assert taken.incident.state is IncidentState.OPEN
    assert (taken.incident.count, taken.incident.flaps) == ((2, 1) if same else (1, 0))
    assert taken.incident.heal_at == clock.now
    assert await desk.kinds(made) == ["open", "resolve", *(["reopen"] if same else [])]


async def test_flap_minutes_are_a_setting(desk: Desk, clock: FakeClock) -> None:
    await desk.opened(SLOW)
    await desk.take(replace(SLOW, firing=False))
    clock.forward(seconds=1)
    assert (await desk.take(SLOW, ReportSettings(flap_minutes=0))).new
    with pytest.raises(ValueError, match="flap_minutes"):
        ReportSettings(flap_minutes=-1)


async def test_without_a_fingerprint_the_symptom_joins(desk: Desk) -> None:
    plain = Report("probe", "P2", "Queue holds 91 messages", asset="PAY-WAS-01")
    made = await desk.opened(plain)
    assert (
        await desk.take(replace(plain, summary="Queue holds 95 messages"))
    ).incident == await desk.now(made)
    assert (await desk.take(replace(plain, asset="PAY-WAS-02"))).new
    assert (await desk.take(replace(plain, summary="Queue is stuck"))).new


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("P1", "P1"),
        ("p3", "P3"),
        ("Critical", "P1"),
        (" page ", "P1"),
        ("emergency", "P1"),
        ("high", "P2"),
        ("warning", "P2"),
        ("info", "P3"),
        ("none", "P3"),
        ("low", "P3"),
        ("", "P2"),
        ("purple", "P2"),
    ],
)
async def test_severity_by_table(desk: Desk, word: str, severity: str) -> None:
    assert (await desk.opened(replace(SLOW, severity=word))).severity == severity


@pytest.mark.parametrize(
    ("labels", "asset"),
    [
        ({"asset": "PAY-WAS-01"}, "PAY-WAS-01"),
        ({"asset": "pay-was-01"}, "PAY-WAS-01"),
        ({"instance": "pay2:9100"}, "PAY-WAS-02"),
        ({"instance": "PAY2"}, "PAY-WAS-02"),
        ({"instance": "[fd00::2]:9100"}, "PAY-WAS-02"),
        ({"instance": "fd00::2"}, "PAY-WAS-02"),
        ({"name": "nginx"}, "PAY-WEB-01"),
        # Two assets on the host: the unit says which.
        ({"instance": "10.0.0.1:9100"}, None),
        ({"instance": "10.0.0.1:9100", "name": "tomcat.service"}, "PAY-WAS-01"),
        ({"instance": "10.0.0.1:9100", "job": "node", "name": "tomcat"}, "PAY-WAS-01"),
        ({"name": "tomcat.service"}, None),
        # They contradict each other, or name two.
        ({"instance": "pay2", "name": "nginx"}, None),
        ({"a": "PAY-WAS-01", "b": "PAY-WAS-02"}, None),
        # A code beats the rest.
        ({"asset": "PAY-WAS-02", "instance": "pay1:9100"}, "PAY-WAS-02"),
        # Words within a text never name.
        ({"description": "restart PAY-WAS-01 now"}, None),
        ({"description": "the front door"}, None),
        ({"instance": "http://pay2/login"}, None),
        ({"instance": "pay2:9100:x"}, None),
        ({}, None),
    ],
)
async def test_labels_name_an_asset_exactly_or_not_at_all(
    desk: Desk, labels: dict[str, str], asset: str | None
) -> None:
    made = await desk.opened(replace(SLOW, summary="PAY-WAS-01 on pay1", labels=labels))
    assert made.asset == asset


@pytest.mark.parametrize(
    ("named", "asset"),
    [
        ("PAY-WAS-02", "PAY-WAS-02"),
        ("pay2", "PAY-WAS-02"),
        ("pay1", "pay1"),
        ("no such thing", "no such thing"),
        ("  ", "PAY-WEB-01"),
    ],
)
async def test_the_reporters_own_name_goes_first(desk: Desk, named: str, asset: str) -> None:
    made = await desk.opened(replace(SLOW, asset=named, labels={"name": "nginx"}))
    assert made.asset == asset


async def test_texts_are_cleaned_and_cut(desk: Desk) -> None:
    made = await desk.opened(
        Report(
            "a\0b",
            "P1",
            "\x1b[31mboom\x1b[0m\r\nsecond \udc00 line" + "x" * 5_000,
            "f",
            detail="head\r\n\x1b]8;;http://x\x07link\x07\n" + "y" * 30_000 + "\ntail\0",
            labels={f"l{n:03}": "v" * 2_000 for n in range(100)},
        )
    )
    assert made.source == "ab"
    assert made.summary.startswith("boom second \ufffd linexx")
    assert len(made.summary) == reports.SUMMARY_LIMIT
    assert made.detail.startswith("head\nlink\nyy")
    assert made.detail.endswith("yy\ntail")
    assert "\n…\n" in made.detail
    assert len(made.detail) <= reports.DETAIL_LIMIT
    async with desk.db.read() as tx:
        [event] = await incidents.timeline(tx, made.id)
    assert list(event.detail["labels"]) == [f"l{n:03}" for n in range(64)]
    assert {len(value) for value in event.detail["labels"].values()} == {1_000}


@pytest.mark.parametrize(
    ("more", "summary"),
    [
        ({"summary": " \n ", "detail": "\nfirst line\nsecond"}, "first line"),
        ({"summary": "", "detail": ""}, "alertmanager"),
    ],
)
async def test_a_missing_summary_is_made(desk: Desk, more: dict[str, Any], summary: str) -> None:
    assert (await desk.opened(replace(SLOW, **more))).summary == summary


async def test_hostile_labels_choose_nothing(desk: Desk) -> None:
    for number, text in enumerate(
        (
            "PAY-WAS-01; rm -rf /",
            "PAY-WAS-01\nPAY-WAS-02",
            "$(PAY-WAS-01)",
            "pay2 && reboot",
            "../pay2",
        )
    ):
        report = replace(SLOW, fingerprint=f"h{number}", labels={"instance": text})
        assert (await desk.opened(report)).asset is None


def test_a_doors_own_source_is_known() -> None:
    for source in ("alertmanager", "Alertmanager", "check:http", "messenger:kakao", " check : x"):
        assert reports.own_source(source)
    for source in ("guard:nightly", "ci", "checker:x", ""):
        assert not reports.own_source(source)
