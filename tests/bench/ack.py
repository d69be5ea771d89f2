"""How long Slack waits for its acknowledgement while the bot is busy.

A real slack_bolt client over a real Socket Mode socket, the row committed to SQLite before each
acknowledgement.  Meanwhile a command runs for six seconds on a (simulated) host over real SSH, and
the model's child process is asked without a pause.  The double of Slack shares our process, so
its own time is in the figures.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.acceptance.transcript import play
from tests.acceptance.world import SLACK_ROOM, World
from tests.contract.tiny_model import write_model

SECONDS = 6.0
PER_SECOND = 50


ANSWER = {
    "intent_type": "RESTART",
    "institution": "UNKNOWN",
    "system_name": "UNKNOWN",
    "infrastructure_layer": "UNKNOWN",
    "target_nodes": ["pay-stg-01"],
    "action_sequence": ["RESTART"],
    "deploy_artifacts": [],
    "requires_approval": True,
}


class Busy(World):
    """The world with a model: a tiny one, written here, that always gives the same answer."""

    def _config(self) -> str:
        model = write_model(self.folder / "tiny.gguf", json.dumps(ANSWER, separators=(",", ":")))
        return f'{super()._config()}\n[model]\npath = "{model}"\ndeadline_s = 5.0\n'


async def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with Busy(Path(folder)) as world:
            idle = await _acknowledgements(world, 100)
            world.hosts.delay_s = SECONDS
            await play(
                world,
                "slack",
                """
                >> min: restart pay-stg-01
                << card #1: [approve] [reject] [details]
                >> jun presses approve on #1
                << ledger: pay-stg-01 systemctl restart -- tomcat
                """,
            )
            sources: list[str] = []
            asked = asyncio.create_task(_ask(world, sources))
            busy = await _acknowledgements(world, int(SECONDS * PER_SECOND))
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            return {
                "idle_p50_ms": _cut(idle, 50),
                "idle_p99_ms": _cut(idle, 99),
                "busy_p50_ms": _cut(busy, 50),
                "busy_p99_ms": _cut(busy, 99),
                "model_calls": len(sources),
                "answered_by_model": sources.count("model"),
            }


async def _ask(world: World, sources: list[str]) -> None:
    """Ask the model again and again."""
    while True:
        sources.append((await world.app.reader.read("restart pay-stg-01")).source)
        await asyncio.sleep(0)


async def _acknowledgements(world: World, count: int) -> list[float]:
    """Milliseconds from sending to acknowledgement, at a steady pace."""
    user = world.slack.user("UMIN", "min")
    taken: list[float] = []

    async def one() -> None:
        begun = time.perf_counter()
        delivery = await user.says(SLACK_ROOM, "just talking to a colleague")
        await delivery.acknowledged()
        taken.append((time.perf_counter() - begun) * 1000)

    sent = []
    for _ in range(count):
        sent.append(asyncio.create_task(one()))
        await asyncio.sleep(1 / PER_SECOND)
    await asyncio.gather(*sent)
    return taken


def _cut(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1], 2)


def main() -> None:
    print(json.dumps(asyncio.run(measure())))


if __name__ == "__main__":
    main()
