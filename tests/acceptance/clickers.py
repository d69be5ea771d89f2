"""Fifty people press Approve and Reject on one card at once, in three rooms, again and again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from websockets.asyncio.client import ClientConnection, connect

from prompts.texts import say, text
from storage import actions
from storage.database import Database
from storage.lifecycle import State
from storage.tables import audit
from tests.acceptance.transcript import Seat
from tests.acceptance.world import SLACK_ROOM, WEB_ROOM, World

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

    async def press(self, action: int, verb: str) -> None:
        message, token = self.buttons(action)[say(text(f"button_{verb}"), "en")]
        frame = {"type": "press", "message_id": message, "command_code": token}
        await self.socket.send(json.dumps(frame))

    def whispers(self) -> list[str]:
        own = [f for f in self.frames if f.get("sender_type") == "BOT"]
        return [str(f["content"]) for f in own if f["msg_type"] == "CHAT"]


@asynccontextmanager
async def in_the_web_room(
    world: World, addresses: Sequence[str], names: Sequence[str]
) -> AsyncIterator[list[WebClient]]:
    """A program for each name, connected to the addresses in turn."""
    clients: list[WebClient] = []
    readers = []
    for number, name in enumerate(names):
        headers = {"Authorization": f"Bearer {await world.token(name)}"}
        address = addresses[number % len(addresses)].replace("http", "ws")
        socket = await connect(
            f"{address}/ws/chat/{WEB_ROOM}/{name}/HUMAN", additional_headers=headers, proxy=None
        )
        clients.append(WebClient(name, socket))
        readers.append(asyncio.create_task(clients[-1].read()))
    try:
        yield clients
    finally:
        for client in clients:
            await client.socket.close()
        await asyncio.gather(*readers, return_exceptions=True)


async def until(
    check: Callable[[], Awaitable[bool] | bool], what: str, seconds: float = 20
) -> None:
    """Look again until it holds. Raises AssertionError with ``what``."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Round:
    """Seconds from the moment when everybody pressed."""

    decided: float
    shown: float
    """Until every card in every room showed the end."""
    answered: float
    """Until each of the fifty had their answer."""


@dataclass
class Storm:
    """The crowd in front of the rooms."""

    world: World
    db: Database
    webbers: list[WebClient]

    async def round(self, number: int, cards_within_s: float = 20.0) -> Round:
        """One card, pressed by all. Raises AssertionError for whatever is not as it must be."""
        world = self.world
        await world.seats["slack"].types("min", "/autoq run server_restart PAY-STG-01")
        await self._shows(number, 3, 20.0)
        before = self._answers()
        ran_before = len(world.ledger())
        pressed_at, begun = time.time(), time.monotonic()
        await asyncio.gather(*self._presses(number))
        shown = asyncio.create_task(self._shown(number, begun, cards_within_s))
        wanted = sum(before.values()) + len(before)
        await until(
            lambda: sum(self._answers().values()) >= wanted,
            f"round {number}: fewer than {len(before)} answers",
        )
        answered = time.monotonic() - begun
        after = self._answers()
        assert {name: after[name] - before[name] for name in after} == dict.fromkeys(after, 1)
        took = await shown
        assert took <= cards_within_s, f"round {number}: the cards were right after {took:.1f} s"
        decided_at = await self._judge(number, len(world.ledger()) - ran_before)
        return Round(decided_at / 1000 - pressed_at, took, answered)

    async def _shown(self, number: int, begun: float, within_s: float) -> float:
        await until(lambda: self._ended(number), f"round {number}: not ended")
        await self._shows(number, 0, begun + within_s - time.monotonic())
        return time.monotonic() - begun

    async def _shows(self, number: int, buttons: int, seconds: float) -> None:
        seats = self.world.seats.values()

        async def all_do() -> bool:
            for seat in seats:
                if not await _has(seat, number, buttons):
                    return False
            return all(len(client.buttons(number)) == buttons for client in self.webbers)

        await until(all_do, f"card #{number} with {buttons} buttons is not everywhere", seconds)

    def _presses(self, number: int) -> list[Awaitable[None]]:
        seats = self.world.seats
        presses: list[Awaitable[None]] = []
        for place, (name, _) in enumerate(SLACKERS):
            verb, reason = ("reject", "no") if place % 2 else ("approve", None)
            presses.append(seats["slack"].presses(name, number, verb, reason))
        for place, (name, _) in enumerate(TELEGRAMMERS):
            verb = "approve" if place % 2 else "reject"
            presses.append(seats["telegram"].presses(name, number, verb, None))
        for place, client in enumerate(self.webbers):
            presses.append(client.press(number, "approve" if place % 2 else "reject"))
        return presses

    async def _ended(self, number: int) -> bool:
        async with self.db.read() as tx:
            action = await actions.by_id(tx, number)
        return action is not None and action.state in (State.SUCCEEDED, State.REJECTED)

    async def _judge(self, number: int, runs: int) -> int:
        """One decision, and one run where it was a yes. Gives when it was decided."""
        async with self.db.read() as tx:
            action = await actions.by_id(tx, number)
            decisions = await tx.all(
                sa.select(audit.c.at).where(
                    audit.c.subject == f"action:{number}",
                    audit.c.kind.in_(("action.approve", "action.reject")),
                )
            )
        assert len(decisions) == 1, f"round {number}: {len(decisions)} decisions"
        assert action is not None
        assert runs == (1 if action.state is State.SUCCEEDED else 0), f"round {number}: {runs} runs"
        return int(decisions[0].at)

    def _answers(self) -> dict[str, int]:
        """How many private answers each person has had so far."""
        world = self.world
        found = {
            name: sum(
                m.only_for is not None for m in world.slack.screen(SLACK_ROOM, f"U{name.upper()}")
            )
            for name, _ in SLACKERS
        }
        for name, role in TELEGRAMMERS:
            alerts = world.telegram.alerts(1000 + CROWD.index((name, role)))
            found[name] = sum(bool(alert.text) for alert in alerts)
        return found | {client.name: len(client.whispers()) for client in self.webbers}


async def _has(seat: Seat, number: int, count: int) -> bool:
    seen = await seat.card(number)
    return seen is not None and len(seen.buttons) == count
