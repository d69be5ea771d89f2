"""The one guarded way to carry an action out: claim it, run it once, record what became of it.

At most once: the claim is one conditional UPDATE that is committed, with a hold on every target,
before the first byte goes to a host.  What happens to a claimed action is recorded under the same
run id.  When the process dies in between, the row stays RUNNING and gives no more signs of life;
whoever notices turns it into UNKNOWN and asks a person (E4, I4).
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable

from engine.actions.names import action_name
from engine.approvals.proposals import Proposals
from engine.execution.dispatch import DispatchSettings
from engine.execution.outcome import Outcome, RunResult, StepResult
from engine.execution.pulse import Pulse, Run
from engine.execution.ssh import SshRunner
from engine.plan import Plan, Step
from engine.risk import Level
from prompts.texts import text
from storage import actions, cards, freezes, holds, outbox, people, rooms
from storage.actions import WATCHSTANDER, Action, Guard
from storage.database import Away, Database, Transaction
from storage.lifecycle import Move, State

log = logging.getLogger(__name__)

_PAGE = 1000
"""Waiting actions read at a time."""

Inside = Callable[[Action, Step], Awaitable[StepResult]]
"""Carries out a step inside Watchstander (bulk work on requests)."""

_MOVE_AFTER = {
    Outcome.DONE: Move.SUCCEED,
    Outcome.FAILED: Move.FAIL,
    Outcome.SKIPPED: Move.FAIL,
    Outcome.UNKNOWN: Move.LOSE,
}


class _NotNow(Exception):
    """Takes a claim back: something came in between."""


class Runs:
    """What this process carries out just now, and how it does it."""

    def __init__(
        self,
        db: Database,
        proposals: Proposals,
        runner: SshRunner,
        inside: Inside,
        settings: DispatchSettings,
    ) -> None:
        self.settings = settings
        self._db = db
        self._proposals = proposals
        self._runner = runner
        self._inside = inside
        self._pulse = Pulse(db, settings)
        self._tasks: dict[int, asyncio.Task[bool]] = {}
        self._lost: dict[int, str] = {}
        """Action → run whose end could not be recorded."""
        self._put_off: dict[int, float] = {}
        """Action that could not be claimed → the monotonic moment from which it is tried again."""
        self._closed = False

    @property
    def under_way(self) -> int:
        """How many are being claimed or run."""
        return len(self._tasks)

    async def carry(self, action_id: int) -> bool:
        """Claim an action and see it through; False: it is not claimable now, or broke.

        Whoever waits for this may be cancelled: the run goes on and is recorded all the same.
        """
        task = self.start(action_id)
        return task is not None and await asyncio.shield(task)

    def start(self, action_id: int) -> asyncio.Task[bool] | None:
        """The same in the background; None: nothing more is begun here, or it is under way."""
        if self._closed or action_id in self._tasks:
            return None
        task = asyncio.create_task(self._carry(action_id), name=f"action-{action_id}")
        self._tasks[action_id] = task
        task.add_done_callback(lambda _: self._over(action_id))
        return task

    async def next_up(self, limit: int) -> list[holds.InLine]:
        """The oldest actions whose targets are free, and wanted by none that waits before them."""
        found: list[holds.InLine] = []
        if limit <= 0:
            return found
        async with self._db.read() as tx:
            only = Level.LOW.name if await freezes.current(tx) is not None else None
            blocked = await holds.held(tx)
            after = 0
            while page := await holds.line(tx, _PAGE, after, only):
                after = page[-1].id
                for waiting in page:
                    if self._is_put_off(waiting.id):
                        continue
                    if not blocked & waiting.targets and waiting.id not in self._tasks:
                        found.append(waiting)
                        if len(found) == limit:
                            return found
                    blocked |= waiting.targets
        return found

    async def recover(self, why: str) -> list[int]:
        """Call everything RUNNING lost: right where no other process could be running it."""
        lost = []
        async with self._db.write() as tx:
            for action in await actions.listing(tx, states=[State.RUNNING], limit=10_000):
                if await lose(tx, action, why, Guard()):
                    lost.append(action.id)
            await holds.free_stale(tx)
        return lost

    async def tell_lost(self) -> None:
        """Whatever this process began and could not record is UNKNOWN: a person is asked."""
        for action_id, run_id in sorted(self._lost.items()):
            async with self._db.write() as tx:
                action = await actions.by_id(tx, action_id)
                if action is not None:
                    why = "its end could not be recorded"
                    await lose(tx, action, why, Guard(run_id=run_id))
            self._lost.pop(action_id)

    def runs_here(self, action_id: int) -> bool:
        """Whether this process has it in hand."""
        return action_id in self._tasks

    async def drain(self) -> None:
        """Begin nothing more, and wait for what runs."""
        self._closed = True
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def kill(self) -> list[asyncio.Task[bool]]:
        """Cut everything off where it stands, as when the process ends; gives what was cut."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _is_put_off(self, action_id: int) -> bool:
        until = self._put_off.get(action_id)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        del self._put_off[action_id]
        return False

    def _over(self, action_id: int) -> None:
        task = self._tasks.pop(action_id)
        if task.cancelled():
            return
        if task.exception() is not None or task.result() or action_id in self._put_off:
            self._db.announce({"actions"})

    async def _carry(self, action_id: int) -> bool:
        run_id = uuid.uuid4().hex
        begun = time.monotonic()
        try:
            action = await self._claim(action_id, run_id)
        # The boundary: an action that cannot be claimed must not stop the ones behind it.
        except Exception as error:
            trace = not isinstance(error, Away)
            log.error("action %s could not be claimed: %s", action_id, error, exc_info=trace)
            self._put_off[action_id] = begun + self.settings.look_every_s
            # If the claim was stored all the same, nobody runs it.
            self._lost[action_id] = run_id
            return False
        if action is None:
            return False
        try:
            await self._run(Run(action, run_id, begun, self.settings.sure_s))
        # The boundary of one action: nobody waits for what this raises.
        except Exception:
            log.exception("action %s: its runner broke", action_id)
            self._lost[action_id] = run_id
        return True

    async def _claim(self, action_id: int, run_id: str) -> Action | None:
        """Take it, if everything still holds at this moment."""
        try:
            async with self._db.write() as tx:
                action = await actions.by_id(tx, action_id)
                if action is None or action.state not in (State.QUEUED, State.APPROVED):
                    return None
                if not await self._still_right(tx, action):
                    await self._proposals.supersede(tx, action)
                    return None
                await self._take(tx, action, run_id)
                return action
        except _NotNow:
            return None

    async def _take(self, tx: Transaction, action: Action, run_id: str) -> None:
        if not await holds.take(tx, action.id, run_id, action.targets):
            raise _NotNow
        claimed = await actions.move(
            tx,
            action.id,
            Move.CLAIM,
            WATCHSTANDER,
            only=Guard(digest=action.digest, run_by=True),
            values={"run_id": run_id, "started_at": tx.now, "beat_at": tx.now},
            detail={"run_id": run_id, "digest": action.digest},
        )
        # Asked after the move: its audit row is written by one transaction at a time, and so is
        # that of a freeze. A freeze before ours in that order is committed, and seen here.
        frozen = Level[action.risk] > Level.LOW and await freezes.current(tx) is not None
        if not claimed or frozen:
            raise _NotNow

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

    async def _run(self, run: Run) -> None:
        async def inside(step: Step) -> StepResult:
            return await self._inside(run.action, step)

        with self._pulse.beating(run):
            result = await self._runner.run(run.plan, inside, run)
            await self._record_surely(run, result)

    async def _record_surely(self, run: Run, result: RunResult) -> None:
        """Record it, if the database is back within the time in which the run is not yet lost."""
        until = time.monotonic() + self.settings.lost_after_s
        pause = 0.1
        while True:
            try:
                return await self._record(run, result)
            except Away as away:
                if time.monotonic() + pause > until:
                    raise
                log.warning("action %s: not recorded yet: %s", run.action.id, away)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)

    async def _record(self, run: Run, result: RunResult) -> None:
        async with self._db.write() as tx:
            moved = await actions.move(
                tx,
                run.action.id,
                _MOVE_AFTER[result.outcome],
                WATCHSTANDER,
                only=Guard(run_id=run.id),
                values={"result": result.to_json(), "finished_at": tx.now},
                detail={"run_id": run.id, "steps": _told(result)},
            )
            after = await actions.by_id(tx, run.action.id)
            assert after is not None
            if not moved:
                if after.run_id != run.id or after.result is None:  # else an answer got lost
                    log.error("action %s: its result came after the row moved on", after.id)
                return
            await holds.free(tx, after.id)
            if after.state is State.UNKNOWN:
                await _ask_everywhere(tx, after)
            else:
                await _tell_requester(tx, after)


async def lose(tx: Transaction, action: Action, why: str, only: Guard) -> bool:
    """A run that nobody can tell the end of is UNKNOWN, and a person is asked. False: it is not."""
    lost = await actions.move(
        tx,
        action.id,
        Move.LOSE,
        WATCHSTANDER,
        only=only,
        values={"finished_at": tx.now},
        detail={"why": why},
    )
    if lost:
        await holds.free(tx, action.id)
        await _ask_everywhere(tx, action)
    return lost


def _told(result: RunResult) -> list[dict[str, object]]:
    return [
        {
            "host": step.step.host,
            "argv": list(step.step.argv),
            "outcome": step.outcome.value,
            "exit_status": step.exit_status,
        }
        for step in result.steps
    ]


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
