"""A storm of alerts: how long Alertmanager waits for its answer, and how fast incidents are made.

The bot is a process of its own, with Slack and Telegram (doubles) to show its cards in, and
``synchronous = FULL``: an answer means that the notification is on disk.  1,000 alerts of 50
fingerprints, half of them flapping, come over 50 connections that never pause, every second turn
as single alerts and every other as groups of up to 25.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from handlers.webhooks.intake import SOURCE
from storage import inbox, incidents, people, tokens
from storage.database import Database
from tests.acceptance.alert_burst import THINGS, Burst
from tests.acceptance.test_restart import Process
from tests.acceptance.world import World

TARGET_P99_MS = 200
CONFIG = '[[person]]\nname = "prometheus"\nrole = "AGENT"\n'


class Durable(World):
    """The world with the database settings that the product ships with."""

    def _config(self) -> str:
        return super()._config().replace('synchronous = "NORMAL"\n', "")


async def measure() -> dict[str, float]:
    """Send the storm; gives percentiles of the answers in milliseconds, and rates."""
    with tempfile.TemporaryDirectory() as folder:
        async with Durable(Path(folder), config=CONFIG) as world:
            await world.stop_bot()
            bot = Process(world)
            await bot.start()
            db = Database.open(world.app.settings.database)
            try:
                return await _storm(world, db)
            finally:
                await db.close()
                await bot.kill()


async def _storm(world: World, db: Database) -> dict[str, float]:
    burst = Burst(f"{world.address}/webhooks/alertmanager", await _token(db))
    begun = time.perf_counter()
    await burst.send()
    answered = time.perf_counter() - begun
    assert all(status == 200 for status, _ in burst.answers)
    while await _waiting(db):
        await asyncio.sleep(0.05)
    taken = time.perf_counter() - begun
    async with db.read() as tx:
        made = await incidents.listing(tx, 1_000)
    assert {one.fingerprint: one.count for one in made} == {
        thing.fingerprint: thing.fired for thing in THINGS
    }
    cuts = statistics.quantiles(burst.took_ms, n=100)
    return {
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        "target_p99_ms": TARGET_P99_MS,
        "notifications_per_s": round(len(burst.answers) / answered),
        "reports_per_s": round(1_000 / taken),
        "incidents": len(made),
    }


async def _token(db: Database) -> str:
    async with db.write() as tx:
        person = await people.by_name(tx, "prometheus")
        assert person is not None
        return await tokens.create(tx, person.id, "api", None)


async def _waiting(db: Database) -> bool:
    async with db.read() as tx:
        return bool(await inbox.waiting(tx, 1, source=SOURCE))


def table(row: Mapping[str, object]) -> None:
    """Print the figures."""
    print("\nA burst of 1,000 alerts over 50 connections, 50 fingerprints, half of them flapping")
    print(f"  answer                               p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms")
    print(
        f"  {row['notifications_per_s']} notifications/s  (target: p99 < {row['target_p99_ms']} ms)"
    )
    print(f"  all taken: {row['reports_per_s']} reports/s, {row['incidents']} incidents")


def main() -> None:
    print(json.dumps(asyncio.run(measure())))


if __name__ == "__main__":
    main()
