"""Alertmanager's webhook over real HTTP: kept before it is answered, taken once, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.reports import ReportWorker, ReportWorkerSettings
from handlers.webhooks.alertmanager import BODY_LIMIT, alertmanager_routes
from handlers.webhooks.together import Together
from storage import inbox, incidents, people, rooms, tokens
from storage.database import Database, Transaction
from storage.incidents import Incident
from storage.lifecycle import IncidentState
from storage.people import Listing, Role
from storage.rooms import RoomListing
from tests.conftest import FakeClock
from tests.contract.web_server import serving
from tests.unit.requests.parts import build_services

PATH = "/webhooks/alertmanager"

# As Alertmanager 0.25 sends it.
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {
        "alertname": "InstanceDown",
        "instance": "pay-was-01:9100",
        "job": "node",
        "severity": "critical",
    },
    "annotations": {
        "summary": "pay-was-01 is down",
        "description": "no answer: connection timed out",
    },
    "startsAt": "2026-11-20T08:58:13.12Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
    "fingerprint": "f1",
}
PAYLOAD: dict[str, Any] = {
    "receiver": "watchstander",
    "status": "firing",
    "alerts": [ALERT],
    "groupLabels": {"alertname": "InstanceDown"},
    "commonLabels": ALERT["labels"],
    "commonAnnotations": ALERT["annotations"],
    "externalURL": "http://alertmanager:9093",
    "version": "4",
    "groupKey": '{}:{alertname="InstanceDown"}',
    "truncatedAlerts": 0,
}


def alert(fingerprint: str = "f1", *, over: bool = False, **more: Any) -> dict[str, Any]:
    made = deepcopy(ALERT) | {"fingerprint": fingerprint} | more
    if over:
        made |= {"status": "resolved", "endsAt": "2026-11-20T09:05:00Z"}
    return made


def payload(*alerts: Any, **more: Any) -> dict[str, Any]:
    return PAYLOAD | {"alerts": list(alerts)} | more


@dataclass
class Door:
    """The webhook on a real server, and the loop behind it."""

    db: Database
    clock: FakeClock
    http: httpx.AsyncClient
    worker: ReportWorker
    secrets: dict[str, str]

    async def send(self, body: Any, who: str = "robot") -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.secrets[who]}"}
        return await self.http.post(PATH, json=body, headers=headers)

    async def kept(self, *alerts: Any) -> dict[str, Any]:
        """Send a notification, see it acknowledged, and let it be taken."""
        answer = await self.send(payload(*alerts))
        assert answer.status_code == 200, answer.text
        await self.take()
        found: dict[str, Any] = answer.json()
        return found

    async def take(self) -> None:
        while await self.worker.run_once():
            pass

    async def waiting(self) -> list[inbox.Delivery]:
        async with self.db.read() as tx:
            return await inbox.waiting(tx, 1000)

    async def incidents(self) -> list[Incident]:
        """Oldest first."""
        async with self.db.read() as tx:
            return (await incidents.listing(tx, 1000))[::-1]


@pytest.fixture
async def door(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Door]:
    listings = [Listing("robot", Role.AGENT, "ko"), Listing("ana", Role.ADMIN, "en")]
    async with db.write() as tx:
        await people.sync(tx, listings)
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
        secrets = {
            person.name: await tokens.create(tx, person.id, "api", None)
            for person in await people.everyone(tx)
        }
    services = build_services(db, tmp_path)
    async with (
        serving(alertmanager_routes(services)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        worker = ReportWorker(services, ReportWorkerSettings(pause_s=0))
        yield Door(db, clock, http, worker, secrets)


async def test_it_is_kept_before_it_is_answered_and_taken_after(door: Door) -> None:
    answer = await door.send(PAYLOAD)
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "kept", "alerts": 1, "repeated": False, "truncated": 0, "problems": []},
    )
    [delivery] = await door.waiting()
    assert delivery.source == "reports"
    assert await door.incidents() == []
    await door.take()
    assert await door.waiting() == []
    [made] = await door.incidents()
    assert (made.source, made.fingerprint, made.severity) == ("alertmanager", "f1", "P1")
    assert (made.summary, made.asset) == ("pay-was-01 is down", "PAY-WAS-01")
    assert made.detail == "InstanceDown\nno answer: connection timed out"
    assert made.kind == "TIMEOUT"


async def test_firing_then_resolved(door: Door, clock: FakeClock) -> None:
    await door.kept(alert())
    clock.forward(minutes=5)
    await door.kept(alert(over=True))
    [made] = await door.incidents()
    assert (made.state, made.resolved_at) == (IncidentState.RESOLVED, clock.now)


async def test_both_in_one_notification_are_taken_in_order(door: Door) -> None:
    await door.kept(alert("a"), alert("b"), alert("a", over=True), alert("never", over=True))
    states = {one.fingerprint: one.state for one in await door.incidents()}
    assert states == {"a": IncidentState.RESOLVED, "b": IncidentState.OPEN}


@pytest.mark.parametrize("seconds", [0, 5, 59])
async def test_a_retry_of_the_same_notification_counts_once(
    door: Door, clock: FakeClock, seconds: float
) -> None:
    for start in range(3):
        # Wherever in the minute the first one came.
        clock.forward(minutes=10, seconds=20 * start)
        body = payload(alert(f"f{start}"))
        assert (await door.send(body)).json()["repeated"] is False
        clock.forward(seconds=seconds)
        assert (await door.send(body)).json()["repeated"] is True
    await door.take()
    assert [one.count for one in await door.incidents()] == [1, 1, 1]


async def test_a_repeated_notification_of_what_goes_on_counts_again(
    door: Door, clock: FakeClock
) -> None:
    for _ in range(3):
        assert (await door.kept(alert()))["repeated"] is False
        clock.forward(minutes=1)
    [made] = await door.incidents()
    assert (made.count, made.flaps) == (3, 0)


async def test_many_alerts_are_taken_part_by_part(door: Door) -> None:
    answer = await door.send(payload(*(alert(f"f{n}") for n in range(25))))
    assert answer.json()["alerts"] == 25
    assert [len(d.body["reports"]) for d in await door.waiting()] == [10, 10, 5]
    await door.take()
    assert len(await door.incidents()) == 25


async def test_a_bad_alert_is_named_and_the_others_are_kept(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    body = payload(
        alert("good"),
        "no object",
        alert(status="pending"),
        alert(labels={}),
        alert(labels={"a": 1}),
        alert(annotations=["x"]),
        alert(fingerprint=7),
        alert("x" * 201),
        truncatedAlerts=3,
    )
    answer = (await door.send(body)).json()
    assert (answer["alerts"], answer["truncated"]) == (1, 3)
    assert [problem.partition(":")[0] for problem in answer["problems"]] == [
        "alerts[1]",
        "alerts[2]",
        "alerts[3]",
        "alerts[4]",
        "alerts[5]",
        "and 2 more",
    ]
    assert "alerts[2]: status" in caplog.text
    await door.take()
    assert [one.fingerprint for one in await door.incidents()] == ["good"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (payload(alert(), version="3"), "version"),
        ({"alerts": [ALERT]}, "version"),
        (payload(), "alerts"),
        (payload(alert()) | {"alerts": {"a": 1}}, "alerts"),
        (payload({}), "alerts[0]: status"),
        ([PAYLOAD], "body"),
        ("x", "body"),
    ],
)
async def test_what_is_no_notification_is_refused_and_leaves_nothing(
    door: Door, body: Any, named: str
) -> None:
    answer = await door.send(body)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["message"]
    assert await door.waiting() == []


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ws_wrong", "Basic eDp5"])
async def test_without_a_token_nothing_is_read(door: Door, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await door.http.post(PATH, content=b"x" * 100, headers=headers)
    assert answer.status_code == 401
    assert await door.waiting() == []


async def test_a_thousand_alerts_fit_and_absurd_bodies_do_not(door: Door) -> None:
    large = alert(annotations={"description": "x" * 2_000})
    assert (await door.send(payload(*[large] * 1_000))).status_code == 200
    answer = await door.send(payload(alert(annotations={"description": "x" * BODY_LIMIT})))
    assert answer.status_code == 413
    assert str(BODY_LIMIT) in answer.json()["message"]


async def test_odd_bytes_are_kept_and_cleaned(door: Door) -> None:
    body = json.dumps(payload(alert(annotations={"summary": "a\0b \udc00 \x1b[31mc"})))
    headers = {
        "Authorization": f"Bearer {door.secrets['robot']}",
        "Content-Type": "application/json",
    }
    answer = await door.http.post(PATH, content=body.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    await door.take()
    [made] = await door.incidents()
    assert made.summary == "a\ufffdb \ufffd c"


async def test_what_could_not_be_kept_is_not_acknowledged(door: Door) -> None:
    together = Together(door.db)

    async def keep(tx: Transaction) -> bool:
        return await inbox.keep(tx, "reports", "good", {"reports": []}) is not None

    async def broken(tx: Transaction) -> bool:
        raise OSError("no space left on device")

    results = await asyncio.gather(
        together.write(keep), together.write(broken), return_exceptions=True
    )
    assert [type(result) for result in results] == [OSError, OSError]
    assert await door.waiting() == []
    assert (
        await asyncio.gather(*(together.write(keep) for _ in range(120))) == [True] + [False] * 119
    )
    assert len(await door.waiting()) == 1


async def test_a_caller_that_went_away_keeps_nobody_else_from_an_answer(door: Door) -> None:
    together = Together(door.db)

    async def keep(tx: Transaction) -> bool:
        return await inbox.keep(tx, "reports", "good", {"reports": []}) is not None

    gone = asyncio.create_task(together.write(keep))
    await asyncio.sleep(0)
    gone.cancel()
    assert await together.write(keep) is False
    assert gone.cancelled()


async def test_a_delivery_that_cannot_be_taken_is_set_aside_and_the_next_is_taken(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    async with door.db.write() as tx:
        await inbox.keep(tx, "reports", "poison", {"actor": "x", "reports": [{"what": 1}]})
    await door.kept(alert())
    assert len(await door.incidents()) == 1
    assert await door.waiting() == []
    assert "could not be taken" in caplog.text


async def test_a_taken_delivery_is_not_taken_twice(door: Door) -> None:
    await door.send(payload(alert()))
    [delivery] = await door.waiting()
    await door.worker._handle(delivery)
    await door.worker._handle(delivery)
    [made] = await door.incidents()
    assert made.count == 1


async def test_a_burst_is_acknowledged_while_it_is_taken_and_all_of_it_counted(door: Door) -> None:
    """300 notifications, 30 fingerprints, every second one flapping."""
    serve = asyncio.create_task(door.worker.serve())

    async def one(number: int) -> int:
        group, turn = number % 30, number // 30
        over = group % 2 == 1 and turn % 2 == 1
        body = payload(alert(f"f{group}", over=over), groupKey=str(turn))
        return (await door.send(body)).status_code

    try:
        for start in range(0, 300, 30):
            # One notification of a group at a time, as Alertmanager does it.
            codes = await asyncio.gather(*(one(number) for number in range(start, start + 30)))
            assert set(codes) == {200}
        async with asyncio.timeout(60):
            while await door.waiting():
                await asyncio.sleep(0.02)
    finally:
        serve.cancel()
        await asyncio.gather(serve, return_exceptions=True)
    found = await door.incidents()
    assert len(found) == 30
    assert sum(one.count for one in found) == 300 - 75
    assert sorted(one.flaps for one in found) == [0] * 15 + [4] * 15
