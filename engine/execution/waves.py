"""The order of a run: hosts side by side, or wave after wave, and every step accounted for.

A host is touched only through its lane, and each lane asks before it sends anything.  So what ends
a run (its watch said no; a host of a rolling run failed) ends it in one place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from engine.execution.outcome import Outcome, RunResult, StepResult, skipped, without_output
from engine.execution.progress import Watch
from engine.plan import Plan, Step
from prompts.texts import text

log = logging.getLogger(__name__)

Work = Callable[["Lane"], Awaitable[None]]
"""Does the steps of a lane, as far as it may."""

_BAD = (Outcome.FAILED, Outcome.UNKNOWN)


class Lane:
    """The steps of one host that go the same way, one after another."""

    def __init__(self, course: Course, host: str, numbers: Sequence[int]) -> None:
        self.host = host
        self._course = course
        self._left = list(numbers)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is still to do."""
        return tuple(self._course.plan.steps[number] for number in self._left)

    def may_send(self) -> bool:
        """Whether anything may go to the host now. To be asked right before it does."""
        return self._course.goes_on(self.host)

    def begin(self) -> bool:
        """Begin the next step. False: it may not be, and neither may those behind it."""
        if not self.may_send():
            return False
        self._course.begun(self._left[0])
        return True

    def record(self, result: StepResult) -> None:
        """What became of the next step."""
        number = self._left.pop(0)
        self._course.took(number, result)

    async def carry_out(self, work: Work) -> None:
        """Do the steps, and account for every one of them whatever happens."""
        try:
            if self.may_send():
                await work(self)
        # The boundary of one host: a bug here must not cut the commands that run on the others.
        except Exception:
            log.exception("%s: the runner broke", self.host or "inside")
            if self._left:
                broke = text("plan_run_broke")
                self.record(without_output(self.steps[0], Outcome.UNKNOWN, broke))
        for step in self.steps:
            self.record(self._course.left_out(step))


class Course:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        watch: Watch | None = None,
        way: Callable[[Step], object] = lambda step: step.endpoint,
    ) -> None:
        """Without a watch nothing is told, and nobody says no. ``way`` (anything hashable): how a
        step gets to its host; steps that differ in it have lanes of their own."""
        self.plan = plan
        self.watch = watch
        self._way = way
        self._results: dict[int, StepResult] = {}
        self._withheld = False
        self._begun: set[str] = set()
        self._failed: list[str] = []
        """Hosts that end a rolling run, the first of them first."""

    async def run(self, work: Callable[[Lane], Work]) -> RunResult:
        """Carry the plan out; ``work`` gives what does the steps of a lane."""
        for wave in self._waves():
            async with asyncio.TaskGroup() as group:
                for lane in wave:
                    group.create_task(lane.carry_out(work(lane)))
        return RunResult(tuple(self._results[number] for number in range(len(self.plan.steps))))

    def goes_on(self, host: str) -> bool:
        """Whether something may be sent to a host.

        After a failure of a rolling run only hosts that were begun before it, each to its end:
        half a host is worse.
        """
        if not self._withheld and self.watch is not None:
            # Kept: a watch that says no and then yes has said no.
            self._withheld = not self.watch.may_send()
        if self._withheld:
            return False
        return not self._failed or (host in self._begun and host not in self._failed)

    def begun(self, number: int) -> None:
        """A step is begun."""
        self._begun.add(self.plan.steps[number].host)
        if self.watch is not None:
            self.watch.begun(number)

    def took(self, number: int, result: StepResult) -> None:
        """A step is over."""
        self._results[number] = result
        if self.plan.rolling and result.outcome in _BAD:
            self._failed.append(result.step.host)
        if self.watch is not None:
            self.watch.ended(number, result)

    def left_out(self, step: Step) -> StepResult:
        """The result of a step that was not begun, with the reason why."""
        if self._withheld:
            return without_output(step, Outcome.SKIPPED, text("progress_withheld"))
        if self._failed and step.host not in self._failed:
            why = text("progress_wave_ended", host=self._failed[0])
            return without_output(step, Outcome.SKIPPED, why)
        return skipped(step)

    def _waves(self) -> list[list[Lane]]:
        lanes: dict[str, dict[object, list[int]]] = {}
        for number, step in enumerate(self.plan.steps):
            lanes.setdefault(step.host, {}).setdefault(self._way(step), []).append(number)
        return [
            [Lane(self, host, numbers) for host in wave for numbers in lanes[host].values()]
            for wave in self.plan.waves
        ]
