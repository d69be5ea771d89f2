"""Random kills under load: people and alarms go on in all three rooms while processes die."""

from __future__ import annotations

import asyncio
import random
import traceback
from dataclasses import dataclass
from pathlib import Path

from storage import actions
from storage.lifecycle import State
from tests.faults.cases import Report
from tests.faults.judge import Verdict, judge
from tests.faults.rooms import Room, Rooms
from tests.faults.scenario import Play, Stuck
from tests.faults.screens import press_dead_copies, still_alive
from tests.faults.stage import Ground, Stage, beside, staged

_TARGETS = ("PAY-STG-01", "PAY-WAS-01", "SHOP-APP")
_HOSTS = {"pay-stg-01": "tomcat", "pay-was-01": "tomcat stays", "shop-host": "shop-app"}
_SOONEST_S, _LATEST_S = 0.3, 2.0
"""Between two kills."""
_EARLY = 0.2
"""Of the kills, those that may meet a process while it starts; the others let it do some work."""
_MOST_WAITING = 6
"""Decisions that people let pile up before they ask for more."""


@dataclass(frozen=True)
class Storm:
    """What is tried; the same seed draws the same moments and the same people."""

    database: str
    replicas: int
    seed: int
    kills: int

    def __str__(self) -> str:
        return f"{self.database}/storm/{self.replicas}x{self.kills}/{self.seed}"

    @staticmethod
    def parse(words: str) -> Storm:
        """Read ``postgresql/storm/3x50/17``. Raises ValueError for anything else."""
        database, kind, size, seed = words.split("/")
        replicas, _, kills = size.partition("x")
        if kind != "storm":
            raise ValueError(f"{words!r}: write DATABASE/storm/REPLICASxKILLS/SEED")
        return Storm(database, int(replicas), int(seed), int(kills))


async def run(ground: Ground, folder: Path, storm: Storm) -> Report:
    """Run one storm. Whatever goes wrong is in the report."""
    report = Report(str(storm), kills=0)
    begun = asyncio.get_running_loop().time()
    async with staged(ground, folder, storm.replicas) as stage:
        for host, service in _HOSTS.items():
            home = folder / "hosts" / "homes" / host
            (home / "failing").write_text(f"{service}\n", "utf-8")
        rooms = Rooms(stage, storm.seed)
        try:
            verdict = await _blow(stage, rooms, storm)
            report.dead_copies = verdict.dead_copies
            report.violations = dict(verdict.violations)
        # The boundary of a storm: whatever it is, the others go on, and the report has it.
        except Stuck as stuck:
            report.violations = {"I3": [str(stuck)]}
        except Exception:
            report.violations = {"broke": [traceback.format_exc()]}
        report.kills = stage.deaths
        if report.violations:
            report.log = "\n".join(bot.words()[-20_000:] for bot in stage.bots)
    report.seconds = asyncio.get_running_loop().time() - begun
    return report


async def _blow(stage: Stage, rooms: Rooms, storm: Storm) -> Verdict:
    draw = random.Random(storm.seed)
    for number in range(storm.replicas):
        await stage.start(number)
    keepers = [asyncio.create_task(stage.keep_alive(n)) for n in range(storm.replicas)]
    play = Play(stage, rooms, rooms.web)
    async with beside(*rooms.begin()):
        async with beside(*keepers):
            async with beside(*_people(stage, rooms, draw)):
                await _kill(stage, draw, storm.kills)
            await _calm(stage, rooms, play, draw)
            pressed = await press_dead_copies(stage)
            await play.rest()
            await play.signed()
        for bot in stage.bots:
            assert await bot.stop() == 0, bot.ended
    verdict = await judge(stage, rooms)
    for problem in still_alive(stage, pressed):
        verdict.blame("I8", problem)
    return verdict


async def _kill(stage: Stage, draw: random.Random, kills: int) -> None:
    while stage.deaths < kills:
        await asyncio.sleep(draw.uniform(_SOONEST_S, _LATEST_S))
        early = draw.random() < _EARLY
        victims = [bot for bot in stage.bots if bot.alive and (bot.ready or early)]
        if victims:
            draw.choice(victims).kill()


async def _calm(stage: Stage, rooms: Rooms, play: Play, draw: random.Random) -> None:
    """Bring everything to its end: what waits is decided, what is unknown is settled."""
    async with asyncio.timeout(180):
        while True:
            while await _decide_one(stage, rooms, draw):
                await asyncio.sleep(0.1)
            await play.rest()
            await play.settle()
            if not await _waiting(stage) and not await play.busy():
                return


def _people(stage: Stage, rooms: Rooms, draw: random.Random) -> list[asyncio.Task[None]]:
    each: list[Room] = [rooms.slack, rooms.telegram, rooms.web]
    works = [_asking(stage, room, draw) for room in each]
    works += [_deciding(stage, rooms, draw), _alarming(rooms, draw)]
    return [asyncio.create_task(work) for work in works]


async def _asking(stage: Stage, room: Room, draw: random.Random) -> None:
    while True:
        await asyncio.sleep(draw.uniform(0.5, 2.0))
        target = draw.choice(_TARGETS)
        kind = draw.random()
        if kind < 0.5 and len(await _waiting(stage)) < _MOST_WAITING:
            await room.types("min", f"/autoq run server_restart {target}")
        elif kind < 0.6 and len(await _waiting(stage)) < _MOST_WAITING:
            await room.says("min", f"restart {target.lower()}")
        elif kind < 0.9:
            await room.types("jun", f"/autoq run memory_status {target}")
        else:
            await room.types("jun", "/sr new The printer has no paper")


async def _deciding(stage: Stage, rooms: Rooms, draw: random.Random) -> None:
    while True:
        await asyncio.sleep(draw.uniform(0.2, 0.6))
        await _decide_one(stage, rooms, draw)


async def _decide_one(stage: Stage, rooms: Rooms, draw: random.Random) -> bool:
    """Somebody looks at a card that waits, in any room; False when none waits."""
    waiting = await _waiting(stage)
    if not waiting:
        return False
    room = rooms.of(draw.choice(("slack", "telegram", "web")))
    number = draw.choice(waiting)
    person = draw.choice(("ana", "ana", "jun", "min"))
    if draw.random() < 0.6:
        await room.presses(person, number, "approve")
    else:
        await room.rejects(person, number, "not now")
    return True


async def _waiting(stage: Stage) -> list[int]:
    async with stage.db.read() as tx:
        found = await actions.listing(tx, states=[State.PENDING_APPROVAL], limit=1000)
    return [action.id for action in found]


async def _alarming(rooms: Rooms, draw: random.Random) -> None:
    while True:
        await asyncio.sleep(draw.uniform(0.5, 2.0))
        await rooms.alarms.fire(draw.choice(tuple(_HOSTS)))
