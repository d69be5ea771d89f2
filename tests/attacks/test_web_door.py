"""The web room against other sites: origin, cookie, token, frames, and the socket's address."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from storage import people, tokens
from storage.lifecycle import State
from tests.attacks.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = (
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1:1",
    "file://",
    "http://localhost.evil",
)


async def session(stage: Stage, name: str = "ana") -> tuple[str, Any]:
    """A cookie from a sign-in link, and the answer that set it."""
    link = await stage.token(name, "signin")
    answer = await stage.http.get(f"/sign-in/{link}")
    stage.http.cookies.clear()
    return answer.headers["set-cookie"].partition(";")[0], answer


def socket_url(stage: Stage, room: str = "ops", client: str = "ana", kind: str = "HUMAN") -> str:
    return f"{stage.address.replace('http', 'ws', 1)}/ws/chat/{room}/{client}/{kind}"


async def ends(url: str, headers: dict[str, str]) -> int:
    """The HTTP status or close code with which a connection is refused; 0 when it is open."""
    try:
        async with connect(url, additional_headers=headers) as connection:
            first = await connection.recv()
            return 0 if "history" in str(first) else 1
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


async def test_the_cookie_is_for_our_page_only(plain_stage: Stage) -> None:
    _, answer = await session(plain_stage)
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert "domain=" not in flags
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("origin", [None, *FOREIGN])
async def test_another_site_cannot_open_the_socket_with_the_cookie(
    plain_stage: Stage, origin: str | None
) -> None:
    cookie, _ = await session(plain_stage)
    headers = {"Cookie": cookie} | ({} if origin is None else {"Origin": origin})
    assert await ends(socket_url(plain_stage), headers) == 403
    own = {"Cookie": cookie, "Origin": plain_stage.address}
    assert await ends(socket_url(plain_stage), own) == 0


@pytest.mark.parametrize("origin", [None, *FOREIGN])
async def test_another_site_cannot_sign_in_or_out(plain_stage: Stage, origin: str | None) -> None:
    cookie, _ = await session(plain_stage)
    headers = {} if origin is None else {"Origin": origin}
    form = {"token": await plain_stage.token("min", "signin")}
    answer = await plain_stage.http.post("/sign-in", data=form, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    out = await plain_stage.http.post("/sign-out", headers=headers | {"Cookie": cookie})
    assert out.status_code == 403
    still = await plain_stage.http.get("/api/web/me", headers={"Cookie": cookie})
    assert still.status_code == 200


async def test_no_token_is_taken_from_an_address(plain_stage: Stage) -> None:
    token = await plain_stage.token("ana")
    for name in ("token", "access_token", "api_key", "authorization", "session", "after"):
        url = f"{socket_url(plain_stage)}?{name}={token}"
        assert await ends(url, {"Origin": plain_stage.address}) == 4401, name
        assert await ends(url, {}) == 403, name


@pytest.mark.parametrize(
    ("room", "client", "kind", "code"),
    [
        ("ops", "robot", "AGENT", 4403),
        ("ops", "ana", "AGENT", 4403),
        ("ops", "ana", "BOT", 4400),
        ("secret", "ana", "HUMAN", 4404),
        ("%2e%2e", "ana", "HUMAN", 4404),
        ("%25", "ana", "HUMAN", 4404),
        ("ops'--", "ana", "HUMAN", 4404),
        ("OPS", "ana", "HUMAN", 4404),
    ],
)
async def test_the_sockets_address_gives_no_rights(
    plain_stage: Stage, room: str, client: str, kind: str, code: int
) -> None:
    headers = await plain_stage.bearer("min")
    assert await ends(socket_url(plain_stage, room, client, kind), headers) == code


async def test_a_link_signs_in_once(plain_stage: Stage) -> None:
    """A single-use link, as for a chat: who finds it later finds nothing."""
    async with plain_stage.app.db.write() as tx:
        person = await people.by_name(tx, "ana")
        assert person is not None
        link = await tokens.create(tx, person.id, "signin", 60_000, single_use=True)
    assert (await plain_stage.http.get(f"/sign-in/{link}")).status_code == 303
    plain_stage.http.cookies.clear()
    again = await plain_stage.http.get(f"/sign-in/{link}")
    assert again.status_code == 401
    assert "set-cookie" not in again.headers


async def test_no_page_may_be_framed_or_load_foreign_code(plain_stage: Stage) -> None:
    for path in ("/", "/static/room.js", "/api/web/me", "/sign-in/x", "/docs"):
        headers = (await plain_stage.http.get(path)).headers
        policy = headers.get("content-security-policy", "")
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0], path
        assert headers["x-content-type-options"] == "nosniff", path


async def test_other_sites_are_told_nothing(plain_stage: Stage) -> None:
    """No CORS: no answer allows a foreign page to read it, not even to a preflight."""
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/api/auto/queue", "/api/auto/approve/1", "/api/web/me", "/messenger/webhook"):
        for answer in (
            await plain_stage.http.options(path, headers=asks),
            await plain_stage.http.get(path, headers=asks),
        ):
            assert not [h for h in answer.headers if h.startswith("access-control-")], path


async def test_a_form_of_another_site_cannot_decide(plain_stage: Stage) -> None:
    """With the cookie and a form's content type, as a browser would send it along."""
    action = await plain_stage.waiting("min")
    cookie, _ = await session(plain_stage)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"Cookie": cookie, "Origin": "https://evil.example", "Content-Type": kind}
        path = f"/api/auto/approve/{action.id}"
        body = f'{{"digest": "{action.digest}"}}'.encode()
        answer = await plain_stage.http.post(path, content=body, headers=headers)
        assert answer.status_code == 401
    assert (await plain_stage.action(action.id)).state is State.PENDING_APPROVAL


async def test_bad_frames_are_answered_and_change_nothing(
    plain_stage: Stage, plain_doors: Any
) -> None:
    action = await plain_stage.waiting("min")
    before = await plain_stage.counts()
    frames: list[Any] = [
        "", "null", "[]", "1", '"approve"', "{", "[" * 10_000, '{"type": "say"}',
        {"type": "say", "text": 1}, {"type": "say", "text": ["/approve 1"]}, {"type": "press"},
        {"type": "press", "message_id": {}},
        {"type": "press", "message_id": "%", "command_code": "%"}, {"type": "root", "text": "x"},
        {"type": "say", "text": "a\0b"}, '{"type": "say", "text": "\\ud800"}',
        {"type": "say", "text": " "},
        {"msg_type": "CARD", "content": f"#{action.id}"},
        {"msg_type": "CARD_UPDATE", "content": "x"},
        {"msg_type": "NOTICE", "content": "x", "sender_type": "BOT"},
        {"type": "say", "text": "x", "id": "a b"},
        {"type": "say", "text": "x" * 20_000}, {"type": "say", "text": "x" * 60_000},
    ]  # fmt: skip
    for frame in frames:
        line = await plain_doors.web.line("lee")
        try:
            answer = await line.ask(frame, 2)
        except TimeoutError:
            raise AssertionError(f"no answer to {frame!r:.80}: {line.frames[-1:]}") from None
        assert answer["type"] == "error", frame
        assert answer["text"].isprintable()
    await plain_stage.settled()
    assert await plain_stage.counts() == before
