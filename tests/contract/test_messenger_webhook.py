"""Another messenger, over real HTTP both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.platforms.messenger.platform import MessengerPlatform
from bot.platforms.messenger.routes import messenger_routes
from bot.platforms.messenger.settings import MessengerSettings
from bot.platforms.port import SendGone, SendRefused, SendRetry
from bot.reports import ReportWorker
from handlers.card import Button, Card, Field
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from storage import audit_read, inbox, incidents, people, rooms
from storage.database import Database
from storage.lifecycle import IncidentState
from storage.people import Account, Listing, Person, Role
from storage.rooms import RoomListing
from tests.contract.web_server import draft, serving
from tests.unit.requests.parts import build_services

SECRET = "s3cret-of-kakao-s3cret"
FAMILY = RoomAddress("messenger", "kakao", "family")
CARD = Card(
    title="#17 Restart",
    text="Restart?",
    fields=(Field("Targets", "BUDGET-WAS-01"),),
    buttons=(Button("Approve", "tokA"), Button("Reject", "tokR")),
)


@dataclass
class Far:
    """The other messenger's end: what it was sent, and what it answers."""

    url: str = ""
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)


@dataclass
class Setup:
    platform: MessengerPlatform
    db: Database
    far: Far
    http: httpx.AsyncClient
    broken: bool = False

    async def keep(self, source: str, delivery_id: str, body: Any, lane: str) -> bool:
        if self.broken:
            raise OSError("no space left on device")
        async with self.db.write() as tx:
            return await inbox.keep(tx, source, delivery_id, dict(body), lane) is not None

    async def send(self, body: object, secret: str = SECRET) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"}
        return await self.http.post("/messenger/webhook", json=body, headers=headers)

    async def inbox(self) -> list[inbox.Delivery]:
        async with self.db.read() as tx:
            return await inbox.waiting(tx, 100)


def far_end(far: Far) -> APIRouter:
    router = APIRouter()

    @router.post("/hook")
    async def hook(request: Request) -> JSONResponse:
        far.got.append((dict(request.headers), await request.json()))
        status, headers = far.answers.pop(0) if far.answers else (200, {})
        return JSONResponse({}, status, headers=headers)

    return router


@pytest.fixture
async def setup(db: Database) -> AsyncIterator[Setup]:
    far = Far()
    listings = [
        RoomListing("messenger", "kakao", "family"),
        RoomListing("messenger", "kakao", "mute"),
        RoomListing("messenger", "line", "sales"),
    ]
    async with db.write() as tx:
        await rooms.sync(tx, listings)
    async with serving(far_end(far)) as far.url:
        settings = MessengerSettings(
            {"kakao": SECRET, "line": "another-secret"},
            {"kakao/family": f"{far.url}/hook"},
            timeout_s=2.0,
            body_limit=10_000,
        )
        platform = MessengerPlatform(settings, db)
        async with (
            serving(messenger_routes(platform)) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
        ):
            running = Setup(platform, db, far, http)
            await platform.start(running.keep)
            yield running
            await platform.stop()


# In


async def test_a_message_is_kept_and_then_accepted(setup: Setup) -> None:
    body = {
        "room": "family",
        "user": "u-1",
        "text": " disk? ",
        "message_id": "m1",
        "files": [{"name": "app.war", "size": 5}],
    }
    answer = await setup.send(body)
    assert (answer.status_code, answer.json()) == (202, {"status": "kept", "repeated": False})
    [delivery] = await setup.inbox()
    assert (delivery.source, delivery.lane) == ("messenger", "kakao/family")
    assert setup.platform.translate(delivery.body) == Event(
        EventKind.WORDS,
        FAMILY,
        Speaker("messenger", "kakao", "u-1"),
        text="disk?",
        context={"message_id": "m1", "files": [{"name": "app.war", "size": 5}]},
    )
    assert (await setup.send(body)).json()["repeated"] is True
    assert len(await setup.inbox()) == 1


