"""/api/kb as a program meets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from engine.language.classify import Suggestion
from handlers.api.kb import kb_routes
from handlers.api.requests import request_routes
from handlers.services import Services
from storage import tokens
from storage.articles import Kind
from storage.database import Database
from tests.integration.rest.conftest import Caller, refused
from tests.unit.knowledge.shelves import PRINTER, VPN, Shelves, furnish
from tests.unit.requests.parts import build_services


@pytest.fixture
async def shelves(db: Database) -> Shelves:
    return await furnish(db)


@pytest.fixture
async def services(shelves: Shelves, tmp_path: Path) -> AsyncIterator[Services]:
    found = build_services(shelves.db, tmp_path)
    yield found
    await found.knowledge.stop()


@pytest.fixture
async def robot(shelves: Shelves, services: Services) -> AsyncIterator[Caller]:
    async with shelves.db.write() as tx:
        token = await tokens.create(tx, shelves.people["robot"].id, "api", None)
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(kb_routes(services))
    app.include_router(request_routes(services))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ops.test") as http:
        yield Caller(http, token)


async def test_searching_over_rest(shelves: Shelves, services: Services, robot: Caller) -> None:
    vpn = await shelves.published(*VPN)
    await shelves.published(*PRINTER)
    bad = await shelves.published("Never reset the VPN twice", "It locks.", Kind.ANTI_PATTERN)
    refused(await robot.get("/api/kb/search", q="VPN"), 409, "conflict", "being read")
    await services.knowledge.library.refresh()
    found = (await robot.get("/api/kb/search", q="reset the VPN password", limit=1)).json()
    assert [each["id"] for each in found["found"]] == [vpn.key]
    first = found["found"][0]
    assert vpn.body[first["start"] : first["end"]] == first["passage"] != ""
    assert 0 < found["confidence"] <= 1
    assert [each["id"] for each in found["warnings"]] == [bad.key]
    refused(await robot.get("/api/kb/search", q=""), 422, "invalid")
    refused(await robot.get("/api/kb/search", q="x", limit=11), 422, "invalid")
    refused(await robot.get("/api/kb/search"), 422, "invalid")


async def test_one_article_over_rest(shelves: Shelves, robot: Caller) -> None:
    vpn = await shelves.published(*VPN, questions=("How?",))
    shown = (await robot.get(f"/api/kb/{vpn.key}")).json()
    assert shown["title"] == vpn.title and shown["body"] == vpn.body
    assert (shown["status"], shown["kind"], shown["author"]) == (
        "PUBLISHED",
        "ARTICLE",
        "watchstander",
    )
    assert (shown["questions"], shown["effectiveness"], shown["answers"]) == (["How?"], None, 0)
    assert (await robot.get("/api/kb/1")).json()["id"] == vpn.key
    refused(await robot.get("/api/kb/99"), 404, "missing", "KB-20261120-0099")
    refused(await robot.get("/api/kb/pizza"), 422, "invalid", "pizza")
    no_token = await robot._http.get("/api/kb/1")
    assert no_token.status_code == 401


async def test_a_request_shows_what_it_was_answered(
    shelves: Shelves, services: Services, robot: Caller
) -> None:
    asked = "How do I reset my VPN password?"
    vpn = await shelves.published(*VPN, questions=(asked,))
    await shelves.published(*PRINTER)
    inquiry = Suggestion("INQUIRY", "LOW", (), "model", 0.9)
    async with shelves.db.write() as tx:
        made = await shelves.desk.create(tx, shelves.people["min"], asked, suggestion=inquiry)
    before = (await robot.get(f"/api/requests/{made.key}")).json()
    assert (before["status"], before["answer"]) == ("NEW", None)
    assert await services.knowledge.answer() == 1
    after = (await robot.get(f"/api/requests/{made.key}")).json()
    assert (after["status"], after["answer"]["article"]) == ("DONE", vpn.key)
    assert after["answer"]["passage"] in vpn.body and after["answer"]["solved"] is None
