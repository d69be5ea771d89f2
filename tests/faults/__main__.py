"""``python -m tests.faults``: kill the bot everywhere, and look at what is left.

Without ``--matrix`` and ``--random`` it does both.  Exit status 1 when an invariant was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys

from tests.faults import matrix, storm
from tests.faults.cases import PLATFORMS, Case
from tests.faults.databases import KINDS
from tests.faults.matrix import Field, open_field, run_all
from tests.faults.report import Tally, spread
from tests.faults.storm import Storm

RANDOM_KILLS = 1200
_KILLS_AT_ONCE = 50
"""Kills between two looks at everything."""
_REPLICAS = {"sqlite": 1}
"""More than one process needs PostgreSQL."""


def main() -> int:
    asked = _asked()
    tally = Tally(asked.seed)
    # The doubles' web server: a request that was cut off is what happens here all the time.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_run(asked, tally))
    except KeyboardInterrupt:
        print("interrupted; what follows is what was tried until now")
    print("\n".join(tally.lines()))
    print(f"kept in {tally.save()}")
    return 1 if tally.failed else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--matrix", action="store_true", help="every failpoint, before and after")
    parser.add_argument("--most", type=int, metavar="N", help="of the matrix, only N drawn cases")
    parser.add_argument("--random", type=int, metavar="N", help="this many kills at random moments")
    parser.add_argument("--replicas", type=int, default=3, help="processes on PostgreSQL")
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--platforms", nargs="+", choices=PLATFORMS, default=list(PLATFORMS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=2, help="cases side by side")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="try it again")
    asked = parser.parse_args()
    if not (asked.matrix or asked.random or asked.only):
        asked.matrix, asked.random = True, RANDOM_KILLS
    return asked


async def _run(asked: argparse.Namespace, tally: Tally) -> None:
    cases, storms = _only(asked.only)
    named = {one.database for one in cases} | {one.database for one in storms}
    kinds = named if asked.only else set(asked.databases)
    async with open_field([kind for kind in KINDS if kind in kinds]) as field:
        if asked.matrix:
            draw = random.Random(asked.seed)
            found = await matrix.all_cases(field, asked.databases, asked.platforms, draw)
            cases += (
                found if asked.most is None else draw.sample(found, min(asked.most, len(found)))
            )
            print(f"{len(cases)} cases, seed {asked.seed}", flush=True)
        if asked.random:
            storms += _storms(asked)
        await run_all(field, cases, asked.jobs, tally.add)
        await _blow(field, storms, asked.jobs, tally)


def _only(names: list[str]) -> tuple[list[Case], list[Storm]]:
    storms = [Storm.parse(name) for name in names if "/storm/" in name]
    return [Case.parse(name) for name in names if "/storm/" not in name], storms


def _storms(asked: argparse.Namespace) -> list[Storm]:
    """Storms of a few kills each, for as many kills as were asked for."""
    found = []
    for database, kills in spread(asked.random, asked.databases).items():
        replicas = _REPLICAS.get(database, asked.replicas)
        for number, first in enumerate(range(0, kills, _KILLS_AT_ONCE)):
            size = min(_KILLS_AT_ONCE, kills - first)
            found.append(Storm(database, replicas, asked.seed + number, size))
    return found


async def _blow(field: Field, storms: list[Storm], jobs: int, tally: Tally) -> None:
    waiting = iter(storms)

    async def worker() -> None:
        for one in waiting:
            with field.place() as place:
                tally.add(await storm.run(field.grounds[one.database], place, one))

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(worker())


if __name__ == "__main__":
    sys.exit(main())
