"""Fifty people press Approve and Reject on one card at once, in three rooms, again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from websockets.asyncio.client import ClientConnection, connect

from prompts.texts import say, text
from storage import actions
from storage.lifecycle import State
from storage.tables import audit
from tests.acceptance.transcript import Seat
from tests.acceptance.world import SLACK_ROOM, WEB_ROOM, World

ROUNDS = 20
CROWD = tuple((f"p{n:02d}", "ADMIN") for n in range(50))
SLACKERS, TELEGRAMMERS, WEBBERS = CROWD[:17], CROWD[17:34], CROWD[34:]


@dataclass
class WebClient:
    """One signed-in program in the web room that remembers what it was shown."""

    name: str
    socket: ClientConnection
    frames: list[dict[str, object]] = field(default_factory=list)

    async def read(self) -> None:
        async for raw in self.socket:
            self.frames.append(json.loads(raw))

    def buttons(self, action: int) -> dict[str, tuple[str, str]]:
        """Label → (message id, token) of the newest state of an action's card."""
        for frame in reversed(self.frames):
            card = frame.get("card")
            if isinstance(card, dict) and str(card["title"]).startswith(f"#{action} "):
                return {b["label"]: (str(frame["message_id"]), b["token"]) for b in card["buttons"]}
        return {}

    def whispers(self) -> list[str]:
        own = [f for f in self.frames if f.get("sender_type") == "BOT"]
        return [str(f["content"]) for f in own if f["msg_type"] == "CHAT"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, crowd=CROWD) as stage:
        yield stage


@pytest.fixture
async def webbers(world: World) -> AsyncIterator[list[WebClient]]:
    clients: list[WebClient] = []
    readers = []
    address = world.address.replace("http", "ws")
    for name, _ in WEBBERS:
        headers = {"Authorization": f"Bearer {await world.token(name)}"}
        url = f"{address}/ws/chat/{WEB_ROOM}/{name}/HUMAN"
        socket = await connect(url, additional_headers=headers)
        clients.append(WebClient(name, socket))
        readers.append(asyncio.create_task(clients[-1].read()))
    yield clients
    for client in clients:
        await client.socket.close()
    await asyncio.gather(*readers, return_exceptions=True)


async def until(
    check: Callable[[], Awaitable[bool] | bool], what: str, seconds: float = 20
) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = check()
        if found if isinstance(found, bool) else await found:
            return
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


async def test_one_decision_one_run_and_a_polite_answer_for_everybody_else(
    world: World, webbers: list[WebClient]
) -> None:
    for number in range(1, ROUNDS + 1):
        await _round(world, webbers, number)
    assert world.slack.violations == []
    assert world.telegram.violations == []


async def _round(world: World, webbers: list[WebClient], number: int) -> None:
    await world.seats["slack"].types("min", "/autoq run server_restart PAY-STG-01")
    for seat in world.seats.values():
        await until(
            lambda seat=seat: _buttons(seat, number, 3), f"no card #{number} in {seat.name}"
        )  # type: ignore[misc]
    await until(lambda: all(len(c.buttons(number)) == 3 for c in webbers), "no card on the web")
    before = _answers(world, webbers)
    ran_before = len(world.ledger())
    await asyncio.gather(*_presses(world, webbers, number))
    await until(
        lambda: sum(_answers(world, webbers).values()) >= sum(before.values()) + 50,
        f"round {number}: fewer than 50 answers",
    )
    await until(lambda: _ended(world, number), f"round {number}: not ended")
    for seat in world.seats.values():
        await until(lambda seat=seat: _buttons(seat, number, 0), f"{seat.name} still shows buttons")  # type: ignore[misc]
    await until(
        lambda: all(c.buttons(number) == {} for c in webbers), "the web still shows buttons"
    )
    await _judge(world, number, len(world.ledger()) - ran_before)
    after = _answers(world, webbers)
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(after, 1)


def _presses(world: World, webbers: list[WebClient], number: int) -> list[Awaitable[None]]:
    presses: list[Awaitable[None]] = []
    for place, (name, _) in enumerate(SLACKERS):
        presses.append(_slack(world, name, number, place % 2 == 0))
    for place, (name, _) in enumerate(TELEGRAMMERS):
        verb = "approve" if place % 2 else "reject"
        presses.append(world.seats["telegram"].presses(name, number, verb, None))
    for place, client in enumerate(webbers):
        label = say(text("button_approve" if place % 2 else "button_reject"), "en")
        message, token = client.buttons(number)[label]
        frame = {"type": "press", "message_id": message, "command_code": token}
        presses.append(client.socket.send(json.dumps(frame)))
    return presses


async def _slack(world: World, name: str, number: int, approve: bool) -> None:
    if approve:
        await world.seats["slack"].presses(name, number, "approve", None)
    else:
        await world.seats["slack"].presses(name, number, "reject", "no")


async def _buttons(seat: Seat, number: int, count: int) -> bool:
    seen = await seat.card(number)
    return seen is not None and len(seen.buttons) == count


async def _ended(world: World, number: int) -> bool:
    async with world.app.db.read() as tx:
        action = await actions.by_id(tx, number)
    return action is not None and action.state in (State.SUCCEEDED, State.REJECTED)


async def _judge(world: World, number: int, runs: int) -> None:
    async with world.app.db.read() as tx:
        action = await actions.by_id(tx, number)
        decisions = await tx.all(
            sa.select(audit.c.kind).where(
                audit.c.subject == f"action:{number}",
                audit.c.kind.in_(("action.approve", "action.reject")),
            )
        )
    assert len(decisions) == 1
    assert action is not None
    assert runs == (1 if action.state is State.SUCCEEDED else 0)


def _answers(world: World, webbers: list[WebClient]) -> dict[str, int]:
    """How many private answers each person has had so far."""
    screens = {
        name: sum(
            m.only_for is not None for m in world.slack.screen(SLACK_ROOM, f"U{name.upper()}")
        )
        for name, _ in SLACKERS
    }
    users = {name: 1000 + CROWD.index((name, role)) for name, role in TELEGRAMMERS}
    screens |= {
        name: sum(bool(alert.text) for alert in world.telegram.alerts(user))
        for name, user in users.items()
    }
    return screens | {client.name: len(client.whispers()) for client in webbers}
