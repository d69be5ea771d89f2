"""What holds for every request: sizes, time, headers, and an answer when something broke."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from bot import web_floor
from bot.web_floor import Floor
from handlers.api import wrong_tokens
from handlers.api.wrong_tokens import WrongTokens, address_of


def served(ceiling: int = 1000) -> FastAPI:
    app = FastAPI()

    @app.post("/count")
    async def count(request: Request) -> int:
        return len(await request.body())

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("canary-inside")

    app.add_middleware(Floor, ceiling=ceiling)
    return app


def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://bot")


async def test_a_body_up_to_the_ceiling_passes() -> None:
    async with client(served()) as http:
        assert (await http.post("/count", content=b"a" * 1000)).json() == 1000
        refused = await http.post("/count", content=b"a" * 1001)
    assert (refused.status_code, refused.json()["error"]) == (413, "too_large")


async def test_a_body_that_does_not_say_its_size_is_counted() -> None:
    async def chunks(count: int):  # type: ignore[no-untyped-def]
        for _ in range(count):
            yield b"a" * 100

    async with client(served()) as http:
        assert (await http.post("/count", content=chunks(10))).json() == 1000
        assert (await http.post("/count", content=chunks(11))).status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "ten", "٣", "9" * 30])
async def test_a_length_that_is_no_honest_number_is_refused(length: str) -> None:
    async with client(served()) as http:
        headers = [(b"content-length", length.encode())]
        answer = await http.post("/count", content=b"", headers=headers)
    assert answer.status_code == 413


async def test_what_broke_inside_is_told_without_its_words() -> None:
    async with client(served()) as http:
        answer = await http.get("/broken")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert "canary" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_floor, "BODY_WITHIN_S", 0.05)
    sent: list[Message] = []

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/count",
        "raw_path": b"/count",
        "query_string": b"",
        "headers": [],
    }
    async with asyncio.timeout(10):
        await served()(scope, never, send)
    assert sent[0]["status"] == 408


def test_wrong_tokens_are_forgotten_after_a_minute_and_never_fill_the_memory() -> None:
    now = [0.0]
    wrong = WrongTokens(lambda: now[0])
    assert [wrong.too_many("a") for _ in range(wrong_tokens.LIMIT + 1)][-2:] == [False, True]
    assert not wrong.too_many("b")
    now[0] = wrong_tokens.WINDOW_S
    assert not wrong.too_many("a")
    for number in range(25_000):
        wrong.too_many(str(number))
    assert len(wrong._begun) <= 10_000


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ("testclient", "testclient"),
    ],
)
def test_whom_a_try_counts_against(host: str, counted: str) -> None:
    scope = {"type": "http", "client": (host, 1), "headers": []}
    assert address_of(Request(scope)) == counted
    assert address_of(Request({"type": "http", "client": None, "headers": []})) == ""
