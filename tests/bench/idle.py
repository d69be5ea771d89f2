"""From the start of the process until everything answers, and its memory when nothing happens.

    python -m tests.bench.idle [--rounds N]

``watchstander run`` with the demo's settings and inventory and the shipped model, on a database
that is there already.  Memory is what the system counts as resident, half a minute after the start,
for the bot and for the model's process apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bot.demo_folder import place_hosts, write_folder
from engine.execution.demo_hosts import DemoHosts
from engine.inventory import load_inventory

ROUNDS = 5
IDLE_S = 30.0
READY_S, IDLE_MB = 2.0, 250.0
_ROOT = Path(__file__).parents[2]


async def _start(folder: Path, port: int) -> tuple[asyncio.subprocess.Process, float]:
    """A started bot, and the seconds that it took until /readyz said yes."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "--config", str(folder / "config.toml"),
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the bot ended while it started: {process.returncode}")
            try:
                if (await client.get("/readyz", timeout=1)).status_code == 200:
                    return process, time.perf_counter() - begun
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.01)


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    await process.wait()


def _resident_mb(pid: int) -> tuple[float, float]:
    """Of a process and of all its children together."""
    own = _pages(pid)
    children = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            below = _resident_mb(int(child))
            children += below[0] + below[1]
    return own, children


def _pages(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _measure(rounds: int, idle_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place, socket.create_server(("127.0.0.1", 0)) as free:
        folder, port = Path(place) / "demo", free.getsockname()[1]
        free.close()
        write_folder(folder, port)
        hosts = DemoHosts(load_inventory(folder / "inventory.toml"), folder / "hosts")
        await hosts.start()
        try:
            place_hosts(folder / "inventory.toml", hosts.ports)
            first, _ = await _start(folder, port)
            await _stop(first)
            seconds = []
            for _ in range(rounds):
                process, took = await _start(folder, port)
                seconds.append(took)
                if len(seconds) < rounds:
                    await _stop(process)
            await asyncio.sleep(idle_s)
            own, children = _resident_mb(process.pid)
            await _stop(process)
        finally:
            await hosts.stop()
    return {
        "ready_s_median": round(statistics.median(seconds), 2),
        "ready_s": [round(one, 2) for one in seconds],
        "bot_mb": round(own, 1),
        "model_mb": round(children, 1),
    }


def measure(rounds: int = ROUNDS, idle_s: float = IDLE_S) -> dict[str, Any]:
    """The median of the starts, and the memory of the last."""
    return asyncio.run(_measure(rounds, idle_s))


def table(figures: dict[str, Any]) -> None:
    """Print them, and whether they are within the targets."""
    own, model = figures["bot_mb"], figures["model_mb"]
    print("\nStart and rest, the demo's settings with the shipped model")
    ready = figures["ready_s_median"]
    print(f"  start to ready (median)  {ready} s (target: {READY_S:g})")
    print(f"  resident when idle       {own + model:.1f} MB: the bot {own}, the model {model}")
    print(f"                           (target: {IDLE_MB:g})")


def met(figures: dict[str, Any]) -> bool:
    """Whether both targets are met."""
    memory = figures["bot_mb"] + figures["model_mb"]
    return bool(figures["ready_s_median"] <= READY_S and memory <= IDLE_MB)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    arguments.add_argument("--idle", type=float, default=IDLE_S, metavar="SECONDS")
    given = arguments.parse_args()
    figures = measure(given.rounds, given.idle)
    table(figures)
    print(json.dumps(figures))
    return 0 if met(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
