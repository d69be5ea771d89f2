"""Where people see their health checks: /status and GET /api/checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from engine.healing.checks import Check
from handlers.api.checks import check_routes
from prompts.texts import Text, text
from prompts.texts import clock as shown_time
from storage import checks, people, tokens
from storage.database import Database
from storage.people import Listing, Role
from tests.conftest import FakeClock
from tests.unit.handlers.stage import Stage
from tests.unit.requests.parts import build_services

CHECKS = (
    Check("port", "tcp", asset="PAY-WAS-01", port=8080, severity="P1"),
    Check("page", "http", url="https://shop.example/?token=hush"),
    Check("new", "disk", asset="PAY-WAS-01"),
)


async def keep(
    db: Database,
    name: str,
    found: Text,
    *,
    ok: bool | None,
    failures: int = 0,
    firing: bool = False,
) -> None:
    async with db.write() as tx:
        detail = found.to_json()
        await checks.record(tx, name, ok, detail, failures=failures, firing=firing)


@pytest.fixture
async def api(db: Database, tmp_path: Path) -> Any:
    listings = [Listing("min", Role.REQUESTER, "ko"), Listing("robot", Role.AGENT, "en")]
    async with db.write() as tx:
        await people.sync(tx, listings)
        secrets = {
            p.name: await tokens.create(tx, p.id, "api", None) for p in await people.everyone(tx)
        }
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(check_routes(replace(build_services(db, tmp_path), checks=CHECKS)))
    transport = httpx.ASGITransport(app)

    async def get(name: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secrets[name]}"} if name else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://ops.test") as http:
            return await http.get("/api/checks", headers=headers)

    return get


async def test_every_check_is_listed_as_configured(
    db: Database, clock: FakeClock, api: Any
) -> None:
    await keep(db, "port", text("probe_late", seconds="5"), ok=False, failures=4, firing=True)
    await keep(db, "page", text("probe_status", status=200), ok=True)
    answer = await api("robot")
    assert answer.status_code == 200
    port, page, new = answer.json()["items"]
    assert port == {
        "name": "port",
        "kind": "tcp",
        "asset": "PAY-WAS-01",
        "severity": "P1",
        "every_s": 60.0,
        "reported_after": 3,
        "ok": False,
        "failures": 4,
        "firing": True,
        "detail": "Timed out: no answer within 5 s.",
        "looked_at": clock.now,
        "since": clock.now,
    }
    assert (page["ok"], page["asset"], page["detail"]) == (True, None, "HTTP 200")
    assert (new["ok"], new["looked_at"], new["detail"]) == (None, None, None)
    assert "hush" not in answer.text


async def test_the_list_speaks_the_callers_language(db: Database, api: Any) -> None:
    await keep(db, "port", text("probe_late", seconds="5"), ok=False)
    assert (await api("min")).json()["items"][0]["detail"] == "5초 안에 응답이 없습니다."


async def test_nobody_reads_it_without_a_token(api: Any) -> None:
    assert (await api("")).status_code == 401


async def test_status_shows_what_is_not_well(
    db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    stage = Stage(db, clock, tmp_path)
    await stage.start()
    try:
        await keep(db, "page", text("probe_status", status=200), ok=True)
        fine = await stage.whispered("ana", "command", "/status")
        assert "check" not in fine.text
        await keep(db, "disk", text("probe_unreadable"), ok=None)
        first = shown_time(clock.now)
        clock.forward(minutes=1)
        await keep(db, "port", text("probe_status", status=503), ok=False, failures=3, firing=True)
        shown = (await stage.whispered("ana", "command", "/status")).text.splitlines()
        assert [line for line in shown if "check" in line] == [
            f"🔴 check port: HTTP 503 (since {shown_time(clock.now)})",
            f"🟡 check disk: The host's answer could not be read. (since {first})",
        ]
        for number in range(20):
            await keep(db, f"n{number}", text("probe_status", status=503), ok=False)
        shown = (await stage.whispered("ana", "command", "/status")).text.splitlines()
        assert sum("check n" in line for line in shown) == 8
        assert "… and 12 more checks; GET /api/checks lists them all" in shown
    finally:
        await stage.stop()
