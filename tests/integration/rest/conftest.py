"""The REST API of a small team over real tables, with one caller per person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from engine.language.model import ModelSettings
from engine.language.reader import Reader
from handlers.api.anomalies import anomaly_routes
from handlers.api.auto import auto_routes
from handlers.api.findings import finding_routes
from handlers.api.incidents import incident_routes
from handlers.api.playbooks import playbook_routes
from handlers.api.reference import reference_routes
from handlers.api.requests import request_routes
from storage import actions, people, rooms, tokens
from storage.database import Database
from storage.lifecycle import State
from storage.people import Listing, Role
from storage.rooms import RoomListing
from tests.unit.requests.parts import build_services

PEOPLE = [
    Listing("min", Role.REQUESTER, "ko"),
    Listing("jun", Role.ENGINEER, "zh-TW", ("RESTART",), on_call=True),
    Listing("ana", Role.ADMIN, "en"),
    Listing("robot", Role.AGENT, "en"),
]
RESTART = {"action_type": "server_restart", "targets": ["PAY-WAS-01"], "description": "slow"}


class Caller:
    """A program with somebody's token."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self._http.get(path, params=query, headers=self._headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._http.post(path, json=body, headers=self._headers | named)

    async def send(self, path: str, content: Any, **headers: str) -> httpx.Response:
        kind = {"Content-Type": "application/json"}
        return await self._http.post(path, content=content, headers=self._headers | kind | headers)

    async def propose(self, **more: Any) -> dict[str, Any]:
        answer = await self.post("/api/auto/queue", RESTART | more)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


class Api:
    """The API of a small team, with one caller per person."""

    def __init__(self, db: Database, http: httpx.AsyncClient, tokens_: dict[str, str]) -> None:
        self.db = db
        self.http = http
        self.tokens = tokens_
        self.min, self.jun, self.ana, self.robot = (
            Caller(http, tokens_[listing.name]) for listing in PEOPLE
        )

    async def states(self) -> list[State]:
        async with self.db.read() as tx:
            return [action.state for action in await actions.listing(tx, oldest_first=True)]


@pytest.fixture
async def api(db: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(db, tmp_path) as (found, _):
        yield found


@asynccontextmanager
async def serving(
    db: Database, folder: Path, model: ModelSettings | None = None
) -> AsyncIterator[tuple[Api, Reader]]:
    """The API, and its reader: with this model, started, or with none."""
    async with db.write() as tx:
        await people.sync(tx, PEOPLE)
        await rooms.sync(tx, [RoomListing("web", "", "ops", cards=True, approvals=True)])
        everyone = await people.everyone(tx)
        made = {p.name: await tokens.create(tx, p.id, "api", None) for p in everyone}
    services = build_services(db, folder, model)
    app = FastAPI(docs_url=None, redoc_url=None)
    for routes in (
        auto_routes,
        request_routes,
        anomaly_routes,
        playbook_routes,
        incident_routes,
        finding_routes,
    ):
        app.include_router(routes(services))
    app.include_router(reference_routes())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ops.test") as http:
        await services.reader.start()
        try:
            yield Api(db, http, made), services.reader
        finally:
            await services.reader.stop()


def refused(answer: httpx.Response, status: int, error: str, *words: str) -> None:
    """The body of a refusal: these two fields, and these words in the message."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "message"}
    assert body["error"] == error
    for word in words:
        assert word in body["message"]
