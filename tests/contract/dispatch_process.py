"""A process of its own that works through the queue: to be stopped, woken and ended by a test.

Run as ``python -m tests.contract.dispatch_process FOLDER URL``, with the folder of another process
that keeps the hosts.  SIGTERM lets it finish what it runs.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from engine.execution.demo_hosts import DemoHosts
from engine.execution.dispatch import DispatchSettings
from engine.inventory import load_inventory
from storage.database import Database, DatabaseSettings
from tests.conftest import FakeClock
from tests.unit.execution.conftest import open_yard

IMPATIENT = DispatchSettings(look_every_s=0.1, beat_s=0.3, lost_after_s=3.0)


async def run(folder: Path, url: str) -> None:
    """Work until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    hosts = DemoHosts(load_inventory(folder / "inventory.toml"), folder / "hosts")
    hosts.ports = json.loads((hosts.folder / "ports.json").read_text(encoding="utf-8"))
    db = Database.open(DatabaseSettings(url))
    async with open_yard(db, FakeClock(), folder, url, hosts) as yard:
        yard.settings, yard.parallel = IMPATIENT, 1
        await yard.start()
        await ended.wait()
        await yard.dispatcher.drain()
    await db.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
