"""How long Slack waits for its acknowledgement while 10,000 requests are queued.

    python -m tests.bench.queued [--requests N] [--seconds S]

The bot was away, and 10,000 messages that ask for a restart stand in its inbox.  It starts, and
makes of each an action with a card in every room that waits for a person.  Meanwhile, and again
when all of them wait for approval, 50 events a second arrive as signed HTTP requests; the row is
committed before each is acknowledged.  The bot is a process of its own; the doubles of Slack and
Telegram share ours, so their own time is in the figures.  SQLite and PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage import inbox
from storage.lifecycle import State
from storage.tables import actions as actions_table
from storage.tables import inbox as inbox_table
from tests.acceptance.clickers import CROWD, until
from tests.acceptance.replicas import Replicas
from tests.acceptance.world import SLACK_ROOM
from tests.bench.server import postgres

REQUESTS = 10_000
PER_SECOND = 50
SECONDS = 600.0
"""At most, of the time in which the inbox is worked off."""
WAITING_S = 20.0
"""Of the time in which all wait for approval."""
TARGET_MS = 1000.0
_PATIENCE_S = 10.0
_AT_ONCE = 2_000
_WORDS = "restart pay-stg-01"


async def _sample(world: Replicas) -> dict[str, Any]:
    """A message as the bot keeps it."""
    user = world.slack.user("UP00", "p00")
    await (await user.mentions(SLACK_ROOM, _WORDS)).acknowledged()
    async with world.db.read() as tx:
        # Slack tells of a mention twice: as a message of the channel, and as a mention.
        mention = inbox_table.c.body.contains('"app_mention"')
        row = await tx.one(sa.select(inbox_table.c.body).where(mention).limit(1))
    assert row is not None
    body: dict[str, Any] = json.loads(row.body)
    return body


async def _fill(world: Replicas, sample: dict[str, Any], count: int) -> None:
    """The same from everybody in turn, each with a delivery id of its own."""
    packed = json.dumps(sample)
    for start in range(0, count, _AT_ONCE):
        async with world.db.write() as tx:
            for number in range(start, min(start + _AT_ONCE, count)):
                body = packed.replace("UP00", f"UP{number % len(CROWD):02d}")
                await inbox.keep(tx, "slack", f"bench:{number}", json.loads(body), SLACK_ROOM)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _acknowledgements(world: Replicas, over: Callable[[], Awaitable[bool]]) -> list[float]:
    """Milliseconds from sending to acknowledgement, at a steady pace until it is over."""
    user = world.slack.user("UMIN", "min")
    taken: list[float] = []

    async def one() -> None:
        begun = time.perf_counter()
        delivery = await user.says(SLACK_ROOM, "just talking to a colleague")
        # One that was refused comes to no acknowledgement: it counts as so long.
        with contextlib.suppress(TimeoutError):
            await delivery.acknowledged(_PATIENCE_S)
        taken.append((time.perf_counter() - begun) * 1000)

    sent: list[asyncio.Task[None]] = []
    begun = time.perf_counter()
    while len(sent) % PER_SECOND or not await over():
        sent.append(asyncio.create_task(one()))
        await asyncio.sleep(max(0.0, begun + len(sent) / PER_SECOND - time.perf_counter()))
    await asyncio.gather(*sent)
    return taken


def _for(seconds: float) -> Callable[[], Awaitable[bool]]:
    end = time.monotonic() + seconds

    async def over() -> bool:
        return time.monotonic() >= end

    return over


async def _waiting(world: Replicas) -> int:
    """Actions that wait for a person."""
    query = sa.select(sa.func.count()).where(actions_table.c.state == State.PENDING_APPROVAL.value)
    async with world.db.read() as tx:
        row = await tx.one(query)
    return int(row[0]) if row else 0


async def _one(url: str, count: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with Replicas(Path(folder), url, count=1, crowd=CROWD) as world:
            bot = world.replicas[0]
            sample = await _sample(world)
            await until(lambda: _has(world, 1), "the first request made no action", 30)
            idle = await _acknowledgements(world, _for(4.0))
            await bot.stop()
            await _fill(world, sample, count)
            await bot.start()
            await bot.ready()
            memory = [_resident_mb(bot.pid)]
            limit = _for(seconds)

            async def worked_off() -> bool:
                return await limit() or await _waiting(world) > count

            working = await _acknowledgements(world, worked_off)
            memory.append(_resident_mb(bot.pid))
            waiting = await _waiting(world)
            pending = await _acknowledgements(world, _for(WAITING_S))
            memory.append(_resident_mb(bot.pid))
            refused = sum(bool({*one.statuses} - {200}) for one in world.slack.sent)
    return {
        "refused": refused,
        "idle_p50_ms": _cut(idle, 50),
        "idle_p99_ms": _cut(idle, 99),
        "inbox_p50_ms": _cut(working, 50),
        "inbox_p99_ms": _cut(working, 99),
        "waiting": waiting,
        "waiting_p50_ms": _cut(pending, 50),
        "waiting_p99_ms": _cut(pending, 99),
        "start_mb": round(memory[0], 1),
        "worked_off_mb": round(memory[1], 1),
        "end_mb": round(memory[2], 1),
    }


async def _has(world: Replicas, least: int) -> bool:
    return await _waiting(world) >= least


def _cut(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1], 2)


def measure(count: int = REQUESTS, seconds: float = SECONDS) -> dict[str, Any]:
    """Both databases."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        found["sqlite"] = asyncio.run(_one(url, count, seconds))
    with postgres() as server:
        found["postgresql"] = asyncio.run(_one(server.database(), count, seconds))
    return found


def table(figures: dict[str, Any]) -> None:
    """Print them, and whether they are within the target."""
    print(f"\nSlack acknowledgement, {PER_SECOND} events/s, p50 / p99 ms")
    print(f"{'':12}{'idle':>16}{'inbox full':>18}{'all waiting':>18}   memory MB: start, then, end")
    for name, row in figures.items():
        cells = [
            f"{row[f'{part}_p50_ms']} / {row[f'{part}_p99_ms']}"
            for part in ("idle", "inbox", "waiting")
        ]
        grown = ", ".join(str(row[f"{part}_mb"]) for part in ("start", "worked_off", "end"))
        print(f"{name:12}{cells[0]:>16}{cells[1]:>18}{cells[2]:>18}   {grown}")
        told = f"{row['waiting']} actions waited for approval; {row['refused']} events were refused"
        print(f"{'':12}{told}")
    print(f"  p99 below {TARGET_MS:.0f} ms: {'yes' if met(figures) else 'NO'}")


def met(figures: dict[str, Any]) -> bool:
    """Whether every p99 is within the target, and nothing was refused."""
    kinds = ("inbox_p99_ms", "waiting_p99_ms")
    quick = all(row[kind] < TARGET_MS for row in figures.values() for kind in kinds)
    return quick and not any(row["refused"] for row in figures.values())


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=REQUESTS)
    arguments.add_argument("--seconds", type=float, default=SECONDS)
    given = arguments.parse_args()
    figures = measure(given.requests, given.seconds)
    table(figures)
    print(json.dumps(figures))
    return 0 if met(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
