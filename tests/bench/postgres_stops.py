"""PostgreSQL is stopped at once again and again, under load, with three replicas on it.

    python -m tests.bench.postgres_stops [--minutes M] [--soonest S] [--latest S] [--seed N]

``pg_ctl stop -m immediate`` every 5 to 40 seconds, drawn from the seed, and up to two seconds later
it starts again.  Meanwhile people ask, approve and reject in all three rooms, and alarms come in:
the load and the judgement of the random kills in tests/faults.  In the end everything is brought to
rest; each invariant must hold, and no process may have ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage.database import Away
from storage.tables import actions, inbox
from tests.bench.server import Server, postgres
from tests.faults import storm
from tests.faults.databases import supply
from tests.faults.judge import INVARIANTS, judge
from tests.faults.rooms import Rooms
from tests.faults.scenario import Play, Stuck
from tests.faults.screens import press_dead_copies, still_alive
from tests.faults.stage import Stage, beside, prepare, scratch, staged

MINUTES = 10.0
SOONEST_S, LATEST_S = 5.0, 40.0
DOWN_S = 2.0
REPLICAS = 3
_PAUSE_S = 0.2


@dataclass
class Report:
    """What was done, and what was found."""

    stops: int = 0
    down_s: float = 0.0
    events: int = 0
    actions: int = 0
    dead_copies: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    """Do a person's work again from its begin when they cannot see the rows for a moment."""
    while True:
        try:
            await work()
        except Away:
            await asyncio.sleep(_PAUSE_S)


def _people(stage: Stage, rooms: Rooms, draw: random.Random) -> list[asyncio.Task[None]]:
    works: list[Callable[[], Awaitable[None]]] = [
        lambda room=room: storm._asking(stage, room, draw)  # type: ignore[misc]
        for room in (rooms.slack, rooms.telegram, rooms.web)
    ]
    works.append(lambda: storm._deciding(stage, rooms, draw))
    return [asyncio.create_task(_again(work)) for work in works]


async def _alarms(rooms: Rooms, draw: random.Random, over: asyncio.Event) -> None:
    """As Alertmanager does it: no notification is left before somebody says that it was taken."""
    while not over.is_set():
        await asyncio.sleep(draw.uniform(0.5, 2.0))
        await rooms.alarms.fire(draw.choice(tuple(storm._HOSTS)))


async def _stops(
    server: Server, draw: random.Random, given: argparse.Namespace, to: Report
) -> None:
    end = time.monotonic() + given.minutes * 60
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, draw.uniform(given.soonest, given.latest)))
        begun = time.monotonic()
        await asyncio.to_thread(server.stop_at_once)
        await asyncio.sleep(draw.uniform(0.0, DOWN_S))
        await asyncio.to_thread(server.start)
        to.stops += 1
        to.down_s += time.monotonic() - begun


async def _storm(stage: Stage, server: Server, given: argparse.Namespace, report: Report) -> None:
    draw = random.Random(given.seed)
    rooms = Rooms(stage, given.seed)
    for number in range(REPLICAS):
        await stage.start(number)
    play = Play(stage, rooms, rooms.web)
    async with beside(*rooms.begin()):
        over = asyncio.Event()
        alarms = asyncio.create_task(_alarms(rooms, random.Random(given.seed), over))
        async with beside(*_people(stage, rooms, draw)):
            await _stops(server, draw, given, report)
        over.set()
        await alarms
        await storm._calm(stage, rooms, play, draw)
        pressed = await press_dead_copies(stage)
        await play.rest()
        await play.signed()
    for bot in stage.bots:
        assert bot.alive, f"a bot ended by itself: {bot.ended}"
        assert await bot.stop() == 0, bot.ended
    verdict = await judge(stage, rooms)
    for problem in still_alive(stage, pressed):
        verdict.blame("I8", problem)
    report.violations |= verdict.violations
    report.dead_copies = verdict.dead_copies
    async with stage.db.read() as tx:
        for name, table in (("events", inbox), ("actions", actions)):
            row = await tx.one(sa.select(sa.func.count()).select_from(table))
            setattr(report, name, int(row[0]) if row else 0)


async def _measure(given: argparse.Namespace) -> Report:
    report = Report()
    with postgres() as server, scratch() as place:
        ground = await prepare(supply("postgresql", server.uri), place / "ground")
        async with staged(ground, place / "case", REPLICAS) as stage:
            try:
                await _storm(stage, server, given, report)
            except (Stuck, AssertionError) as wrong:
                report.violations.setdefault("I3", []).append(str(wrong))
            if report.violations:
                _keep_logs(stage, given.seed)
    return report


def _keep_logs(stage: Stage, seed: int) -> None:
    folder = Path("build/postgres_stops")
    folder.mkdir(parents=True, exist_ok=True)
    for number, bot in enumerate(stage.bots):
        (folder / f"{seed}-bot{number}.log").write_text(bot.words(), "utf-8")
    print(f"the processes' logs are in {folder}")


def table(report: Report) -> None:
    """Print it, and whether anything was lost or doubled."""
    told = f"{report.stops} times, {report.down_s:.0f} s in all"
    print(f"\nPostgreSQL stopped at once under load, {REPLICAS} replicas: {told}")
    print(f"  {report.events} deliveries, {report.actions} actions")
    for name in INVARIANTS:
        print(f"  {name}: {len(report.violations.get(name, []))} violations")
    for name, lines in report.violations.items():
        for line in lines[:10]:
            print(f"    {name}: {line}")
    print(f"  dead second copies of a card in Telegram: {report.dead_copies}")


def measure(minutes: float = MINUTES, seed: int = 1) -> dict[str, Any]:
    """The figures of one storm."""
    given = argparse.Namespace(minutes=minutes, soonest=SOONEST_S, latest=LATEST_S, seed=seed)
    return vars(asyncio.run(_measure(given)))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=MINUTES)
    arguments.add_argument("--soonest", type=float, default=SOONEST_S, metavar="SECONDS")
    arguments.add_argument("--latest", type=float, default=LATEST_S, metavar="SECONDS")
    arguments.add_argument("--seed", type=int, default=1)
    report = asyncio.run(_measure(arguments.parse_args()))
    table(report)
    print(json.dumps(vars(report)))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
