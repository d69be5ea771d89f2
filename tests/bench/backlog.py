"""100,000 new service requests through one cycle, on SQLite and on PostgreSQL.

    python -m tests.bench.backlog [--requests N]

The whole product's cycle as it is shipped: classify, answer from a knowledge base of some dozens of
articles, assign, audit.  Each database has a process of its own, so that its memory is its own.
What is measured is one ``Cycle.run_once()``; all must be done within one period of five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bot.app import App
from bot.settings import load_settings
from storage import articles, migrate, people
from storage.articles import Kind
from storage.database import Database
from storage.lifecycle import ArticleMove
from storage.tables import requests
from tests.bench.cycle import BODY, PEOPLE, TITLES
from tests.bench.dispatch import _config
from tests.bench.server import postgres
from tests.unit.knowledge.texts import read

REQUESTS = 100_000
PERIOD_S = 300.0
_AT_ONCE = 5_000


async def _fill(db: Database, count: int) -> None:
    """People, articles and NEW requests, a few thousand at a time."""
    async with db.write() as tx:
        await people.sync(tx, PEOPLE)
        someone = (await people.everyone(tx))[0].id
        for each in read("measure", "en").articles:
            made = await articles.create(
                tx,
                kind=Kind.ARTICLE,
                title=each.title,
                body=each.body,
                language="en",
                actor="bench",
            )
            assert made is not None
            await articles.move(tx, made, ArticleMove.PUBLISH, "bench")
    for start in range(0, count, _AT_ONCE):
        async with db.write() as tx:
            rows = [
                {
                    "key": f"SR-20261120-{n:06d}",
                    "title": TITLES[n % len(TITLES)],
                    "body": BODY,
                    "state": "NEW",
                    "requester_id": someone,
                    "created_at": tx.now,
                }
                for n in range(start, min(start + _AT_ONCE, count))
            ]
            await tx.execute(requests.insert(), rows)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def _child(url: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder))
        with config.open("a", encoding="utf-8") as file:
            file.write(f'[database]\nurl = "{url}"\n[model]\nshipped = false\n')
        app = App(load_settings(config))
        try:
            await migrate.upgrade(app.db)
            await _fill(app.db, count)
            before = _resident_mb()
            begun = time.perf_counter()
            report = await app.cycle.run_once()
            took = time.perf_counter() - begun
        finally:
            await app.knowledge.stop()
            await app.db.close()
    if (report.classified, report.failed) != (count, {}):
        raise RuntimeError(f"the cycle did not do its work: {report}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "requests": count,
        "seconds": round(took, 1),
        "assigned": report.assigned,
        "answered": report.answered,
        "before_mb": round(before, 1),
        "peak_mb": round(peak, 1),
    }


def measure(count: int = REQUESTS) -> dict[str, Any]:
    """Both databases, each in a process of its own."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = _process(f"sqlite+aiosqlite:///{folder}/bench.db", count)
    with postgres() as server:
        found["postgresql"] = _process(server.database(), count)
    return found


def _process(url: str, count: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "tests.bench.backlog",
        "--child",
        url,
        "--requests",
        str(count),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return row


def table(figures: dict[str, Any]) -> None:
    """Print them, and whether they are within the target."""
    print("\nA backlog of new requests through one cycle")
    print(f"{'':12}{'requests':>10}{'seconds':>10}{'MB before':>11}{'MB at most':>11}")
    for name, row in figures.items():
        numbers = (row["requests"], row["seconds"], row["before_mb"], row["peak_mb"])
        print(f"{name:12}{numbers[0]:>10}{numbers[1]:>10}{numbers[2]:>11}{numbers[3]:>11}")
    met = all(row["seconds"] <= PERIOD_S for row in figures.values())
    print(f"  within one period of {PERIOD_S:.0f} s: {'yes' if met else 'NO'}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=REQUESTS)
    arguments.add_argument("--child", default="", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        print(json.dumps(asyncio.run(_child(given.child, given.requests))))
        return 0
    figures = measure(given.requests)
    table(figures)
    print(json.dumps(figures))
    return 0 if all(row["seconds"] <= PERIOD_S for row in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
