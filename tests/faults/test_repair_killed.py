"""kill -9 before and after every commit of a repair: nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.execution.demo_hosts import DemoHosts
from engine.inventory import load_inventory
from storage import actions, attempts, blocks, incidents, people, rooms
from storage.all_tables import metadata
from storage.database import Database, DatabaseSettings
from storage.lifecycle import UNDER_WAY, AttemptState, IncidentState
from storage.people import Listing, Role
from storage.rooms import RoomListing
from storage.tables import audit
from tests.faults.repair_process import Orders, clock_in, run, url
from tests.unit.healing.ward import RESTART

COOLDOWN_MS = 30 * 60_000
TRIES = 2
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.faults.repair_process"])

INVENTORY = """
[[institution]]
code = "KR"
names = ["한국"]
[[system]]
code = "PAY"
institution = "KR"
names = ["결제"]
[[asset]]
code = "ONE"
system = "PAY"
layer = "WAS"
environment = "STG"
host = "one"
service = "tomcat"
"""


@dataclass
class Stage:
    """One folder with one broken host, and processes that repair it."""

    folder: Path
    hosts: DemoHosts

    async def process(self, orders: Orders) -> int:
        """Run a process to its end; its exit status, negative for a signal."""
        process = _PROCESSES.Process(target=run, args=(orders,))
        process.start()
        async with asyncio.timeout(60):
            while process.is_alive():
                await asyncio.sleep(0.01)
        status = process.exitcode
        assert status is not None
        return status

    async def fresh(self, fault: str) -> None:
        """The rows and the ledger of a new case; the hosts go on."""
        for name in ("repair.db", "repair.db-wal", "repair.db-shm", "told"):
            (self.folder / name).unlink(missing_ok=True)
        self.hosts.ledger.write_text("")
        (self.folder / "hosts" / "homes" / "one" / "failing").write_text(f"{fault}\n")
        clock_in(self.folder).write_text("1795165200000")
        db = Database.open(DatabaseSettings(url(self.folder), "NORMAL"))
        async with db.writer.begin() as connection:
            await connection.run_sync(metadata.create_all)
        async with db.write() as tx:
            await people.sync(tx, [Listing("jun", Role.ENGINEER, "ko")])
            await rooms.sync(tx, [RoomListing("web", "", "ops")])
        await db.close()

    def told(self) -> list[str]:
        file = self.folder / "told"
        return file.read_text().splitlines() if file.exists() else []

    def restarts(self) -> int:
        return sum("restart" in line for line in self.hosts.ledger.read_text().splitlines())


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    file = tmp_path / "inventory.toml"
    file.write_text(INVENTORY, encoding="utf-8")
    hosts = DemoHosts(load_inventory(file), tmp_path / "hosts")
    await hosts.start()
    port = hosts.ports["one"]
    file.write_text(f'{INVENTORY}address = "127.0.0.1"\nport = {port}\n', encoding="utf-8")
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "restart.toml").write_text(RESTART.format(tries=TRIES), "utf-8")
    yield Stage(tmp_path, hosts)
    await hosts.stop()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("fault", "before", "end"),
    [
        ("tomcat", True, IncidentState.RESOLVED),
        ("tomcat", False, IncidentState.RESOLVED),
        ("tomcat stays", True, IncidentState.ESCALATED),
        ("tomcat stays", False, IncidentState.ESCALATED),
    ],
)
async def test_killed_at_every_commit(
    stage: Stage, fault: str, before: bool, end: IncidentState
) -> None:
    deaths = 0
    for die_at in range(1, 1_000):
        await stage.fresh(fault)
        status = await stage.process(Orders(stage.folder, die_at, before))
        where = f"{fault}: killed {'before' if before else 'after'} commit {die_at}"
        if status == 0:
            break  # the repair has no more commits than that
        assert status == -signal.SIGKILL, where
        deaths += 1
        assert await stage.process(Orders(stage.folder)) == 0, where
        await _holds(stage, end, where)
    assert deaths >= 9


async def _holds(stage: Stage, end: IncidentState, where: str) -> None:
    """I1 to I4, I7, and that the repair came to its end."""
    db = Database.open(DatabaseSettings(url(stage.folder), "NORMAL"))
    async with db.read() as tx:
        (incident,) = await incidents.listing(tx)  # I3: what was reported is there, once
        tried = await attempts.of_incident(tx, incident.id)
        ran = await actions.listing(tx)
        standing = await blocks.standing(tx)
        claims = await tx.all(
            sa.select(audit.c.subject, sa.func.count())
            .where(audit.c.kind == "action.claim")
            .group_by(audit.c.subject)
        )
    await db.close()
    assert incident.state is end, where
    assert all(count == 1 for _, count in claims), where  # I4: never claimed again
    assert stage.restarts() <= len(claims), where  # I1
    accepted = {int(line.split()[1]) for line in stage.told() if line.startswith("accepted")}
    assert accepted <= {a.id for a in ran if a.decided_by is not None}, where  # I2
    assert "reported" in stage.told(), where
    assert not [a for a in tried if a.state in UNDER_WAY], where
    counted = [a for a in tried if a.state is not AttemptState.SKIPPED]
    assert 1 <= len(counted) <= TRIES, where  # I7
    for earlier, later in itertools.pairwise(counted):
        assert earlier.finished_at is not None
        assert later.started_at - earlier.finished_at >= COOLDOWN_MS, where
    assert len({a.origin for a in ran}) == len(ran) == len(counted), where
    # What was cut off before it ran is a try, but proves nothing against the repair.
    proven = tried[-1].reason is not None and tried[-1].reason["key"] != "heal_not_run"
    blocked = end is IncidentState.ESCALATED and proven
    assert len(standing) == int(blocked), where
