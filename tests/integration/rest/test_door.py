"""The door: tokens told apart, bodies bounded, refusals alike, and the reference page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.exceptions import HTTPException

from handlers.api.door import BODY_LIMIT
from storage import people, requests, tokens
from tests.conftest import FakeClock
from tests.integration.rest.conftest import PEOPLE, Api, Caller, refused


async def test_without_a_token_nobody_comes_in(api: Api) -> None:
    for method, path in [
        ("GET", "/api/auto/status"),
        ("POST", "/api/auto/run"),
        ("GET", "/api/auto/queue"),
        ("POST", "/api/auto/queue"),
        ("POST", "/api/auto/approve/1"),
        ("POST", "/api/auto/reject/1"),
        ("GET", "/api/auto/history"),
        ("GET", "/api/requests"),
        ("POST", "/api/requests"),
        ("GET", "/api/requests/1"),
        ("POST", "/api/requests/1/comment"),
        ("POST", "/api/anomalies"),
        ("GET", "/api/incidents"),
        ("POST", "/api/incidents"),
        ("GET", "/api/incidents/1"),
        ("POST", "/api/findings"),
    ]:
        answer = await api.http.request(method, path, content="{not even json")
        refused(answer, 401, "token_missing", "watchstander token create")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Bearer", "token_malformed"),
        ("Bearer ", "token_malformed"),
        ("Basic abc", "token_malformed"),
        ("Bearer ws_wrong", "token_unknown"),
        ("bearer null", "token_unknown"),
        ("Bearer " + "x" * 5_000, "token_unknown"),
    ],
)
async def test_a_bad_token_is_told_apart(api: Api, header: str, error: str) -> None:
    answer = await api.http.get("/api/auto/status", headers={"Authorization": header})
    refused(answer, 401, error)


async def test_expired_revoked_and_left_are_told_apart(api: Api, clock: FakeClock) -> None:
    async with api.db.write() as tx:
        ana = await people.by_name(tx, "ana")
        assert ana is not None
        short = await tokens.create(tx, ana.id, "api", 60_000)
        signin = await tokens.create(tx, ana.id, "signin", None)
        await tokens.revoke(tx, api.tokens["ana"])
    clock.forward(minutes=2)
    refused(await Caller(api.http, short).get("/api/auto/status"), 401, "token_expired")
    refused(await Caller(api.http, signin).get("/api/auto/status"), 401, "token_unknown")
    refused(await api.ana.get("/api/auto/status"), 401, "token_revoked")
    async with api.db.write() as tx:
        await people.sync(tx, PEOPLE[:1])
    refused(await api.jun.get("/api/auto/status"), 401, "token_inactive")


async def test_a_stranger_is_answered_in_the_language_asked_for(api: Api) -> None:
    for header, word in [
        ("ko-KR,en;q=0.5", "토큰"),
        ("zh-TW", "權杖"),
        ("fr, zh-Hant;q=0.4", "權杖"),
        ("fr", "No token"),
        (";;,,", "No token"),
    ]:
        answer = await api.http.get("/api/auto/status", headers={"Accept-Language": header})
        assert word in answer.json()["message"]


async def test_a_large_body_is_refused_before_it_is_read(api: Api) -> None:
    refused(
        await api.min.post("/api/requests", {"title": "x", "body": "y" * BODY_LIMIT}),
        413,
        "too_large",
        str(BODY_LIMIT),
    )

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    refused(await api.min.send("/api/requests", chunks()), 413, "too_large")


async def test_a_body_that_came_too_slowly_is_refused_alike(api: Api) -> None:
    async def ended_by_the_floor() -> AsyncIterator[bytes]:
        yield b'{"title"'
        raise HTTPException(408)

    answer = await api.min.send("/api/requests", ended_by_the_floor())
    refused(answer, 408, "too_slow")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{broken", "JSON"),
        ("", "body"),
        ("[]", "body"),
        ('"text"', "body"),
        ("null", "body"),
        (b"\xff\xfe", "body"),
        ("[" * 50_000, "body"),
        ('{"title": 5}', "title"),
        ('{"title": "a", "admin": true}', "admin"),
        ('{"title": "a\\ud800"}', "title"),
        ('{"title": "a\\u0000"}', "U+0000"),
        ('{"title": "  "}', "제목"),
        ('{"title": ' + "9" * 5_000 + "}", "body"),
    ],
)
async def test_a_bad_body_is_refused_with_the_place(
    api: Api, content: str | bytes, word: str
) -> None:
    refused(await api.min.send("/api/requests", content), 422, "invalid", word)
    async with api.db.read() as tx:
        assert await requests.listing(tx) == []


async def test_the_reference_loads_nothing_from_elsewhere(api: Api) -> None:
    page = await api.http.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in ("/docs", "/docs/reference.js", "/docs/reference.css"):
        text = (await api.http.get(path)).text
        assert "://" not in text
        assert "innerHTML" not in text


async def test_the_description_names_every_route(api: Api) -> None:
    spec = (await api.http.get("/openapi.json")).json()
    assert {(method, path) for path, methods in spec["paths"].items() for method in methods} == {
        ("get", "/api/auto/status"),
        ("post", "/api/auto/run"),
        ("get", "/api/auto/queue"),
        ("post", "/api/auto/queue"),
        ("post", "/api/auto/approve/{id}"),
        ("post", "/api/auto/reject/{id}"),
        ("post", "/api/auto/cancel/{id}"),
        ("get", "/api/auto/history"),
        ("get", "/api/requests"),
        ("post", "/api/requests"),
        ("get", "/api/requests/{id}"),
        ("post", "/api/requests/{id}/comment"),
        ("post", "/api/anomalies"),
        ("get", "/api/incidents"),
        ("post", "/api/incidents"),
        ("get", "/api/incidents/{id}"),
        ("get", "/api/incidents/{id}/root-cause"),
        ("post", "/api/findings"),
        ("get", "/api/playbooks"),
    }
    assert all("security" in m for methods in spec["paths"].values() for m in methods.values())