async def test_commands_and_buttons(setup: Setup) -> None:
    await setup.send({"room": "family", "user": "u", "text": "/approve 17"})
    await setup.send({"room": "family", "user": "u", "command_code": "tokA"})
    await setup.send({"room": "family", "user": "u", "files": [{"name": "a.war", "size": 1}]})
    events = [setup.platform.translate(delivery.body) for delivery in await setup.inbox()]
    assert [(e.kind, e.text, e.button) if e else None for e in events] == [
        (EventKind.COMMAND, "/approve 17", ""),
        (EventKind.BUTTON, "", "tokA"),
        None,
    ]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {SECRET}", SECRET]
)
async def test_without_the_secret_nothing_is_read(setup: Setup, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await setup.http.post("/messenger/webhook", content=b"x" * 20_000, headers=headers)
    assert answer.status_code == 401
    assert await setup.inbox() == []


async def test_a_secret_speaks_for_its_own_rooms_only(setup: Setup) -> None:
    body = {"room": "family", "user": "u", "text": "hello"}
    assert (await setup.send(body, "another-secret")).status_code == 404
    assert (await setup.send(body | {"room": "sales"}, "another-secret")).status_code == 202
    [delivery] = await setup.inbox()
    event = setup.platform.translate(delivery.body)
    assert event is not None
    assert event.speaker == Speaker("messenger", "line", "u")


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ([], 422, "object"),
        ({"user": "u", "text": "x"}, 422, "room"),
        ({"room": "family", "text": "x"}, 422, "user"),
        ({"room": "family", "user": "u"}, 422, "text"),
        ({"room": "family", "user": "u", "text": "  "}, 422, "text"),
        ({"room": "family", "user": 5, "text": "x"}, 422, "user"),
        ({"room": "family", "user": "u", "text": "a\0b"}, 422, "text"),
        ({"room": "family", "user": "u", "text": "x", "source": "line"}, 422, "source"),
        ({"room": "family", "user": "u", "text": "x", "files": "a"}, 422, "files"),
        ({"room": "family", "user": "u", "text": "x", "files": [{"size": -1}]}, 422, "files[0]"),
        ({"room": "nowhere", "user": "u", "text": "x"}, 404, "nowhere"),
        ({"room": "family", "user": "u", "text": "x" * 20_000}, 413, "larger than 10000"),
    ],
)
async def test_a_bad_message_is_told_what_is_wrong(
    setup: Setup, body: object, status: int, named: str
) -> None:
    answer = await setup.send(body)
    assert answer.status_code == status
    assert named in answer.json()["error"]
    assert await setup.inbox() == []


async def test_broken_bodies_are_refused(setup: Setup) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    for content, status in ((b"{", 422), (b"\xff\xfe", 422), (b"[" * 9_000, 422)):
        answer = await setup.http.post("/messenger/webhook", content=content, headers=headers)
        assert answer.status_code == status
    answer = await setup.http.post("/messenger/webhook", content=endless(), headers=headers)
    assert answer.status_code == 413


async def test_what_could_not_be_kept_is_not_accepted(setup: Setup) -> None:
    setup.broken = True
    body = {"room": "family", "user": "u", "text": "hello", "message_id": "m1"}
    assert (await setup.send(body)).status_code == 503
    setup.broken = False
    assert (await setup.send(body)).json() == {"status": "kept", "repeated": False}


def test_empty_or_shared_secrets_are_refused_at_the_start(db: Database) -> None:
    with pytest.raises(ValueError, match=r"messenger\.kakao"):
        MessengerPlatform(MessengerSettings({"kakao": ""}), db)
    with pytest.raises(ValueError, match="same secret"):
        MessengerPlatform(MessengerSettings({"kakao": "x", "line": "x"}), db)


# Alerts

ALERT = {"status": "firing", "severity": "critical", "summary": "Disk full", "fingerprint": "d1"}


@pytest.fixture
async def probe(setup: Setup) -> Person:
    """A program that the configuration lists as kakao's user "probe"."""
    account = Account("messenger", "kakao", "probe")
    async with setup.db.write() as tx:
        await people.sync(tx, [Listing("probe", Role.AGENT, "en", accounts=(account,))])
        person = await people.by_account(tx, account)
    assert person is not None
    return person


async def test_an_alert_becomes_a_report(setup: Setup, probe: Person, tmp_path: Path) -> None:
    more = {"detail": "no space left on device", "asset": "PAY-WAS-01"}
    body = {"room": "family", "user": "probe", "message_id": "a1", "alert": ALERT | more}
    for repeated in (False, True):
        answer = await setup.send(body)
        assert (answer.status_code, answer.json()["repeated"]) == (202, repeated)
    worker = ReportWorker(build_services(setup.db, tmp_path))
    assert await worker.run_once() == 1
    async with setup.db.read() as tx:
        [made] = await incidents.listing(tx)
        [row] = await audit_read.latest(tx, made.key)
    assert (made.source, made.fingerprint, made.severity) == ("messenger:kakao", "d1", "P1")
    assert (made.summary, made.asset, made.kind) == ("Disk full", "PAY-WAS-01", "DISK_FULL")
    assert row.record.actor == probe.actor
    over = body | {"message_id": "a2", "alert": ALERT | {"status": "resolved"}}
    assert (await setup.send(over)).status_code == 202
    assert await worker.run_once() == 1
    async with setup.db.read() as tx:
        assert (await incidents.listing(tx))[0].state is IncidentState.RESOLVED


async def test_an_alert_of_a_stranger_is_refused(setup: Setup, probe: Person) -> None:
    answer = await setup.send({"room": "family", "user": "u-9", "alert": ALERT})
    assert answer.status_code == 403
    assert "messenger:kakao/u-9" in answer.json()["error"]
    # The same name at another messenger is somebody else.
    answer = await setup.send({"room": "sales", "user": "probe", "alert": ALERT}, "another-secret")
    assert answer.status_code == 403
    assert await setup.inbox() == []


