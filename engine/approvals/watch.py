"""The clocks of waiting actions: escalate, expire, and void what changed under the card."""

from __future__ import annotations

from dataclasses import dataclass

from engine.actions.names import action_name
from engine.approvals.proposals import Proposals
from engine.approvals.settings import ApprovalSettings
from prompts.texts import Text, text
from storage import actions, cards, outbox, people, rooms
from storage.actions import WATCHSTANDER, Action, Guard
from storage.database import Database, Transaction
from storage.lifecycle import Move, State


@dataclass(frozen=True)
class WatchReport:
    """What one round did, by action id."""

    expired: tuple[int, ...]
    escalated: tuple[int, ...]
    superseded: tuple[int, ...]


class ApprovalWatch:
    """Runs every few seconds; each action in a transaction of its own."""

    def __init__(self, db: Database, proposals: Proposals, settings: ApprovalSettings) -> None:
        self._db = db
        self._proposals = proposals
        self._settings = settings

    async def run_once(self) -> WatchReport:
        """One round over all waiting actions."""
        return WatchReport(await self._expire(), await self._escalate(), await self._void_changed())

    async def _expire(self) -> tuple[int, ...]:
        async with self._db.read() as tx:
            late = await actions.overdue(tx)
        done = []
        for action in late:
            async with self._db.write() as tx:
                if await actions.move(
                    tx, action.id, Move.EXPIRE, WATCHSTANDER, only=Guard(overdue=True)
                ):
                    await self._tell_origin(tx, action, text("told_expired", id=action.id))
                    done.append(action.id)
        return tuple(done)

    async def _escalate(self) -> tuple[int, ...]:
        done = []
        async with self._db.read() as tx:
            since = tx.now - self._settings.escalate_minutes * 60_000
            late = await actions.unanswered(tx, since)
        for action in late:
            async with self._db.write() as tx:
                if await actions.escalated(tx, action.id):
                    await self._alarm(tx, action)
                    done.append(action.id)
        return tuple(done)

    async def _alarm(self, tx: Transaction, action: Action) -> None:
        """The approvals rooms get the card, the on-call people a direct message."""
        names = [p.name for p in await people.everyone(tx) if p.on_call]
        words = text(
            "told_escalated",
            id=action.id,
            type=action_name(action.type),
            risk=action.risk,
            minutes=self._settings.escalate_minutes,
            on_call=", ".join(names),
        )
        for room in await rooms.for_approvals(tx):
            await cards.place(tx, action.subject, room.id)
            await outbox.say(tx, room.id, {"text": words.to_json()})
        for person in await people.everyone(tx):
            if person.on_call:
                for room in await rooms.direct(tx, person.id):
                    await outbox.say(
                        tx, room.id, {"text": words.to_json(), "language": person.language}
                    )

    async def _void_changed(self) -> tuple[int, ...]:
        async with self._db.read() as tx:
            waiting = await actions.listing(tx, states=[State.PENDING_APPROVAL], limit=1000)
        done = []
        for action in waiting:
            plan = self._proposals.replan(action)
            if plan is not None and plan.digest == action.digest:
                continue
            async with self._db.write() as tx:
                await self._proposals.supersede(tx, action)
                done.append(action.id)
        return tuple(done)

    async def _tell_origin(self, tx: Transaction, action: Action, words: Text) -> None:
        if action.room_id is not None:
            await outbox.say(tx, action.room_id, {"text": words.to_json()})
