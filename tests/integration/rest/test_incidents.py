"""/api/incidents and /api/findings as a program meets them."""

from __future__ import annotations

from typing import Any

import pytest

from storage import audit_read, cards, incidents, requests, rooms
from storage.lifecycle import IncidentState
from tests.conftest import FakeClock
from tests.integration.rest.conftest import Api, refused

DOWN: dict[str, Any] = {
    "source": "guard:nightly",
    "severity": "P1",
    "summary": "nightly failed: disk full",
    "detail": "line 1\nNo space left on device",
    "asset": "PAY-WAS-01",
    "fingerprint": "nightly",
    "labels": {"host": "pay-was-01"},
}
PLAIN = {"summary": "something is odd"}
FINDING: dict[str, Any] = {
    "source": "trivy",
    "title": "OpenSSL: 로그 노출 heap overflow",
    "severity": "high",
    "asset": "PAY-WAS-01",
    "cve": "CVE-2026-12345",
    "detail": "openssl 3.0.2 < 3.0.16",
}


async def test_a_report_is_an_incident_and_the_next_one_counts(api: Api, clock: FakeClock) -> None:
    made = await api.robot.post("/api/incidents", DOWN)
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["new"] is True
    shown = body["incident"]
    assert shown == shown | {
        "id": "INC-20261120-0001",
        "source": "guard:nightly",
        "severity": "P1",
        "summary": DOWN["summary"],
        "detail": DOWN["detail"],
        "asset": "PAY-WAS-01",
        "status": "OPEN",
        "class": "DISK_FULL",
        "fingerprint": "nightly",
        "count": 1,
        "flaps": 0,
        "assignee": None,
        "created_at": clock.now,
        "resolved_at": None,
    }
    again = await api.robot.post("/api/incidents", DOWN)
    assert again.status_code == 200
    assert (again.json()["new"], again.json()["incident"]["count"]) == (False, 2)
    async with api.db.read() as tx:
        room = await rooms.find(tx, "web", "", "ops")
        [found] = await incidents.listing(tx)
        assert room is not None
        assert await cards.copy_in(tx, found.subject, room.id) is not None
        [row] = await audit_read.latest(tx, found.key)
    assert row.record.actor == "person:robot"


async def test_over_and_back_again(api: Api, clock: FakeClock) -> None:
    over = DOWN | {"status": "resolved"}
    unknown = await api.robot.post("/api/incidents", over)
    assert (unknown.status_code, unknown.json()) == (200, {"incident": None, "new": False})
    await api.robot.post("/api/incidents", DOWN)
    ended = await api.robot.post("/api/incidents", over)
    assert ended.json()["incident"]["status"] == "RESOLVED"
    clock.forward(minutes=29)
    back = await api.robot.post("/api/incidents", DOWN)
    assert back.status_code == 200
    found = back.json()["incident"]
    assert (found["status"], found["count"], found["flaps"]) == ("OPEN", 2, 1)


async def test_what_is_left_out_is_filled_in(api: Api) -> None:
    made = (await api.min.post("/api/incidents", PLAIN)).json()["incident"]
    assert (made["source"], made["severity"], made["asset"]) == ("rest:min", "P2", None)
    assert made["fingerprint"]


async def test_one_incident_with_its_timeline(api: Api) -> None:
    await api.robot.post("/api/incidents", DOWN)
    await api.robot.post("/api/incidents", DOWN | {"status": "resolved"})
    for typed in ("INC-20261120-0001", "inc-20261120-0001", "1"):
        found = (await api.jun.get(f"/api/incidents/{typed}")).json()
        assert found["id"] == "INC-20261120-0001"
    assert [(event["kind"], event["who"]) for event in found["timeline"]] == [
        ("open", "watchstander"),
        ("resolve", "watchstander"),
    ]
    assert found["timeline"][0]["detail"]["labels"] == {"host": "pay-was-01"}
    refused(await api.ana.get("/api/incidents/INC-20261120-0009"), 404, "missing", "0009")
    refused(await api.ana.get("/api/incidents/SR-20261120-0001"), 422, "invalid", "SR-")
    refused(await api.ana.get("/api/incidents/nonsense"), 422, "invalid", "nonsense")


