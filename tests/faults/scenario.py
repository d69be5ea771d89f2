"""What people and alarms do in one case, whatever becomes of the bot meanwhile.

Each step is done until the rows show that it was: who sees an error, or no effect of what was
taken, does it again, as people do.  A step that cannot be brought to its end is a lost request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import sqlalchemy as sa

from engine import audit as chain
from storage import actions, attempts, inbox, incidents, outbox
from storage.actions import Action
from storage.lifecycle import FINAL, AttemptState, State
from storage.tables import requests
from tests.faults.rooms import Room, Rooms, Sent
from tests.faults.stage import Stage

PATIENCE_S = 45.0
"""Real seconds for one step, restarts included."""
_AGAIN_S = 3.0
"""Real seconds without an effect after which a person tries again."""
_MOVING = (State.PROPOSED, State.QUEUED, State.APPROVED, State.RUNNING)
_ENDED = FINAL | {State.UNKNOWN}
_AT_ONCE = (AttemptState.BEFORE, AttemptState.AFTER)

Act = Callable[[], Awaitable[Sent | None]]
Check = Callable[[], Awaitable[bool]]


class Stuck(AssertionError):
    """Something that was asked for did not happen, or something did not come to rest."""


@dataclass
class Play:
    """One platform's scenario on one stage."""

    stage: Stage
    rooms: Rooms
    room: Room

    async def all(self) -> None:
        """Everything that people do with a bot on one day, in a few seconds."""
        say, command = self.room.says, self.room.types
        await self.rooms.alarms.fire("shop-host")
        await self._do(
            "a LOW command",
            lambda: command("jun", "/autoq run memory_status PAY-DB-01"),
            lambda: self._stands("memory_status", "PAY-DB-01"),
        )
        await self._do("its end", _nothing, lambda: self._ended("memory_status", "PAY-DB-01"))
        await self._do(
            "words that need approval",
            lambda: say("min", "restart pay-stg-01"),
            lambda: self._stands("server_restart", "PAY-STG-01"),
        )
        await self._decide(await self._newest("server_restart", "PAY-STG-01"), "jun", "")
        await self._do(
            "words about another",
            lambda: say("min", "restart pay-was-01"),
            lambda: self._stands("server_restart", "PAY-WAS-01"),
        )
        await self._decide(await self._newest("server_restart", "PAY-WAS-01"), "ana", "too risky")
        await self._do(
            "a service request",
            lambda: command("min", "/sr new The printer has no paper"),
            self._requested,
        )
        await self._do(
            "a repair that is proposed",
            _nothing,
            lambda: self._stands("server_restart", "SHOP-APP"),
        )
        await self._decide(await self._newest("server_restart", "SHOP-APP"), "jun", "")
        await self.rooms.alarms.fire("shop-host")

    async def settle(self) -> None:
        """Whatever still needs a person gets one: what waits, and what nobody knows the end of."""
        for action in await self._actions(State.PENDING_APPROVAL):
            # Somebody had asked twice.
            await self._decide(action.id, "ana", "once is enough")
        for action in await self._actions(State.UNKNOWN):

            async def settled(number: int = action.id) -> bool:
                found = await self._by_id(number)
                return found.state in FINAL

            await self._do(
                "settling",
                lambda number=action.id: self.room.presses("ana", number, "ran"),  # type: ignore[misc]
                settled,
            )

    async def rest(self) -> None:
        """Wait until nothing is left to do now. Raises Stuck."""
        deadline = time.monotonic() + PATIENCE_S
        while busy := await self.busy():
            if time.monotonic() > deadline:
                raise Stuck(f"no rest: {busy}")
            await asyncio.sleep(0.05)

    async def signed(self) -> None:
        """Wait until the whole audit chain is signed. Raises Stuck.

        Of several processes each leaves that to the next; so it is looked at before the last stops.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            async with self.stage.db.read() as tx:
                proof = await chain.verify(tx, self.stage.audit)
            if proof.signed_rows == proof.rows or not proof.ok:
                return
            if time.monotonic() > deadline:
                raise Stuck(f"{proof.signed_rows} of {proof.rows} audit rows are signed")
            await asyncio.sleep(0.1)

    async def busy(self) -> str:
        """What still goes on; "" when all is at rest."""
        if open_ := self.rooms.open():
            return f"not yet acknowledged: {open_}"
        async with self.stage.db.read() as tx:
            if kept := await inbox.count_waiting(tx):
                return f"{kept} deliveries in the inbox"
            if sends := await outbox.count_waiting(tx):
                return f"{sends} parcels in the outbox"
            if moving := await actions.listing(tx, states=_MOVING):
                return f"#{moving[0].id} is {moving[0].state}"
            if await incidents.due(tx, 1):
                return "an incident is due"
            found = await incidents.listing(tx)
            tried = [
                one for incident in found for one in await attempts.of_incident(tx, incident.id)
            ]
        going = [one for one in tried if one.state in _AT_ONCE]
        return f"attempt {going[0].id} is {going[0].state}" if going else ""

    async def _decide(self, number: int, person: str, reason: str) -> None:
        """Approve an action, or reject it for a reason, and wait for its end."""

        async def decided() -> bool:
            return (await self._by_id(number)).state is not State.PENDING_APPROVAL

        async def ended() -> bool:
            return (await self._by_id(number)).state in _ENDED

        async def act() -> Sent | None:
            if reason:
                return await self.room.rejects(person, number, reason)
            return await self.room.presses(person, number, "approve")

        await self._do(f"{'rejecting' if reason else 'approving'} #{number}", act, decided)
        await self._do(f"the end of #{number}", _nothing, ended)

    async def _do(self, what: str, act: Act, done: Check) -> None:
        deadline = time.monotonic() + PATIENCE_S
        sent: Sent | None = None
        tried_at = 0.0
        while not await done():
            if time.monotonic() > deadline:
                stand = ", ".join(f"#{a.id} {a.type} {a.state}" for a in await self._actions())
                raise Stuck(f"{what}: not done in {PATIENCE_S:g} s ({sent}); {stand}")
            idle = time.monotonic() - tried_at > _AGAIN_S
            if sent is None or sent.lost or (sent.acked and idle and await self._all_handled()):
                sent, tried_at = await act(), time.monotonic()
            await asyncio.sleep(0.02)

    async def _all_handled(self) -> bool:
        async with self.stage.db.read() as tx:
            return await inbox.count_waiting(tx) == 0

    async def _actions(self, *states: State) -> list[Action]:
        async with self.stage.db.read() as tx:
            return await actions.listing(tx, states=states or None, limit=10_000)

    async def _newest(self, kind: str, target: str) -> int:
        found = [a for a in await self._actions() if a.type == kind and target in a.targets]
        if not found:
            raise Stuck(f"no {kind} of {target}")
        return found[0].id

    async def _by_id(self, number: int) -> Action:
        (found,) = [a for a in await self._actions() if a.id == number]
        return found

    async def _stands(self, kind: str, target: str) -> bool:
        return any(a.type == kind and target in a.targets for a in await self._actions())

    async def _ended(self, kind: str, target: str) -> bool:
        found = [a for a in await self._actions() if a.type == kind and target in a.targets]
        return bool(found) and all(a.state in _ENDED for a in found)

    async def _requested(self) -> bool:
        async with self.stage.db.read() as tx:
            return bool(await tx.all(sa.select(requests.c.id)))


async def _nothing() -> None:
    return None