@pytest.mark.parametrize(
    ("alert", "named"),
    [
        ("x", "alert"),
        ([], "alert"),
        ({}, "alert.summary"),
        (ALERT | {"summary": " "}, "alert.summary"),
        (ALERT | {"summary": 5}, "summary"),
        (ALERT | {"summary": "x" * 2_001}, "summary"),
        (ALERT | {"status": "pending"}, "alert.status"),
        (ALERT | {"severity": "purple"}, "alert.severity"),
        (ALERT | {"detail": "nul \0"}, "detail"),
        (ALERT | {"command": "reboot"}, "command"),
    ],
)
async def test_a_bad_alert_is_told_what_is_wrong(
    setup: Setup, probe: Person, alert: object, named: str
) -> None:
    answer = await setup.send({"room": "family", "user": "probe", "alert": alert})
    assert answer.status_code == 422
    assert named in answer.json()["error"]
    assert await setup.inbox() == []


async def test_an_alert_comes_alone_and_is_kept_or_refused(setup: Setup, probe: Person) -> None:
    body = {"room": "family", "user": "probe", "alert": ALERT}
    assert (await setup.send(body | {"text": "and this"})).status_code == 422
    setup.broken = True
    assert (await setup.send(body)).status_code == 503


# Out


async def test_a_card_is_posted_as_text_and_in_the_message_schema(setup: Setup) -> None:
    key = await setup.platform.post(FAMILY, draft(9, CARD))
    [(headers, body)] = setup.far.got
    assert headers["idempotency-key"] == "outbox-9"
    assert body["room"] == "family"
    assert body["text"].startswith("#17 Restart\nRestart? (en)\nTargets: BUDGET-WAS-01\n")
    assert "“approve 17”" in body["text"]
    assert "Approve · Reject" in body["text"]
    assert body["card"]["message_id"] == key == "MSG-20261120-0001"
    assert body["card"]["interactive_action"]["command_code"] == "tokA"


async def test_an_edit_is_a_new_post_under_the_same_id(setup: Setup) -> None:
    key = await setup.platform.post(FAMILY, draft(1, CARD))
    assert await setup.platform.edit(FAMILY, key, draft(2, Card(title="#17 Done"))) == key
    body = setup.far.got[1][1]
    assert body["text"] == "Updated:\n#17 Done"
    assert (body["card"]["message_id"], body["card"]["msg_type"]) == (key, "CARD_UPDATE")
    with pytest.raises(SendGone):
        await setup.platform.edit(FAMILY, "MSG-1", draft(3, CARD))


async def test_a_whisper_names_whom_it_is_for(setup: Setup) -> None:
    await setup.platform.whisper(FAMILY, "u-1", draft(1, Card(text="no"), "ko"))
    body = setup.far.got[0][1]
    assert (body["user"], body["text"]) == ("u-1", "u-1 님께:\nno (ko)")


@pytest.mark.parametrize(
    ("status", "headers", "delay"),
    [(429, {"Retry-After": "7"}, 7), (503, {}, 5), (500, {"Retry-After": "soon"}, 5)],
)
async def test_a_messenger_in_trouble_is_tried_again_under_the_same_id(
    setup: Setup, status: int, headers: dict[str, str], delay: float
) -> None:
    setup.far.answers.append((status, headers))
    with pytest.raises(SendRetry) as retry:
        await setup.platform.post(FAMILY, draft(4, CARD))
    assert (retry.value.delay, retry.value.doubt) == (delay, False)
    assert not setup.platform.health().ok
    await setup.platform.post(FAMILY, draft(4, CARD))
    ids = [
        (headers["idempotency-key"], body["card"]["message_id"]) for headers, body in setup.far.got
    ]
    assert ids[0] == ids[1]
    assert setup.platform.health().ok


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
async def test_a_refusal_or_a_redirect_is_final(setup: Setup, status: int) -> None:
    setup.far.answers.append((status, {"Location": f"{setup.far.url}/hook"}))
    with pytest.raises(SendRefused, match=str(status)):
        await setup.platform.post(FAMILY, draft(1, CARD))
    assert len(setup.far.got) == 1


async def test_a_lost_answer_leaves_doubt_and_a_closed_door_does_not(setup: Setup) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    urls = {"kakao/family": f"http://127.0.0.1:{port}/", "kakao/mute": f"http://127.0.0.1:{free}/"}
    platform = MessengerPlatform(MessengerSettings({"kakao": SECRET}, urls, 2.0), setup.db)
    await platform.start(setup.keep)
    with pytest.raises(SendRetry) as lost:
        await platform.post(FAMILY, draft(1, CARD))
    with pytest.raises(SendRetry) as closed:
        await platform.post(RoomAddress("messenger", "kakao", "mute"), draft(2, CARD))
    assert (lost.value.doubt, closed.value.doubt) == (True, False)
    await platform.stop()
    server.close()
    await server.wait_closed()


async def test_rooms_without_a_way_out_are_refused(setup: Setup) -> None:
    for room in ("mute", "nowhere"):
        with pytest.raises(SendRefused, match="configuration"):
            await setup.platform.post(RoomAddress("messenger", "kakao", room), draft(1, CARD))
    assert setup.far.got == []
