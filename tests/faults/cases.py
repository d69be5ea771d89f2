"""One case: a fresh database, a bot that dies at its point, and whatever must hold afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from storage.failpoints import When
from tests.faults.bot_process import Point
from tests.faults.judge import Verdict, judge
from tests.faults.rooms import Rooms
from tests.faults.scenario import Play, Stuck
from tests.faults.screens import press_dead_copies, still_alive
from tests.faults.stage import Ground, Stage, beside, staged

PLATFORMS = ("slack", "telegram", "web")


@dataclass(frozen=True)
class Case:
    """What is tried. ``str`` is what ``--only`` takes to try it again."""

    database: str
    platform: str
    point: Point

    def __str__(self) -> str:
        return f"{self.database}/{self.platform}/{self.point}"

    @staticmethod
    def parse(words: str) -> Case:
        """Read ``sqlite/web/after:inbox.insert:3``. Raises ValueError for anything else."""
        database, platform, point = words.split("/")
        return Case(database, platform, Point.parse(point))


@dataclass
class Report:
    """What came of it."""

    name: str
    reached: bool = True
    """False: the process never came to its point, so nothing was tried."""
    kills: int = 1
    dead_copies: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    log: str = ""
    """The last words of the processes, where something was wrong."""


async def dry(ground: Ground, folder: Path, platform: str) -> list[tuple[str, When, int]]:
    """Play once without dying, and judge: the points that are passed, and how often."""
    async with staged(ground, folder) as stage:
        bot = await stage.start(record=True)
        rooms = Rooms(stage, 0)
        play = Play(stage, rooms, rooms.of(platform))
        async with beside(*rooms.begin()):
            await play.all()
            await play.rest()
            if stage.db.is_shared:
                await play.signed()
            assert await bot.stop() == 0, bot.ended
        verdict = await judge(stage, rooms)
        assert not verdict.violations, f"{platform} without any fault: {dict(verdict.violations)}"
        return bot.hits()


async def run(ground: Ground, folder: Path, case: Case) -> Report:
    """Run one case. Whatever goes wrong is in the report."""
    begun = time.monotonic()
    report = Report(str(case))
    async with staged(ground, folder) as stage:
        rooms = Rooms(stage, 0)
        try:
            verdict = await _play(stage, rooms, case)
            report.dead_copies = verdict.dead_copies
            report.violations = dict(verdict.violations)
        # The boundary of a case: whatever it is, the others go on, and the report has it.
        except Stuck as stuck:
            report.violations = {"I3": [str(stuck)]}
        except Exception:
            report.violations = {"broke": [traceback.format_exc()]}
        report.reached = stage.deaths > 0
        if report.violations:
            report.log = stage.outside.folder.joinpath("bot0.log").read_text("utf-8", "replace")
    report.seconds = time.monotonic() - begun
    return report


async def _play(stage: Stage, rooms: Rooms, case: Case) -> Verdict:
    bot = await stage.start(die=case.point)
    alive = asyncio.create_task(stage.keep_alive())
    play = Play(stage, rooms, rooms.of(case.platform))
    async with beside(*rooms.begin()):
        async with beside(alive):
            await play.all()
            for _ in range(2):  # what is settled may set something going
                await play.settle()
                await play.rest()
            pressed = await press_dead_copies(stage)
            await play.rest()
            if stage.db.is_shared:
                await play.signed()
        if await _close(stage) is None:
            # It died while it stopped: one more start brings everything to rest.
            async with beside(asyncio.create_task(stage.keep_alive())):
                await play.rest()
                if stage.db.is_shared:
                    await play.signed()
            assert await _close(stage) == 0, bot.ended
    verdict = await judge(stage, rooms)
    for problem in still_alive(stage, pressed):
        verdict.blame("I8", problem)
    return verdict


async def _close(stage: Stage) -> int | None:
    """Stop in order; None when the process died at its point instead."""
    (bot,) = stage.bots
    with contextlib.suppress(ProcessLookupError):
        status = await bot.stop()
    if bot.died_as_told:
        await stage.bury(bot)
        await stage.start()
        return None
    assert status == 0, bot.ended
    return status
