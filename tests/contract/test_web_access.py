"""The web room's doors: who gets in, by which credential, and who is put out again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bot.platforms.web.limits import Bucket
from bot.platforms.web.settings import WebSettings
from handlers.card import Card
from prompts.texts import say
from storage import people, tokens
from storage.database import Database
from storage.people import Listing, Role
from tests.contract.web_server import OPS, Client, WebRoom, draft, web_room


@pytest.fixture
async def room(db: Database) -> AsyncIterator[WebRoom]:
    async with web_room(db) as running:
        yield running


# Who gets in


async def refused(room: WebRoom, address: str, headers: dict[str, str]) -> tuple[int, str]:
    async with connect(address, additional_headers=headers, proxy=None) as connection:
        return await Client(connection).closed()


async def cookie(room: WebRoom, name: str, origin: str | None) -> dict[str, str]:
    secret = await room.token(name, "session", 3_600_000)
    headers = {"Cookie": f"watchstander_session={secret}"}
    return headers | ({"Origin": origin} if origin is not None else {})


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://127.0.0.1:1", "", "http://", "x"]
)
async def test_a_cookie_is_not_enough_without_our_own_origin(
    room: WebRoom, origin: str | None
) -> None:
    headers = await cookie(room, "Min", origin)
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(room.address(), additional_headers=headers, proxy=None):
            pass
    assert refusal.value.response.status_code == 403
    assert say(room.platform.health().detail, "en") == "0 open connections"


async def test_a_session_from_our_own_page_gets_in(room: WebRoom) -> None:
    headers = await cookie(room, "Min", room.url)
    async with connect(room.address(), additional_headers=headers, proxy=None) as connection:
        assert (await Client(connection).next())["type"] == "history"


@pytest.mark.parametrize(
    ("public", "origin", "allowed"),
    [
        ("", "http://ops.lan:8484", True),
        ("", "http://ops.lan", False),
        ("", "https://evil.example:8484", False),
        ("https://ops.example.org", "https://ops.example.org", True),
        ("https://ops.example.org:443", "https://ops.example.org", True),
        ("https://ops.example.org", "http://ops.example.org", False),
        ("https://ops.example.org", "https://ops.example.org.evil.example", False),
        ("https://ops.example.org", "http://ops.lan:8484", False),
        ("http://127.0.0.1:8484", "http://localhost:8484", True),
        ("http://127.0.0.1:8484", "http://localhost:8485", False),
        ("http://127.0.0.1:8484", "http://127.0.0.1:99999999", False),
    ],
)
def test_origins(public: str, origin: str, allowed: bool) -> None:
    settings = WebSettings(public_url=public)
    assert settings.origin_allowed(origin, "ops.lan:8484") is allowed


async def test_nobody_gets_in_without_a_good_token(room: WebRoom) -> None:
    for headers in (
        {"Authorization": "Bearer ws_nobody"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic bWluOm1pbg=="},
        {"Authorization": f"Bearer {await room.token('Min', 'signin')}"},
    ):
        code, reason = await refused(room, room.address(), headers)
        assert code == 4401
        assert reason


async def test_a_room_that_is_not_listed_is_refused_with_the_reason(room: WebRoom) -> None:
    for place in ("secret", "elsewhere", "C1", "%2e%2e"):
        code, reason = await refused(room, room.address(place), await room.bearer("Min"))
        assert (code, reason) == (4404, "this room is not in the configuration")


@pytest.mark.parametrize(
    ("name", "client", "kind", "code"),
    [
        ("Min", "deployer", "AGENT", 4403),
        ("deployer", "deployer", "HUMAN", 4403),
        ("deployer", "other", "AGENT", 4403),
        ("Min", "Min", "ROBOT", 4400),
    ],
)
async def test_only_an_agent_is_an_agent_and_only_under_its_own_name(
    room: WebRoom, name: str, client: str, kind: str, code: int
) -> None:
    address = room.address("ops", client, kind)
    assert (await refused(room, address, await room.bearer(name)))[0] == code


async def test_one_person_has_a_bounded_number_of_connections(room: WebRoom) -> None:
    headers = await room.bearer("Min")
    held = [
        await connect(room.address(), additional_headers=headers, proxy=None) for _ in range(20)
    ]
    for connection in held:
        await Client(connection).next("history")
    assert (await refused(room, room.address(), headers))[0] == 4429
    for connection in held:
        await connection.close()


# Losing the right to be there


async def test_a_revoked_token_closes_the_socket(room: WebRoom, db: Database) -> None:
    async with room.client("Min") as min_, room.client("Ada"):
        async with db.write() as tx:
            await tokens.revoke_all(tx, (await room.person("Min")).id)
        await room.platform.hub.recheck()
        assert await min_.closed() == (4401, "this session or token is revoked")
        assert len(room.platform.hub) == 1


async def test_a_revoked_token_says_nothing_more(room: WebRoom, db: Database) -> None:
    async with room.client("Min") as min_:
        async with db.write() as tx:
            await tokens.revoke_all(tx, (await room.person("Min")).id)
        await min_.send({"type": "say", "text": "approve 17"})
        assert (await min_.closed())[0] == 4401
    assert await room.inbox() == []


async def test_who_left_the_team_is_closed_and_a_new_role_counts_at_once(
    room: WebRoom, db: Database
) -> None:
    async with room.client("Min") as min_, room.client("Lin") as lin:
        async with db.write() as tx:
            await people.sync(tx, [Listing("Lin", Role.AGENT, "en")])
        await room.platform.hub.recheck()
        assert await min_.closed() == (4401, "this session or token is inactive")
        assert (await lin.closed())[0] == 4403


async def test_stopping_finishes_what_is_open_and_closes(room: WebRoom) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    keep = room.keep

    async def slow_keep(source: str, delivery: str, body: object, lane: str) -> bool:
        entered.set()
        await go_on.wait()
        return await keep(source, delivery, body, lane)

    await room.platform.start(slow_keep)
    async with room.client("Min") as min_:
        await min_.send({"type": "say", "text": "last words"})
        await entered.wait()
        stopping = asyncio.create_task(room.platform.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping
        assert (await min_.closed())[0] == 1012
    assert len(await room.inbox()) == 1
    assert not room.platform.health().ok
    code, _ = await refused(room, room.address(), await room.bearer("Min"))
    assert code == 1013


# Signing in, without a browser


async def test_signing_in_and_out(room: WebRoom) -> None:
    async with httpx.AsyncClient(base_url=room.url, trust_env=False) as client:
        assert (await client.get("/api/web/me")).status_code == 401
        answer = await client.get((await room.link("Min")).removeprefix(room.url))
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        set_cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in set_cookie
        assert "samesite=lax" in set_cookie
        me = (await client.get("/api/web/me")).json()
        assert me["person"] == {"name": "Min", "role": "REQUESTER"}
        assert [r["address"] for r in me["rooms"]] == ["ops", "approvals"]
        assert me["language"] == "ko"
        assert me["commands"][0] == {"name": "status", "summary": "현재 상태"}
        kept = dict(client.cookies)
        foreign = await client.post("/sign-out", headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        await client.post("/sign-out", headers={"Origin": room.url})
        client.cookies.update(kept)
        assert (await client.get("/api/web/me")).json()["error"] == "revoked"


async def test_a_secure_site_gets_secure_cookies(db: Database) -> None:
    settings = WebSettings(public_url="https://ops.example.org")
    async with web_room(db, settings) as room, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(await room.link("Min"))
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_every_page_forbids_foreign_scripts_and_frames(room: WebRoom) -> None:
    async with httpx.AsyncClient(base_url=room.url, trust_env=False) as client:
        for path in ("/", "/static/room.js", "/static/room.css", "/sign-in/bad", "/api/web/me"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"].startswith("default-src 'self';")
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        for path in ("/static/index.html", "/static/..%2froutes.py", "/static/nothing.js"):
            assert (await client.get(path)).status_code == 404


async def test_guessing_links_is_stopped(room: WebRoom) -> None:
    origin = {"Origin": room.url}
    async with httpx.AsyncClient(base_url=room.url, trust_env=False) as client:
        for _ in range(10):
            assert (await client.get("/sign-in/guess")).status_code == 401
        assert (await client.get("/sign-in/guess")).status_code == 429
        good = (await room.link("Min")).removeprefix(room.url)
        assert (await client.get(good)).status_code == 429
        answer = await client.post("/sign-in", data={"token": "x" * 50_000}, headers=origin)
        assert answer.status_code == 429


async def test_pasting_a_link_works_and_foreign_forms_do_not(room: WebRoom) -> None:
    link = await room.link("Min")
    async with httpx.AsyncClient(base_url=room.url, trust_env=False) as client:
        for headers in ({}, {"Origin": "null"}, {"Origin": "https://evil.example"}):
            answer = await client.post("/sign-in", data={"token": link}, headers=headers)
            assert answer.status_code == 403
        for pasted in (f"  {link} ", link.rpartition("/")[2]):
            answer = await client.post(
                "/sign-in", data={"token": pasted}, headers={"Origin": room.url}
            )
            assert answer.status_code == 303


async def test_earlier_messages_are_for_those_who_may_see_them(room: WebRoom) -> None:
    await room.platform.whisper(OPS, "Min", draft(1, Card(text="only Min")))
    last = ""
    for number in range(2, 5):
        last = await room.platform.post(OPS, draft(number, Card(text=str(number))))
    path = "/api/web/history"
    query = {"room": "ops", "before": last}
    async with httpx.AsyncClient(base_url=room.url, trust_env=False) as client:
        assert (await client.get(path, params=query)).status_code == 401
        headers = await room.bearer("Ada")
        page = (await client.get(path, params=query, headers=headers)).json()
        gone = await client.get(path, params=query | {"room": "C1"}, headers=headers)
    assert [m["content"] for m in page["messages"]] == ["2 (en)", "3 (en)"]
    assert gone.status_code == 404


async def test_the_secret_of_a_link_stays_out_of_the_access_log(
    room: WebRoom, caplog: pytest.LogCaptureFixture
) -> None:
    link = await room.link("Min")
    access = logging.getLogger("uvicorn.access")
    access.addHandler(caplog.handler)
    access.setLevel(logging.INFO)
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(link)
    finally:
        access.removeHandler(caplog.handler)
        access.setLevel(logging.NOTSET)
    [line] = [r.getMessage() for r in caplog.records if r.name == "uvicorn.access"]
    assert "GET /sign-in/… HTTP/1.1" in line


# Limits


def test_a_bucket_fills_again_with_time() -> None:
    now = [0.0]
    bucket = Bucket(5, 2, lambda: now[0])
    assert [bucket.take(), bucket.take(), bucket.take()] == [True, True, False]
    now[0] = 0.2
    assert [bucket.take(), bucket.take()] == [True, False]
