"""/api/requests and /api/anomalies as a program meets them."""

from __future__ import annotations

from storage import incidents
from tests.integration.rest.conftest import Api, refused


async def test_a_request_over_rest(api: Api) -> None:
    made = await api.min.post("/api/requests", {"title": "WAS 재기동", "body": "느립니다"})
    assert made.status_code == 201
    body = made.json()
    assert (body["id"], body["status"], body["requester"]) == ("SR-20261120-0001", "NEW", "min")
    assert body["suggestion"]["type"] == "RESTART"
    said = await api.jun.post("/api/requests/1/comment", {"comment": "보고 있습니다"})
    assert said.status_code == 201
    shown = (await api.robot.get("/api/requests/SR-20261120-0001")).json()
    assert [(event["who"], event["kind"]) for event in shown["timeline"]] == [
        ("min", "create"),
        ("jun", "comment"),
    ]
    listed = (await api.ana.get("/api/requests", status="new")).json()
    assert [item["id"] for item in listed["items"]] == [body["id"]]
    assert (await api.ana.get("/api/requests", mine=True)).json()["items"] == []
    refused(await api.ana.get("/api/requests/99"), 404, "missing", "SR-20261120-0099")
    refused(await api.ana.get("/api/requests/first"), 422, "invalid", "first")
    refused(await api.ana.get("/api/requests", type="PIZZA"), 422, "invalid", "RESTART")


async def test_the_same_key_makes_one_request(api: Api) -> None:
    answers = [
        await api.min.post("/api/requests", {"title": "Once"}, Idempotency_Key="a") for _ in "123"
    ]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {201}


async def test_anomalies_over_rest(api: Api) -> None:
    severe = {"source": "probe", "severity": "HIGH", "summary": "CPU", "asset": "PAY-WAS-01"}
    made = await api.robot.post("/api/anomalies", severe)
    assert (made.status_code, made.json()) == (
        201,
        {"incident": "INC-20261120-0001", "skipped": None},
    )
    mild = await api.robot.post("/api/anomalies", severe | {"severity": "LOW"})
    assert mild.status_code == 200
    assert mild.json()["incident"] is None
    assert "LOW" in mild.json()["skipped"]
    bad = await api.robot.post("/api/anomalies", severe | {"severity": "AWFUL"})
    refused(bad, 422, "invalid", "AWFUL", "CRITICAL")
    async with api.db.read() as tx:
        assert len(await incidents.listing(tx)) == 1
