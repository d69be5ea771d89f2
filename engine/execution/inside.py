"""Steps that touch no host: approved changes to service requests."""

from __future__ import annotations

import time

from engine.errors import GiveUp, Why
from engine.execution.outcome import Outcome, StepResult
from engine.plan import Step
from engine.requests.bulk import carry_out
from engine.requests.desk import Desk
from prompts.texts import text
from storage import people
from storage.actions import Action
from storage.database import Database


class RequestSteps:
    """Carries a step out in a transaction of its own, in the name of whoever asked for it."""

    def __init__(self, db: Database, desk: Desk) -> None:
        self._db = db
        self._desk = desk

    async def __call__(self, action: Action, step: Step) -> StepResult:
        begun = time.monotonic()
        outcome, detail = Outcome.DONE, text("inside_done", key=step.asset)
        try:
            await self._do(action, step)
        except GiveUp as refused:
            outcome, detail = Outcome.FAILED, refused.text
        ms = round((time.monotonic() - begun) * 1000)
        return StepResult(step, outcome, 0 if outcome is Outcome.DONE else 1, "", detail, ms)

    async def _do(self, action: Action, step: Step) -> None:
        async with self._db.write() as tx:
            person = await people.by_id(tx, action.requester_id)
            if person is None:
                raise GiveUp(Why.FORBIDDEN, text("inside_requester_gone", id=action.id))
            await carry_out(self._desk, tx, person, step.argv)
