"""Fifty people press Approve and Reject on one card at once, on three replicas, again and again.

    python -m tests.bench.clickers [--rounds N]

Three processes of ``watchstander run`` on one PostgreSQL, each with a third of the web room's
people; Slack delivers to another one in each round, Telegram is polled by one.  Every round must
have one decision, one run where it was a yes, 49 polite answers, and all cards right within five
seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.acceptance.clickers import CROWD, WEBBERS, Round, Storm, in_the_web_room
from tests.acceptance.replicas import Replicas
from tests.bench.server import postgres

ROUNDS = 200
REPLICAS = 3
CARDS_WITHIN_S = 5.0


async def _rounds(url: str, count: int) -> tuple[list[Round], list[str]]:
    """Every round, and what was not as it must be."""
    done: list[Round] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with Replicas(Path(folder), url, count=REPLICAS, crowd=CROWD) as world:
            addresses = [replica.address for replica in world.replicas]
            names = [name for name, _ in WEBBERS]
            async with in_the_web_room(world, addresses, names) as webbers:
                storm = Storm(world, world.db, webbers)
                for number in range(1, count + 1):
                    world.slack_to(world.replicas[number % REPLICAS])
                    try:
                        done.append(await storm.round(number, CARDS_WITHIN_S))
                    except AssertionError as error:
                        wrong.append(str(error))
                    for client in webbers:
                        # What it was shown in earlier rounds is of no use any more.
                        del client.frames[:-50]
            wrong += [*world.slack.violations, *world.telegram.violations]
    return done, wrong


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures of so many rounds."""
    with postgres() as server:
        done, wrong = asyncio.run(_rounds(server.database(), rounds))
    figures: dict[str, Any] = {"rounds": rounds, "right": len(done), "wrong": wrong}
    for part in ("decided", "answered", "shown"):
        seconds = [getattr(one, part) for one in done]
        figures[f"{part}_p50_s"] = round(statistics.median(seconds), 3) if seconds else None
        figures[f"{part}_max_s"] = round(max(seconds), 3) if seconds else None
    return figures


def table(figures: dict[str, Any]) -> None:
    """Print them, and whether every round was right."""
    print(f"\nFifty clickers, {REPLICAS} replicas, {figures['rounds']} rounds")
    for part, told in (
        ("decided", "until the one decision"),
        ("answered", "until all fifty had their answer"),
        ("shown", "until every card in every room was right"),
    ):
        median, most = figures[f"{part}_p50_s"], figures[f"{part}_max_s"]
        print(f"  {told:42} median {median} s, at most {most} s")
    for line in figures["wrong"]:
        print(f"  WRONG: {line}")
    print(f"  rounds with one decision and one run: {figures['right']} of {figures['rounds']}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    figures = measure(arguments.parse_args().rounds)
    table(figures)
    print(json.dumps(figures))
    return 0 if not figures["wrong"] else 1


if __name__ == "__main__":
    sys.exit(main())
