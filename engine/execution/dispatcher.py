"""Claims what may run, runs it once, and records what became of it.

At most once: the claim is one conditional UPDATE that is committed before the first byte goes to a
host.  What happens to a claimed action is recorded under the same run id.  When the process dies in
between, the row stays RUNNING; the next start turns it into UNKNOWN and asks a person (E4, I4).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.actions.names import action_name
from engine.approvals.proposals import Proposals
from engine.execution.outcome import Outcome, RunResult, StepResult
from engine.execution.ssh import SshRunner
from engine.plan import Plan, Step
from engine.risk import Level
from prompts.texts import text
from storage import actions, cards, freezes, outbox, people, rooms
from storage.actions import WATCHSTANDER, Action, Guard
from storage.database import Database, Transaction
from storage.lifecycle import Move, State

log = logging.getLogger(__name__)

_PAGE = 100
"""Waiting actions read at a time."""

Inside = Callable[[Action, Step], Awaitable[StepResult]]
"""Carries out a step inside Watchstander (bulk work on requests)."""

_MOVE_AFTER = {
    Outcome.DONE: Move.SUCCEED,
    Outcome.FAILED: Move.FAIL,
    Outcome.SKIPPED: Move.FAIL,
    Outcome.UNKNOWN: Move.LOSE,
}


@dataclass(frozen=True)
class DispatchSettings:
    """How much runs at once."""

    at_once: int = 8
    """Actions running side by side; each target runs one action at a time all the same."""

    look_every_s: float = 5.0
    """Seconds between looks when nothing was announced (a freeze ended elsewhere)."""


class Dispatcher:
    """The one guarded runner."""

    def __init__(
        self,
        db: Database,
        proposals: Proposals,
        runner: SshRunner,
        inside: Inside,
        settings: DispatchSettings,
    ) -> None:
        self._db = db
        self._proposals = proposals
        self._runner = runner
        self._inside = inside
        self._settings = settings
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost: set[int] = set()
        self._claiming = asyncio.Lock()
        self._closing = False

    async def recover(self) -> list[int]:
        """At start: whatever was RUNNING when the last process ended is UNKNOWN now."""
        lost = []
        async with self._db.write() as tx:
            for action in await actions.listing(tx, states=[State.RUNNING], limit=10_000):
                await _lose(tx, action, "the process ended while it ran")
                lost.append(action.id)
        return lost

    async def serve(self) -> None:
        """Run until cancelled."""
        async with self._db.listen("actions") as news:
            while True:
                news.clear()
                async with self._claiming:
                    await self._tell_lost()
                    await self._claim_all()
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: on Python 3.11 it loses a cancel that comes with news.
                    async with asyncio.timeout(self._settings.look_every_s):
                        await news.wait()

    async def drain(self) -> None:
        """Claim nothing more, and wait for what runs. The rest is rows: the next start runs it."""
        self._closing = True
        async with self._claiming:
            pass  # a claim under way comes to its end first
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim_all(self) -> None:
        after = 0
        while len(self._tasks) < self._settings.at_once and not self._closing:
            async with self._db.read() as tx:
                frozen = await freezes.current(tx) is not None
                only = Level.LOW.name if frozen else None
                ready = await actions.ready(tx, _PAGE, after, only)
            if not ready:
                return
            after = ready[-1].id
            for action in ready:
                if len(self._tasks) >= self._settings.at_once:
                    return
                if not self._busy & set(action.targets):
                    await self._claim_and_begin(action)

    async def _claim_and_begin(self, action: Action) -> None:
        try:
            run_id = await self._claim(action)
        # The boundary: an action that cannot be claimed must not stop the ones behind it.
        except Exception:
            log.exception("action %s could not be claimed; it is tried again", action.id)
            return
        if run_id is not None:
            self._begin(action, run_id)

    async def _tell_lost(self) -> None:
        """Whatever this process began and could not record is UNKNOWN: a person is asked."""
        for action_id in sorted(self._lost):
            async with self._db.write() as tx:
                action = await actions.by_id(tx, action_id)
                if action is not None and action.state is State.RUNNING:
                    await _lose(tx, action, "its end could not be recorded")
            self._lost.discard(action_id)

    async def _claim(self, action: Action) -> str | None:
        """Take it, if everything still holds at this moment."""
        run_id = uuid.uuid4().hex
        async with self._db.write() as tx:
            if Level[action.risk] > Level.LOW and await freezes.current(tx) is not None:
                return None
            if not await self._still_right(tx, action):
                await self._proposals.supersede(tx, action)
                return None
            claimed = await actions.move(
                tx,
                action.id,
                Move.CLAIM,
                WATCHSTANDER,
                only=Guard(digest=action.digest, run_by=True),
                values={"run_id": run_id, "started_at": tx.now},
                detail={"run_id": run_id, "digest": action.digest},
            )
        return run_id if claimed else None

    async def _still_right(self, tx: Transaction, action: Action) -> bool:
        """Same plan as was shown, and whoever said yes may still say yes (I5)."""
        plan = self._proposals.replan(action)
        stored = Plan.from_json(action.plan)
        if plan is None or not plan.digest == stored.digest == action.digest:
            return False
        level = Level[action.risk]
        if level < Level.HIGH:
            return True
        if action.decided_by is None:
            return False
        approver = await people.by_id(tx, action.decided_by)
        least = self._proposals.planner.policy.least_role(level)
        return (
            approver is not None and approver.role >= least and approver.id != action.requester_id
        )

    def _begin(self, action: Action, run_id: str) -> None:
        self._busy |= set(action.targets)
        task = asyncio.create_task(self._run(action, run_id), name=f"action-{action.id}")
        self._tasks.add(task)

        def end(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._busy -= set(action.targets)
            self._db.announce({"actions"})
            if not finished.cancelled() and finished.exception() is not None:
                log.error("action %s: its runner broke", action.id, exc_info=finished.exception())
                self._lost.add(action.id)

        task.add_done_callback(end)

    async def _run(self, action: Action, run_id: str) -> None:
        async def inside(step: Step) -> StepResult:
            return await self._inside(action, step)

        plan = Plan.from_json(action.plan)
        result = await self._runner.run(plan, inside)
        await self._record(action, run_id, result)

    async def _record(self, action: Action, run_id: str, result: RunResult) -> None:
        async with self._db.write() as tx:
            moved = await actions.move(
                tx,
                action.id,
                _MOVE_AFTER[result.outcome],
                WATCHSTANDER,
                only=Guard(run_id=run_id),
                values={"result": result.to_json(), "finished_at": tx.now},
                detail={
                    "run_id": run_id,
                    "steps": [
                        {
                            "host": step.step.host,
                            "argv": list(step.step.argv),
                            "outcome": step.outcome.value,
                            "exit_status": step.exit_status,
                        }
                        for step in result.steps
                    ],
                },
            )
            if not moved:
                log.error("action %s: its result came after the row had moved on", action.id)
                return
            after = await actions.by_id(tx, action.id)
            assert after is not None
            if after.state is State.UNKNOWN:
                await _ask_everywhere(tx, after)
            else:
                await _tell_requester(tx, after)


async def _lose(tx: Transaction, action: Action, why: str) -> None:
    values = {"finished_at": tx.now}
    detail = {"why": why}
    await actions.move(tx, action.id, Move.LOSE, WATCHSTANDER, values=values, detail=detail)
    await _ask_everywhere(tx, action)


async def _ask_everywhere(tx: Transaction, action: Action) -> None:
    """The card goes where somebody will see it and settle it."""
    places = {room.id for room in await rooms.with_cards(tx)}
    places |= {room.id for room in await rooms.for_approvals(tx)}
    if action.room_id is not None:
        places.add(action.room_id)
    for room_id in sorted(places):
        await cards.place(tx, action.subject, room_id)
        await outbox.say(tx, room_id, {"text": text("told_unknown", id=action.id).to_json()})


async def _tell_requester(tx: Transaction, action: Action) -> None:
    """An edited card rings no bell: whoever waited for a decision hears how it ended."""
    if action.room_id is None or Level[action.risk] < Level.HIGH:
        return
    words = text(
        "told_finished",
        id=action.id,
        type=action_name(action.type),
        state=text(f"state_{action.state.value}"),
        name=await people.name_of(tx, action.requester_id),
    )
    await outbox.say(tx, action.room_id, {"text": words.to_json()})
