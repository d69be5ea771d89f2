"""POST /api/auto/cancel/{id}."""

from __future__ import annotations

import pytest

from storage import actions
from storage.lifecycle import Move, State
from tests.integration.rest.conftest import Api, refused


async def test_the_requester_takes_it_back(api: Api) -> None:
    made = await api.min.propose()
    answer = await api.min.post(f"/api/auto/cancel/{made['id']}", {"reason": "잘못 눌렀습니다"})
    body = answer.json()
    assert (answer.status_code, body["status"], body["cancelled_by"]) == (200, "CANCELLED", "min")
    assert body["comment"] == "잘못 눌렀습니다" and body["cancelled_at"] is not None
    again = await api.ana.post(f"/api/auto/cancel/{made['id']}")
    assert (again.status_code, again.json()["cancelled_by"]) == (200, "min")
    history = (await api.ana.get("/api/auto/history", status="CANCELLED")).json()
    assert [item["id"] for item in history["items"]] == [made["id"]]
    assert (await api.ana.get("/api/auto/queue")).json()["items"] == []


async def test_who_may_not_and_what_is_not_there(api: Api) -> None:
    made = await api.min.propose()  # CRITICAL
    path = f"/api/auto/cancel/{made['id']}"
    refused(await api.jun.post(path), 403, "forbidden", "ADMIN")
    refused(await api.robot.post(path), 403, "forbidden")
    refused(await api.ana.post("/api/auto/cancel/99"), 404, "missing")
    assert await api.states() == [State.PENDING_APPROVAL]


@pytest.mark.parametrize(
    "body", [{"reason": 5}, {"reason": "x" * 1001}, {"why": "typo"}, [], "text", {"reason": None}]
)
async def test_a_body_that_is_no_reason_changes_nothing(api: Api, body: object) -> None:
    made = await api.min.propose()
    refused(await api.min.post(f"/api/auto/cancel/{made['id']}", body), 422, "invalid")
    assert await api.states() == [State.PENDING_APPROVAL]


async def test_too_late_is_a_conflict(api: Api) -> None:
    made = await api.min.propose(action_type="service_status")
    for step in (Move.CLAIM, Move.SUCCEED):
        async with api.db.write() as tx:
            assert await actions.move(tx, made["id"], step, "watchstander")
    refused(await api.min.post(f"/api/auto/cancel/{made['id']}"), 409, "conflict")
