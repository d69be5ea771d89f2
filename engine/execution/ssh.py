"""The one way to a host: a plan's argv over SSH, each sent at most once.

Before a command is sent everything that goes wrong is FAILED: nothing ran.  From the moment it is
sent only an exit status tells what became of it; a lost connection, a passed deadline or an end
without a status is UNKNOWN, and a person settles it.  Nothing is ever sent a second time, see
sending.py; connections come from the pool, see pool.py.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.actions.scripts import Scripts
from engine.errors import GiveUp
from engine.execution.outcome import Outcome, RunResult, StepResult, skipped, without_output
from engine.execution.pool import Lent, NotBegun, Place, Pool, Withheld
from engine.execution.progress import Watch
from engine.execution.sending import Sender
from engine.execution.ssh_setup import (
    SshSettings,
    SshSetupError,
    missing_host_keys,
    setup_problems,
)
from engine.execution.waves import Course, Lane, Work
from engine.inventory import Inventory
from engine.plan import Plan, Step
from prompts.texts import text

__all__ = [
    "Inside",
    "SshRunner",
    "SshSettings",
    "SshSetupError",
    "missing_host_keys",
    "setup_problems",
]

Inside = Callable[[Step], Awaitable[StepResult]]
"""Carries out a step that touches no host."""


class SshRunner:
    """Runs plans. One for the whole process, so that the settings hold for everything together."""

    def __init__(self, settings: SshSettings, inventory: Inventory, scripts: Scripts) -> None:
        """Raises SshSetupError when a host could never be reached safely with these settings."""
        problems = setup_problems(settings, inventory)
        if problems:
            raise SshSetupError(problems)
        self._settings = settings
        self._inventory = inventory
        self._sender = Sender(settings, scripts)
        self._pool = Pool(settings)

    def keep_connections(self) -> None:
        """From now on connections are kept for the next command; whoever says so calls close()."""
        self._pool.start()

    async def close(self) -> None:
        """Close the kept connections. What is asked for later opens and closes its own."""
        await self._pool.close()

    async def run(self, plan: Plan, inside: Inside, watch: Watch | None = None) -> RunResult:
        """Carry out a plan and tell what became of every step; raises nothing for a host's sake.

        Hosts side by side, or in the plan's waves; the steps of one host one after another.  A
        step that fails ends its asset; one that is UNKNOWN, or no connection, ends its host; in a
        rolling plan either ends the run.  What ``watch`` does not let go is SKIPPED.  When
        cancelled, connections are cut and what was sent stays unknown: the caller records that.
        """
        within = self._inside(inside)
        # Two assets of one host may have a key each.
        course = Course(plan, watch, lambda step: self._place(step) if step.host else None)

        async def host(lane: Lane) -> None:
            await self._host(lane, course)

        return await course.run(lambda lane: host if lane.host else within)

    def _inside(self, inside: Inside) -> Work:
        async def work(lane: Lane) -> None:
            for step in lane.steps:
                if not lane.begin():
                    return
                try:
                    lane.record(await inside(step))
                except GiveUp as refusal:
                    lane.record(without_output(step, Outcome.FAILED, refusal.text))

        return work

    async def _host(self, lane: Lane, run: object) -> None:
        step = lane.steps[0]
        try:
            async with self._pool.lent(self._place(step), run, lane.may_send) as lent:
                await self._steps(lane, lent)
        except NotBegun as error:
            lane.record(without_output(step, Outcome.FAILED, error.text))
        except Withheld:
            pass  # its lane says why

    async def _steps(self, lane: Lane, lent: Lent) -> None:
        last_begin = time.monotonic() + self._settings.host_timeout_s - lent.took_s
        failed = ""
        for step in lane.steps:
            if step.asset == failed:
                lane.record(skipped(step))
                continue
            if time.monotonic() > last_begin:
                seconds = f"{self._settings.host_timeout_s:g}"
                late = text("plan_run_host_late", host=step.host, seconds=seconds)
                lane.record(without_output(step, Outcome.FAILED, late))
                return
            if not lane.begin():
                return
            result = await self._sender.send(lent, step, lane.may_send)
            lane.record(result)
            if result.outcome is Outcome.UNKNOWN:
                return
            failed = step.asset if result.outcome is Outcome.FAILED else ""

    def _place(self, step: Step) -> Place:
        """Where the plan says that the step goes, with the keys that the inventory names."""
        asset = self._inventory.assets.get(step.asset)
        there, _, through = step.endpoint.partition(" via ")
        via = None
        if through:
            bastion = self._inventory.bastions.get(asset.via) if asset else None
            own = bastion.key if bastion else ""
            via = Place(*_split(through), self._key(own), name=bastion.code if bastion else "")
        own = asset.key if asset else ""
        return Place(*_split(there), self._key(own), via, name=step.host)

    def _key(self, own: str) -> Path:
        key = Path(own) if own else self._settings.key_file
        assert key is not None  # setup_problems sees to it
        return key


def _split(endpoint: str) -> tuple[str, str, int]:
    """user@address:port, with an IPv6 address in brackets."""
    login, _, place = endpoint.rpartition("@")
    address, _, port = place.rpartition(":")
    return login, address.strip("[]"), int(port)
