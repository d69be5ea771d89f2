"""How fast the cycle takes 10,000 new service requests: classify, assign, commit. Prints JSON.

    python -m tests.bench.cycle [--requests N] [--rounds N] [--batch N]

A fresh SQLite file per round, with the settings the product ships (WAL, synchronous=FULL). The
measured time is that of one ``Cycle.run_once()``: reading, moves, events, audit chain, commits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.approvals.watch import WatchReport
from engine.cycle import Cycle, CycleSettings
from engine.requests.desk import Desk
from storage import people
from storage.all_tables import metadata
from storage.database import Database, DatabaseSettings
from storage.people import Listing, Role
from storage.tables import requests

TITLES = (
    "예산시스템 WAS 재기동 부탁드립니다",
    "Deploy budget-1.4.2.war to the staging servers tonight",
    "請協助下載 lvweb01 的日誌",
    "디스크 용량이 부족합니다. 긴급 확인 바랍니다",
    "How do I request a new VPN account?",
    "會計系統無法連線，請重新啟動服務",
    "Printer on the 3rd floor makes a noise",
)
BODY = "Seen since 09:00 by several people. The usual contact is away today; please look at it."
#: Requests per second of the system that this one replaces, on such a machine.
REPLACED = 362
PEOPLE = [
    Listing(f"engineer{n}", Role.ENGINEER, "en", skills, on_call=n == 1)
    for n, skills in enumerate(
        [("RESTART", "LOG"), ("DEPLOY",), ("INQUIRY",), ("LOG", "OTHER"), ("RESTART", "DEPLOY")]
    )
]


async def prepare(db: Database, count: int) -> None:
    """Tables, people and NEW requests."""
    async with db.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    async with db.write() as tx:
        await people.sync(tx, PEOPLE)
        someone = (await people.everyone(tx))[0]
        rows = [
            {
                "key": f"SR-20261120-{n:05d}",
                "title": TITLES[n % len(TITLES)],
                "body": BODY,
                "state": "NEW",
                "requester_id": someone.id,
                "created_at": tx.now,
            }
            for n in range(1, count + 1)
        ]
        await tx.execute(requests.insert(), rows)


async def nothing_waits() -> WatchReport:
    """No actions wait in this bench."""
    return WatchReport((), (), ())


async def one_round(count: int, batch: int) -> float:
    """Seconds of one cycle over ``count`` new requests. Raises when it did not do all of them."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database.open(DatabaseSettings(f"sqlite+aiosqlite:///{Path(folder)}/bench.db"))
        try:
            await prepare(db, count)
            cycle = Cycle(db, Desk(), nothing_waits, CycleSettings(batch=batch))
            begun = time.perf_counter()
            report = await cycle.run_once()
            took = time.perf_counter() - begun
            if (report.classified, report.assigned, report.failed) != (count, count, {}):
                raise RuntimeError(f"the cycle did not do its work: {report}")
            return took
        finally:
            await db.close()


def measure(count: int = 10_000, rounds: int = 5, batch: int | None = None) -> dict[str, Any]:
    """The median over the rounds."""
    size = batch or CycleSettings().batch
    took = [asyncio.run(one_round(count, size)) for _ in range(rounds)]
    rate = count / statistics.median(took)
    return {
        "bench": "cycle",
        "requests": count,
        "rounds": rounds,
        "batch": size,
        "seconds_median": round(statistics.median(took), 3),
        "seconds": [round(seconds, 3) for seconds in took],
        "requests_per_s": round(rate),
        "target_per_s": 20 * REPLACED,
        "times_replaced": round(rate / REPLACED, 1),
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--batch", type=int, default=None)
    given = arguments.parse_args()
    print(json.dumps(measure(given.requests, given.rounds, given.batch)))
