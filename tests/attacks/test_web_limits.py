"""Every route: how much it takes, what every answer says, and who may try how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from bot import web_floor
from bot.serving import application
from handlers.api import wrong_tokens
from storage import people, tokens
from tests.attacks.stage import MESSENGER_SECRET, TELEGRAM_SECRET, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP = b"[" * 100_000
VALUES = {"id": "1", "name": "room.js", "token": "x", "slug": "x", "key": "INC-1", "number": "1"}


def every_route(stage: Stage) -> Iterator[tuple[str, str]]:
    """Method and address of every route, a value in each place."""
    for route in _flat(application(stage.app).routes):
        path, methods = getattr(route, "path", ""), getattr(route, "methods", None) or set()
        for part, value in VALUES.items():
            path = path.replace(f"{{{part}}}", value)
        for method in sorted(methods - {"HEAD"}):
            assert "{" not in path, f"{path}: give its part a value above"
            yield method, path


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """FastAPI keeps an included router as one route that holds the router's own."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from [route] if inner is None else _flat(inner.routes)


async def keys(stage: Stage) -> dict[str, str]:
    """Headers that open every door there is."""
    return await stage.bearer("ana") | {
        "X-Telegram-Bot-Api-Secret-Token": TELEGRAM_SECRET,
        "Content-Type": "application/json",
    }


