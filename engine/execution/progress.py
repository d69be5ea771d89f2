"""What a run tells while it goes on, and what each host is at.

What is written down of it is a second old or less while all goes well.  After a crash it says of a
host that is done that it surely is, and of one that was begun that it surely was; a host that
waited may have been begun in the moment after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from engine.execution.outcome import Outcome, RunResult, StepResult
from engine.plan import Plan


class Watch(Protocol):
    """Looks on while a plan is carried out. Steps are numbered as in ``Plan.steps``, from 0."""

    def may_send(self) -> bool:
        """Asked right before anything is sent. After the first False nothing more is."""

    def begun(self, number: int) -> None:
        """A step is begun: from now on nobody but its result can tell what became of it."""

    def ended(self, number: int, result: StepResult) -> None:
        """A step is over, or is skipped."""


class HostState(StrEnum):
    """What a host is at."""

    DONE = "done"  #: every step ended well
    FAILED = "failed"  #: a step failed
    UNKNOWN = "unknown"  #: a step was sent, and nobody knows what became of it
    RUNNING = "running"  #: begun, and not over
    WAITING = "waiting"  #: not begun yet
    SKIPPED = "skipped"  #: left out: no step was begun, and none will be


Tally = Mapping[HostState, tuple[str, ...]]
"""Hosts by what they are at, in the plan's order; "" stands for Watchstander itself."""


class Progress:
    """Collects what a run tells. ``to_json`` is what ``actions.progress`` keeps."""

    def __init__(self, plan: Plan) -> None:
        self._steps: dict[str, list[int]] = {}
        for number, step in enumerate(plan.steps):
            self._steps.setdefault(step.host, []).append(number)
        self._begun: set[int] = set()
        self._ended: dict[int, Outcome] = {}
        self._changed = False

    @property
    def changed(self) -> bool:
        """Whether something happened since it was last taken by ``to_json``."""
        return self._changed

    def begun(self, number: int) -> None:
        """A step is begun."""
        self._begun.add(number)
        self._changed = True

    def ended(self, number: int, result: StepResult) -> None:
        """A step is over, or is skipped."""
        self._ended[number] = result.outcome
        self._changed = True

    def to_json(self) -> dict[str, Any]:
        """Lists of hosts by ``HostState`` value, e.g. ``{"done": ["a"], "running": ["b"], …}``."""
        self._changed = False
        found: dict[str, list[str]] = {state.value: [] for state in HostState}
        for host, numbers in self._steps.items():
            found[self._state(numbers).value].append(host)
        return found

    def _state(self, numbers: list[int]) -> HostState:
        if all(number in self._ended for number in numbers):
            return _over(self._ended[number] for number in numbers)
        touched = any(number in self._begun or number in self._ended for number in numbers)
        return HostState.RUNNING if touched else HostState.WAITING


def tally(kept: Mapping[str, Any]) -> Tally:
    """What ``Progress.to_json`` gave, as it comes back from the row."""
    return {state: tuple(kept.get(state.value, ())) for state in HostState}


def tally_of(result: RunResult) -> Tally:
    """The same of a run that is over."""
    outcomes: dict[str, list[Outcome]] = {}
    for step in result.steps:
        outcomes.setdefault(step.step.host, []).append(step.outcome)
    found = {host: _over(ends) for host, ends in outcomes.items()}
    return {state: tuple(h for h, s in found.items() if s is state) for state in HostState}


def _over(ends: Iterable[Outcome]) -> HostState:
    """What a host is at when all its steps are over."""
    seen = set(ends)
    if Outcome.UNKNOWN in seen:
        return HostState.UNKNOWN
    if seen == {Outcome.DONE}:
        return HostState.DONE
    # Some done and the rest left out: it is not as it should be.
    return HostState.SKIPPED if seen == {Outcome.SKIPPED} else HostState.FAILED
