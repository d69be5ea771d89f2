"""/api/auto as a program meets it: exact bodies and codes, polite refusals."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from storage import actions
from storage.lifecycle import Move, State
from tests.conftest import FakeClock
from tests.integration.rest.conftest import RESTART, Api, refused


async def test_a_proposal_is_answered_with_its_plan(api: Api) -> None:
    made = await api.min.propose()
    assert set(made) == {"id", "risk", "reasons", "status", "state", "plan", "digest"}
    assert (made["risk"], made["status"], made["state"]) == (
        "CRITICAL",
        "PENDING_APPROVAL",
        "PENDING_APPROVAL",
    )
    assert made["reasons"]
    assert made["plan"]["hosts"] == {"pay-was-01": [["systemctl", "restart", "--", "tomcat"]]}
    assert made["plan"]["digest"] == made["digest"]
    assert len(made["digest"]) == 64


async def test_a_harmless_check_needs_nobody(api: Api) -> None:
    made = await api.min.propose(action_type="service_status")
    assert (made["risk"], made["status"], made["state"]) == ("LOW", "QUEUED", "QUEUED")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "action_type"),
        (RESTART | {"targets": []}, ""),
        (RESTART | {"targets": "PAY-WAS-01"}, "targets"),
        (RESTART | {"targets": ["PAY-WAS-1"]}, "PAY-WAS-1"),
        (RESTART | {"targets": ["x" * 201]}, "targets.0"),
        (RESTART | {"targets": ["PAY-WAS-01"] * 101}, "targets"),
        (RESTART | {"action_type": "rm -rf /"}, "rm -rf /"),
        (RESTART | {"action_type": "deploy_prd"}, ""),
        (RESTART | {"params": {"a": {"b": 1}}}, "params"),
        (RESTART | {"params": {"a": 1.5}}, "params.a: must be"),
        (RESTART | {"params": {"shell": "reboot"}}, "shell"),
        (RESTART | {"params": {"a\ud800": 1}}, "params"),
        (RESTART | {"description": "x" * 2_001}, "description"),
        (RESTART | {"requester": "ana"}, "requester"),
        (RESTART | {"risk": "LOW"}, "risk"),
    ],
)
async def test_a_bad_proposal_is_refused_and_leaves_nothing(
    api: Api, body: dict[str, Any], word: str
) -> None:
    answer = await api.ana.send("/api/auto/queue", json.dumps(body))
    refused(answer, 422, "invalid", word)
    assert await api.states() == []


async def test_a_program_neither_proposes_nor_decides(api: Api) -> None:
    made = await api.min.propose()
    refused(await api.robot.post("/api/auto/queue", RESTART), 403, "forbidden", "robot")
    for verb in ("approve", "reject"):
        answer = await api.robot.post(f"/api/auto/{verb}/{made['id']}", {"digest": made["digest"]})
        refused(answer, 403, "forbidden", "AGENT")
    assert await api.states() == [State.PENDING_APPROVAL]


async def test_the_same_key_makes_one_action(api: Api) -> None:
    first = await api.min.post("/api/auto/queue", RESTART, Idempotency_Key="job-1")
    again = await api.min.post("/api/auto/queue", RESTART, Idempotency_Key="job-1")
    other = await api.jun.post("/api/auto/queue", RESTART, Idempotency_Key="job-1")
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    assert len(await api.states()) == 2


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there"])
async def test_a_bad_key_is_refused(api: Api, key: str) -> None:
    answer = await api.min.post("/api/auto/queue", RESTART, Idempotency_Key=key)
    refused(answer, 422, "invalid", "Idempotency-Key")
    assert await api.states() == []


# --- decide


async def test_an_admin_approves_what_was_looked_at(api: Api, clock: FakeClock) -> None:
    made = await api.min.propose()
    clock.forward(minutes=1)
    answer = await api.ana.post(
        f"/api/auto/approve/{made['id']}", {"comment": "go", "digest": made["digest"]}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["state"], body["decided_by"], body["decided_at"], body["comment"]) == (
        "APPROVED",
        "ana",
        clock.now,
        "go",
    )
    assert body["digest"] == made["digest"]


async def test_the_wrong_person_hears_403(api: Api) -> None:
    made = await api.min.propose()
    own = await api.ana.propose()
    digest = {"digest": made["digest"]}
    refused(await api.min.post(f"/api/auto/approve/{made['id']}", digest), 403, "forbidden")
    refused(await api.jun.post(f"/api/auto/approve/{made['id']}", digest), 403, "forbidden")
    refused(await api.ana.post(f"/api/auto/approve/{own['id']}", digest), 403, "forbidden")
    # Also without a digest: who may not decide hears that, not what is missing.
    refused(await api.jun.post(f"/api/auto/approve/{made['id']}", {}), 403, "forbidden")
    assert await api.states() == [State.PENDING_APPROVAL] * 2


async def test_a_late_one_hears_who_and_when(api: Api) -> None:
    made = await api.min.propose()
    body = {"digest": made["digest"]}
    assert (await api.ana.post(f"/api/auto/reject/{made['id']}", body)).status_code == 200
    for verb in ("approve", "reject"):
        answer = await api.ana.post(f"/api/auto/{verb}/{made['id']}", body)
        refused(answer, 409, "conflict", "ana", "2026-11-20")
    assert await api.states() == [State.REJECTED]


async def test_another_digest_is_a_conflict(api: Api) -> None:
    made = await api.min.propose()
    for digest in ("0" * 64, "", made["digest"][:12]):
        answer = await api.ana.post(f"/api/auto/approve/{made['id']}", {"digest": digest})
        refused(answer, 409, "conflict")
    assert await api.states() == [State.PENDING_APPROVAL]


async def test_without_the_digest_nothing_high_is_approved(api: Api) -> None:
    made = await api.min.propose()
    for body in (None, {}, {"comment": "go"}, {"digest": None}):
        answer = await api.ana.post(f"/api/auto/approve/{made['id']}", body)
        refused(answer, 422, "invalid", "digest", "CRITICAL")
    assert await api.states() == [State.PENDING_APPROVAL]


async def test_saying_no_needs_no_digest(api: Api) -> None:
    made = await api.min.propose()
    answer = await api.ana.post(f"/api/auto/reject/{made['id']}", {"comment": "not today"})
    assert (answer.status_code, answer.json()["status"]) == (200, "REJECTED")


async def test_the_queue_by_the_status_names_of_the_requirements(api: Api) -> None:
    made = await api.min.propose()
    for status, count in (("PENDING_APPROVAL", 1), ("AUTO_DONE", 0), ("EXPIRED", 0)):
        answer = await api.ana.get("/api/auto/queue", status=status)
        assert len(answer.json()["items"]) == count, status
    assert made["status"] == "PENDING_APPROVAL"


@pytest.mark.parametrize(
    ("number", "status"), [("77", 404), ("0", 422), ("-1", 422), ("abc", 422), ("9" * 30, 422)]
)
async def test_an_unknown_action(api: Api, number: str, status: int) -> None:
    answer = await api.ana.post(f"/api/auto/approve/{number}", {"digest": "0" * 64})
    refused(answer, status, "missing" if status == 404 else "invalid")


async def test_of_many_at_once_one_decides(api: Api) -> None:
    made = await api.min.propose()
    answers = await asyncio.gather(
        *(
            api.ana.post(f"/api/auto/{verb}/{made['id']}", {"digest": made["digest"]})
            for verb in ("approve", "reject") * 10
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert len(await api.states()) == 1


# --- look


async def test_queue_and_history_show_where_each_stands(api: Api) -> None:
    waiting, gone = await api.min.propose(), await api.min.propose()
    await api.ana.post(f"/api/auto/reject/{gone['id']}", {"digest": gone["digest"]})
    queue = (await api.min.get("/api/auto/queue")).json()
    history = (await api.robot.get("/api/auto/history")).json()
    assert [(item["id"], item["requester"]) for item in queue["items"]] == [(waiting["id"], "min")]
    assert [(item["id"], item["status"]) for item in history["items"]] == [(gone["id"], "REJECTED")]
    assert history["next"] is None


async def test_a_run_without_approval_is_called_auto_done(api: Api) -> None:
    made = await api.min.propose(action_type="service_status")
    async with api.db.write() as tx:
        await actions.move(tx, made["id"], Move.CLAIM, "watchstander", values={"run_id": "r"})
        await actions.move(tx, made["id"], Move.SUCCEED, "watchstander")
    (item,) = (await api.min.get("/api/auto/history")).json()["items"]
    assert (item["status"], item["state"]) == ("AUTO_DONE", "SUCCEEDED")


async def test_lists_page_and_filter(api: Api) -> None:
    made = [(await api.min.propose())["id"] for _ in range(3)]
    first = (await api.min.get("/api/auto/queue", limit=2)).json()
    rest = (await api.min.get("/api/auto/queue", limit=2, before=first["next"])).json()
    assert [i["id"] for i in first["items"] + rest["items"]] == list(reversed(made))
    assert rest["next"] is None
    none = (await api.min.get("/api/auto/queue", status="approved")).json()
    assert none == {"items": [], "next": None}
    refused(await api.ana.get("/api/auto/queue", status="lost"), 422, "invalid", "APPROVED")
    refused(await api.ana.get("/api/auto/queue", limit=0), 422, "invalid", "query.limit")
    refused(await api.ana.get("/api/auto/history", limit="all"), 422, "invalid", "query.limit")


async def test_status_tells_how_things_are(api: Api) -> None:
    await api.min.propose()
    body = (await api.robot.get("/api/auto/status")).json()
    assert body["pending"] == body["actions"]["PENDING_APPROVAL"] == 1
    assert body["links"] == [{"name": "database", "ok": True, "detail": "answers"}]
    assert body["cycle"] == {"running": False, "every_minutes": 5, "last": None}
    assert body["frozen"] is None


async def test_an_admin_runs_the_cycle(api: Api) -> None:
    await api.min.post("/api/requests", {"title": "Restart the WAS please"})
    refused(await api.jun.post("/api/auto/run"), 403, "forbidden", "ADMIN")
    report = (await api.ana.post("/api/auto/run")).json()
    assert (report["classified"], report["assigned"], report["failed"]) == (1, 1, {})
    assert (await api.ana.get("/api/auto/status")).json()["cycle"]["last"] == report