async def knock(stage: Stage, head: str, body: bytes = b"", *, chunks: int = 0) -> tuple[int, int]:
    """A request by hand; gives the status and how many bytes of chunks were taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    taken = 0
    try:
        writer.write(head.encode() + b"\r\n\r\n" + body)
        for _ in range(chunks):
            writer.write(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            await asyncio.wait_for(writer.drain(), 10)
            taken += 65536
            await asyncio.sleep(0)
    except (ConnectionError, TimeoutError):
        pass  # the door was closed on us; what it said stands in the buffer
    try:
        line = await asyncio.wait_for(reader.readline(), 15)
        return int(line.split()[1]), taken
    except (ConnectionError, IndexError):
        return 0, taken
    finally:
        writer.close()


async def test_the_walk_knows_the_routes(plain_stage: Stage) -> None:
    found = set(every_route(plain_stage))
    assert len(found) > 40
    assert {
        ("POST", "/api/auto/approve/1"),
        ("POST", "/webhooks/alertmanager"),
        ("POST", "/messenger/webhook"),
        ("POST", "/telegram/webhook"),
        ("POST", "/slack/events"),
        ("POST", "/sign-in"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
    } <= found


async def test_a_body_that_says_it_is_large_is_refused_at_once(plain_stage: Stage) -> None:
    """By its header alone: nothing is read, nobody is looked up."""
    slowest = 0.0
    for method, path in every_route(plain_stage):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000"
        begun = time.monotonic()
        assert (await knock(plain_stage, head))[0] == 413, path
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 5


async def test_a_body_without_an_end_is_cut_off(plain_stage: Stage) -> None:
    """With every key in hand, in chunks that do not say how many there will be."""
    headers = "".join(f"\r\n{n}: {v}" for n, v in (await keys(plain_stage)).items())
    for method, path in every_route(plain_stage):
        if method != "POST":
            continue
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked{headers}"
        if path == "/messenger/webhook":
            head = head.replace("Bearer ws_", f"Bearer {MESSENGER_SECRET} ws_").split(" ws_")[0]
        status, _ = await knock(plain_stage, head, chunks=120)
        # A route that takes no body answers without one byte of it.
        fine = {0, 401, 403, 413, 422} | ({200} if path == "/api/auto/run" else set())
        assert status in fine, (path, status)
    alive = await plain_stage.http.get("/healthz")
    assert alive.status_code == 200


async def test_addresses_and_headers_have_a_size(plain_stage: Stage) -> None:
    http = plain_stage.http
    long = await http.get("/healthz?" + "a" * web_floor.ADDRESS_LIMIT)
    assert (long.status_code, long.json()["error"]) == (414, "address_too_long")
    many = await http.get("/healthz", headers=[(f"x-{n}", "v") for n in range(200)])
    assert (many.status_code, many.json()["error"]) == (431, "headers_too_large")
    wide = await http.get("/healthz", headers={"x": "v" * web_floor.HEADER_LIMIT})
    assert wide.status_code == 431
    assert wide.headers["x-content-type-options"] == "nosniff"
    socket = "GET /ws/chat/ops/ana/HUMAN HTTP/1.1\r\nHost: x\r\nUpgrade: websocket"
    socket += "\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    socket += "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    for number in range(6):
        socket += f"\r\nX-{number}: " + "v" * 7000
    assert (await knock(plain_stage, socket))[0] == 403


async def test_deep_json_breaks_nothing(plain_stage: Stage) -> None:
    headers = await keys(plain_stage)
    before = await plain_stage.counts()
    for method, path in every_route(plain_stage):
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            for body in (DEEP, b'{"a":' * 50_000, b'{"comment": ' + DEEP):
                answer = await plain_stage.http.request(method, path, content=body, headers=headers)
                assert answer.status_code < 500, (path, answer.text[:200])
    assert await plain_stage.counts() == before


async def test_every_answer_says_how_it_may_be_used(plain_stage: Stage) -> None:
    signed = await keys(plain_stage)
    walk = [*every_route(plain_stage), ("GET", "/nowhere"), ("PATCH", "/healthz"), ("PUT", "/")]
    for method, path in walk:
        for headers in ({}, signed):
            answer = await plain_stage.http.request(method, path, headers=headers)
            plain_stage.http.cookies.clear()
            told = answer.headers
            assert told["x-content-type-options"] == "nosniff", path
            assert "frame-ancestors 'none'" in told["content-security-policy"], path
            assert "unsafe" not in told["content-security-policy"], path
            assert told["x-frame-options"] == "DENY", path
            assert told["referrer-policy"] in ("no-referrer", "same-origin"), path
            assert "server" not in told and "x-powered-by" not in told, path
            if not path.startswith(("/static/", "/docs")):
                assert told["cache-control"] == "no-store", path
            assert "set-cookie" not in told or path in ("/sign-out", "/sign-in"), path


async def test_no_route_acts_on_a_cookie_for_another_site(plain_stage: Stage) -> None:
    """Every state-changing route, as a foreign page would call it with a signed-in browser."""
    link = await plain_stage.token("ana", "signin")
    entered = await plain_stage.http.get(f"/sign-in/{link}")
    cookie = entered.headers["set-cookie"].partition(";")[0]
    plain_stage.http.cookies.clear()
    before = await plain_stage.counts()
    for method, path in every_route(plain_stage):
        if method == "GET":
            continue
        for origin in ("https://evil.example", "null"):
            headers = {"Cookie": cookie, "Origin": origin, "Content-Type": "text/plain"}
            answer = await plain_stage.http.request(method, path, content=b"{}", headers=headers)
            assert answer.status_code in (401, 403), (path, answer.status_code)
    assert await plain_stage.counts() == before
    still = await plain_stage.http.get("/api/web/me", headers={"Cookie": cookie})
    assert still.status_code == 200


async def test_wrong_tokens_slow_down_their_sender_and_nobody_else(plain_stage: Stage) -> None:
    """Behind one proxy, a program with an old token does not lock out the others."""
    http, proxy = plain_stage.http, {"X-Forwarded-For": "203.0.113.7"}
    wrong = proxy | {"Authorization": "Bearer ws_wrong"}
    statuses = [
        (await http.get("/api/auto/status", headers=wrong)).status_code
        for _ in range(wrong_tokens.LIMIT + 5)
    ]
    assert statuses == [401] * wrong_tokens.LIMIT + [429] * 5
    refused = await http.get("/api/requests", headers=wrong)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json()["error"] == "too_many_wrong_tokens"
    good = await http.get("/api/auto/status", headers=proxy | await plain_stage.bearer("ana"))
    assert good.status_code == 200
    elsewhere = {"X-Forwarded-For": "203.0.113.8", "Authorization": "Bearer ws_wrong"}
    assert (await http.get("/api/auto/status", headers=elsewhere)).status_code == 401


async def sign_in(stage: Stage, token: str, address: str) -> Any:
    answer = await stage.http.get(f"/sign-in/{token}", headers={"X-Forwarded-For": address})
    stage.http.cookies.clear()
    return answer


async def test_wrong_links_are_counted_over_a_restart(plain_stage: Stage) -> None:
    tries = [await sign_in(plain_stage, f"wrong-{n}", "203.0.113.20") for n in range(11)]
    assert [answer.status_code for answer in tries] == [401] * 10 + [429]
    link = await plain_stage.token("ana", "signin")
    await plain_stage.stop_bot()
    await plain_stage.start_bot()
    assert (await sign_in(plain_stage, link, "203.0.113.20")).status_code == 429
    assert (await sign_in(plain_stage, link, "203.0.113.21")).status_code == 303
    plain_stage.clock.forward(minutes=5)
    assert (await sign_in(plain_stage, link, "203.0.113.20")).status_code == 303


async def test_an_ipv6_customer_is_one_address(plain_stage: Stage) -> None:
    for n in range(10):
        assert (await sign_in(plain_stage, "x", f"2001:db8:1:2::{n}")).status_code == 401
    assert (await sign_in(plain_stage, "x", "2001:db8:1:2:ffff::9")).status_code == 429
    assert (await sign_in(plain_stage, "x", "2001:db8:1:3::1")).status_code == 401


async def test_signing_in_again_ends_the_browsers_session_before(plain_stage: Stage) -> None:
    http = plain_stage.http
    link = await plain_stage.token("ana", "signin")
    first = (await http.get(f"/sign-in/{link}")).headers["set-cookie"].partition(";")[0]
    http.cookies.clear()
    second = (await http.get(f"/sign-in/{link}", headers={"Cookie": first})).headers["set-cookie"]
    http.cookies.clear()
    second = second.partition(";")[0]
    assert first != second
    assert (await http.get("/api/web/me", headers={"Cookie": first})).status_code == 401
    assert (await http.get("/api/web/me", headers={"Cookie": second})).status_code == 200
    async with plain_stage.app.db.write() as tx:
        person = await people.by_name(tx, "ana")
        assert person is not None
        assert await tokens.revoke_all(tx, person.id, "session") > 0
    assert (await http.get("/api/web/me", headers={"Cookie": second})).status_code == 401


async def test_a_session_ends_by_itself(plain_stage: Stage) -> None:
    http = plain_stage.http
    link = await plain_stage.token("ana", "signin")
    cookie = (await http.get(f"/sign-in/{link}")).headers["set-cookie"]
    http.cookies.clear()
    assert "max-age=1209600" in cookie.lower()
    plain_stage.clock.forward(minutes=14 * 24 * 60)
    answer = await http.get("/api/web/me", headers={"Cookie": cookie.partition(";")[0]})
    assert (answer.status_code, answer.json()["error"]) == (401, "expired")
