"""/api/requests and /api/anomalies as a program meets them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from engine.language.model import ModelSettings
from storage import incidents
from storage.database import Database
from tests.contract.tiny_guided import write_ticket_model
from tests.integration.rest.conftest import Api, refused, serving
from tests.unit.bot.conftest import until


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


async def test_the_model_suggests_and_no_transaction_waits_for_it(
    db: Database, tmp_path: Path
) -> None:
    path = write_ticket_model(tmp_path / "tiny.gguf", "LOG", "CRITICAL")
    body = {"title": "WAS 재기동", "body": "천천히 하셔도 됩니다"}
    async with serving(db, tmp_path, ModelSettings(path, deadline_s=30)) as (api, reader):
        pid = reader.model.pid
        assert pid is not None
        bad = await api.min.post("/api/requests", body, Idempotency_Key="k" * 201)
        refused(bad, 422, "invalid")
        assert reader.model._asked == 0

        os.kill(pid, signal.SIGSTOP)
        answer = asyncio.create_task(api.min.post("/api/requests", body))
        await until(lambda: reader.model._asked == 1)
        async with asyncio.timeout(5), db.write():
            pass  # SQLite has one writer: it is free
        # The pool counts only where it is a queue, as here; its base class does not.
        await until(lambda: db._reader.pool.checkedout() == 0)  # type: ignore[attr-defined]
        os.kill(pid, signal.SIGCONT)
        made = await answer
        assert made.status_code == 201
        found = made.json()["suggestion"]
        assert (found["type"], found["priority"], found["source"]) == ("LOG", "CRITICAL", "model")
        assert 0.9 < found["confidence"] <= 1
        assert (made.json()["type"], made.json()["priority"]) == (None, None)

        os.kill(pid, signal.SIGKILL)
        made = await api.min.post("/api/requests", body)
        found = made.json()["suggestion"]
        assert found == {
            "type": "RESTART",
            "priority": "LOW",
            "why": ["재기동", "천천히"],
            "source": "keywords",
            "confidence": None,
        }


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