async def test_lists_page_by_page_and_by_status(api: Api) -> None:
    for number in range(3):
        await api.robot.post("/api/incidents", DOWN | {"fingerprint": f"f{number}"})
    await api.robot.post("/api/incidents", DOWN | {"fingerprint": "f1", "status": "resolved"})

    async def listed(**query: Any) -> list[str]:
        found = (await api.jun.get("/api/incidents", **query)).json()
        return [one["fingerprint"] for one in found["items"]]

    assert await listed() == ["f2", "f0"]
    assert await listed(status="all") == ["f2", "f1", "f0"]
    assert await listed(status="resolved") == ["f1"]
    page = (await api.jun.get("/api/incidents", limit=1)).json()
    assert await listed(limit=1, before=page["next"]) == ["f0"]
    refused(await api.ana.get("/api/incidents", status="BROKEN"), 422, "invalid", "ESCALATED")


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"summary": ""}, "summary"),
        ({"summary": " \n "}, "summary"),
        ({"summary": "x" * 2_001}, "summary"),
        ({"summary": "nul \0"}, "summary"),
        ({"severity": "purple"}, "P1, P2, P3"),
        ({"status": "pending"}, "firing, resolved"),
        ({"source": "alertmanager"}, "alertmanager"),
        ({"source": "Check:shop-http"}, "Check:shop-http"),
        ({"source": "messenger:kakao"}, "messenger:kakao"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {f"l{n}": "v" for n in range(65)}}, "labels"),
        ({"detail": "x" * 200_001}, "detail"),
        ({"fingerprint": "x" * 201}, "fingerprint"),
        ({"command": "reboot"}, "command"),
    ],
)
async def test_bad_reports_are_refused_and_leave_nothing(
    api: Api, more: dict[str, Any], word: str
) -> None:
    refused(await api.ana.post("/api/incidents", PLAIN | more), 422, "invalid", word)
    async with api.db.read() as tx:
        assert await incidents.listing(tx) == []


async def test_odd_characters_in_a_log_are_cleaned_and_not_refused(api: Api) -> None:
    made = await api.ana.post("/api/incidents", PLAIN | {"detail": "\x1b[31mred\x1b[0m\x07\r\nend"})
    assert made.json()["incident"]["detail"] == "red\nend"


async def test_a_repeated_anomaly_is_the_same_incident(api: Api) -> None:
    found = {"source": "probe", "severity": "CRITICAL", "summary": "CPU at 97 %"}
    for _ in range(2):
        answer = await api.robot.post("/api/anomalies", found)
        assert (answer.status_code, answer.json()["incident"]) == (201, "INC-20261120-0001")
    shown = (await api.ana.get("/api/incidents/1")).json()
    assert (shown["severity"], shown["count"]) == ("P1", 2)
    refused(
        await api.ana.post("/api/anomalies", found | {"source": "check:x"}),
        422,
        "invalid",
        "check:x",
    )


async def test_a_finding_is_a_request_of_its_own_priority(api: Api, clock: FakeClock) -> None:
    made = await api.robot.post("/api/findings", FINDING)
    assert (made.status_code, made.json()) == (
        201,
        {"request": "SR-20261120-0001", "status": "OPEN", "new": True},
    )
    shown = (await api.jun.get("/api/requests/1")).json()
    assert shown["title"] == f"CVE-2026-12345 · PAY-WAS-01 · {FINDING['title']}"
    assert shown["body"].endswith(FINDING["detail"])
    # Words in the title ("log") choose neither type nor priority.
    assert (shown["type"], shown["priority"], shown["requester"]) == ("OTHER", "HIGH", "robot")
    assert shown["due_at"] == clock.now + 4 * 3_600_000


async def test_the_same_finding_is_the_same_request_whoever_tells_it(api: Api) -> None:
    await api.robot.post("/api/findings", FINDING)
    again = await api.ana.post(
        "/api/findings", FINDING | {"title": "other words", "cve": "cve-2026-12345"}
    )
    assert (again.status_code, again.json()["new"]) == (200, False)
    for more in ({"asset": "PAY-STG-01"}, {"cve": "CVE-2026-1"}, {"source": "grype"}, {"cve": ""}):
        assert (await api.robot.post("/api/findings", FINDING | more)).status_code == 201
    # Without a number, the title tells one from another.
    assert (await api.robot.post("/api/findings", FINDING | {"cve": ""})).status_code == 200
    async with api.db.read() as tx:
        assert sum((await requests.counts(tx)).values()) == 5


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"severity": "awful"}, "CRITICAL"),
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"source": ""}, "source"),
        ({"cve": "x" * 101}, "cve"),
        ({"asset": "a\tb\x01"}, "asset"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_bad_findings_are_refused_and_leave_nothing(
    api: Api, more: dict[str, Any], word: str
) -> None:
    refused(await api.ana.post("/api/findings", FINDING | more), 422, "invalid", word)
    async with api.db.read() as tx:
        assert await requests.listing(tx) == []


async def test_incidents_need_a_token(api: Api) -> None:
    for path in ("/api/incidents", "/api/findings"):
        answer = await api.http.post(path, json=PLAIN)
        refused(answer, 401, "token_missing")
    assert (await api.http.get("/api/incidents/1")).status_code == 401
    async with api.db.read() as tx:
        assert await incidents.counts(tx) == {}
        assert IncidentState.OPEN not in await incidents.counts(tx)
