"""Rounds of health checks: when a look is due, when it is reported, and when that is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from engine.actions.scripts import Scripts
from engine.execution.demo_faults import FILE
from engine.execution.ssh import SshRunner, SshSettings
from engine.healing.check_rounds import UNSEEN_LOOKS, CheckRounds, weigh
from engine.healing.checks import Check
from engine.healing.probes import Prober
from engine.incidents.reports import ReportSettings
from engine.inventory import Inventory
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from storage import checks, incidents, rooms
from storage.checks import CheckState
from storage.database import Database
from storage.incidents import WATCHSTANDER, Incident
from storage.lifecycle import IncidentMove, IncidentState
from storage.rooms import RoomListing
from tests.conftest import FakeClock
from tests.integration.demo_stage import Stage, staged
from tests.unit.healing.far_side import silence

DISK = Check("full", "disk", asset="WAS-01", failures=3, severity="P1")


@dataclass
class Watch:
    """Rounds over simulated hosts."""

    db: Database
    clock: FakeClock
    stage: Stage
    checks: tuple[Check, ...]
    rounds: CheckRounds = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self, inventory: Inventory | None = None) -> None:
        """As after a start of the process."""
        prober = Prober(self.stage.planner, self.stage.runner, self.checks)
        self.rounds = CheckRounds(
            self.db, prober, inventory or self.stage.inventory, ReportSettings()
        )

    async def look(self, times: int = 1, *, seconds: float = 60) -> None:
        """So many rounds, each when the next look is due."""
        for _ in range(times):
            await self.rounds.run_once()
            await self.rounds.idle()
            self.clock.forward(seconds=seconds)

    def fault(self, *lines: str, host: str = "was-01") -> None:
        file = self.stage.hosts.folder / "homes" / host / FILE
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    async def state(self, name: str = "full") -> CheckState:
        async with self.db.read() as tx:
            found = await checks.by_name(tx, name)
        assert found is not None
        return found

    async def incidents(self) -> list[Incident]:
        """Oldest first."""
        async with self.db.read() as tx:
            return (await incidents.listing(tx))[::-1]

    async def move(self, step: IncidentMove) -> None:
        async with self.db.write() as tx:
            (one,) = await incidents.listing(tx, 1)
            assert await incidents.move(tx, one.id, step, WATCHSTANDER)


@asynccontextmanager
async def watching(
    db: Database, clock: FakeClock, folder: Path, *configured: Check
) -> AsyncIterator[Watch]:
    async with staged(folder) as stage:
        watch = Watch(db, clock, stage, configured)
        yield watch
        await watch.rounds.stop()


@pytest.fixture
async def watch(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Watch]:
    async with watching(db, clock, tmp_path, DISK) as ready:
        yield ready


async def test_what_is_well_is_looked_at_and_nobody_hears_of_it(watch: Watch) -> None:
    await watch.look(5)
    assert (await watch.state()).ok is True
    assert await watch.incidents() == []
    assert len(watch.stage.ledger()) == 5


async def test_a_look_is_due_once_in_its_time(watch: Watch) -> None:
    await watch.look(3, seconds=19.9)
    assert len(watch.stage.ledger()) == 1
    await watch.look(1)
    assert len(watch.stage.ledger()) == 1, "59.7 seconds have gone by"
    await watch.look(1)
    assert len(watch.stage.ledger()) == 2


async def test_a_clock_put_back_stops_no_check(watch: Watch) -> None:
    await watch.look()
    watch.clock.forward(minutes=-600)
    await watch.look()
    assert len(watch.stage.ledger()) == 2


async def test_failures_in_a_row_are_one_incident_with_its_card(watch: Watch) -> None:
    async with watch.db.write() as tx:
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
    watch.fault("disk 97")
    await watch.look(2)
    assert await watch.incidents() == []
    await watch.look(4)
    (one,) = await watch.incidents()
    assert (one.source, one.fingerprint, one.severity) == ("check:full", "full", "P1")
    assert (one.asset, one.kind, one.count) == ("WAS-01", "DISK_FULL", 1)
    assert one.summary == "Check full fails: /data is 97% full (limit 90%)"
    assert "3 looks in a row" in one.detail
    assert (await watch.state()).failures == 6


async def test_one_good_look_between_begins_the_count_anew(watch: Watch) -> None:
    for fault in ("disk 97", "disk 97", "", "disk 97", "disk 97"):
        watch.fault(fault)
        await watch.look()
    assert (await watch.state()).failures == 2
    assert await watch.incidents() == []


async def test_it_is_over_when_a_look_goes_well(watch: Watch) -> None:
    watch.fault("disk 97")
    await watch.look(3)
    watch.fault()
    await watch.look()
    (one,) = await watch.incidents()
    assert one.state is IncidentState.RESOLVED
    assert (await watch.state()).firing is False


async def test_it_comes_back_as_the_same_incident_soon_and_as_a_new_one_later(
    watch: Watch,
) -> None:
    for pause in (0, 5, 60):
        watch.clock.forward(minutes=pause)
        watch.fault("disk 97")
        await watch.look(3)
        watch.fault()
        await watch.look()
    first, second = await watch.incidents()
    assert (first.count, first.flaps) == (2, 1)
    assert (second.count, second.flaps) == (1, 0)


async def test_in_healing_the_healer_decides(watch: Watch) -> None:
    watch.fault("disk 97")
    await watch.look(3)
    await watch.move(IncidentMove.HEAL)
    watch.fault()
    await watch.look()
    (one,) = await watch.incidents()
    assert one.state is IncidentState.HEALING
    assert one.cleared_at is not None


async def test_an_incident_that_was_closed_too_early_comes_back(watch: Watch) -> None:
    watch.fault("disk 97")
    await watch.look(3)
    await watch.move(IncidentMove.RESOLVE)
    watch.clock.forward(seconds=1)
    await watch.look()
    (one,) = await watch.incidents()
    assert one.state is IncidentState.OPEN


async def test_a_look_from_before_the_end_does_not_bring_it_back(watch: Watch) -> None:
    """A repair ends while a look is under way that still met the fault."""
    watch.fault("disk 97")
    await watch.look(3)
    watch.stage.hosts.delay_s = 0.1
    await watch.rounds.run_once()
    async with asyncio.timeout(10):
        while len(watch.stage.ledger()) < 4:
            await asyncio.sleep(0.005)
    watch.clock.forward(seconds=1)
    await watch.move(IncidentMove.RESOLVE)
    await watch.rounds.idle()
    (one,) = await watch.incidents()
    assert one.state is IncidentState.RESOLVED
    assert (await watch.state()).firing


async def test_a_start_forgets_nothing_and_reports_nothing_twice(watch: Watch) -> None:
    watch.fault("disk 97")
    await watch.look(2)
    watch.start()
    await watch.look(1)
    (one,) = await watch.incidents()
    watch.start()
    await watch.look(2)
    (again,) = await watch.incidents()
    assert (again.id, again.count) == (one.id, 1)
    watch.start()
    watch.fault()
    await watch.look()
    (over,) = await watch.incidents()
    assert over.state is IncidentState.RESOLVED


async def test_failures_from_long_before_a_start_raise_no_alarm(watch: Watch) -> None:
    watch.fault("disk 97")
    await watch.look(2)
    watch.clock.forward(minutes=30)
    watch.start()
    await watch.look(2)
    assert await watch.incidents() == []
    await watch.look()
    assert len(await watch.incidents()) == 1


async def test_a_check_that_is_gone_leaves_no_row(watch: Watch) -> None:
    await watch.look()
    watch.checks = (replace(DISK, name="another"),)
    watch.start()
    await watch.look()
    async with watch.db.read() as tx:
        assert [one.name for one in await checks.listing(tx)] == ["another"]


async def test_a_check_under_way_is_not_begun_again(watch: Watch) -> None:
    watch.stage.hosts.delay_s = 0.2
    for _ in range(3):
        await watch.rounds.run_once()
        watch.clock.forward(minutes=5)
    await watch.rounds.idle()
    assert len(watch.stage.ledger()) == 1


async def test_the_end_gives_up_what_is_under_way_and_begins_no_more(watch: Watch) -> None:
    watch.stage.hosts.delay_s = 30
    await watch.rounds.run_once()
    async with asyncio.timeout(10):
        while not watch.stage.ledger():
            await asyncio.sleep(0.005)
        await watch.rounds.stop()
        await watch.look(2)
    assert len(watch.stage.ledger()) == 1
    async with watch.db.read() as tx:
        assert await checks.listing(tx) == []


async def test_a_host_that_cannot_be_asked_is_no_failure_and_told_once(watch: Watch) -> None:
    watch.fault("no df")
    await watch.look(UNSEEN_LOOKS - 1)
    assert await watch.incidents() == []
    assert ((await watch.state()).ok, (await watch.state()).failures) == (None, 0)
    await watch.look(UNSEEN_LOOKS * 2)
    (one,) = await watch.incidents()
    assert (one.severity, one.count, one.asset) == ("P3", 1, "WAS-01")
    assert "cannot be watched" in one.summary
    watch.fault()
    await watch.look()
    (over,) = await watch.incidents()
    assert over.state is IncidentState.RESOLVED


async def test_that_it_cannot_be_asked_is_over_after_a_start_too(watch: Watch) -> None:
    watch.fault("no df")
    await watch.look(UNSEEN_LOOKS)
    watch.start()
    watch.fault("disk 97")
    await watch.look()
    (one,) = await watch.incidents()
    assert one.state is IncidentState.RESOLVED


async def test_silence_between_two_failures_does_not_part_them(watch: Watch) -> None:
    for fault in ("disk 97", "no df", "disk 97", "no df", "disk 97"):
        watch.fault(fault)
        await watch.look()
    assert len(await watch.incidents()) == 1


async def test_dead_hosts_do_not_hold_up_live_ones(
    db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    dead = [Check(f"dead-{n}", "disk", asset="WAS-01", timeout_s=30) for n in range(30)]
    live = Check("live", "disk", asset="WAS-02")
    async with silence() as port, watching(db, clock, tmp_path, *dead, live) as watch:
        assets = dict(watch.stage.inventory.assets)
        assets["WAS-01"] = replace(assets["WAS-01"], port=port)
        inventory = replace(watch.stage.inventory, assets=assets)
        watch.stage.planner = Planner(inventory, load_policy(), Scripts(None), PlanSettings())
        settings = SshSettings(
            watch.stage.hosts.known_hosts, watch.stage.hosts.key_file, connect_timeout_s=30
        )
        watch.stage.runner = SshRunner(settings, inventory, Scripts(None))
        async with db.write() as tx:
            for check in dead:
                await checks.record(
                    tx, check.name, None, {"key": "probe_unreadable"}, failures=0, firing=False
                )
        clock.forward(minutes=2)
        watch.start(inventory)
        await watch.rounds.run_once()
        async with asyncio.timeout(10):
            while True:
                async with db.read() as tx:
                    if await checks.by_name(tx, "live"):
                        break
                await asyncio.sleep(0.005)
        async with db.read() as tx:
            states = {one.name: one for one in await checks.listing(tx)}
        assert states["live"].ok is True
        assert all(states[check.name].looked_at < clock.now for check in dead), "still waiting"


async def test_a_closed_port_is_a_failure_and_counts(
    db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    async with silence() as port:
        check = Check("port", "tcp", address="127.0.0.1", port=port, failures=2)
        async with watching(db, clock, tmp_path, check) as watch:
            await watch.look(2)
            assert (await watch.state("port")).ok is True
    async with watching(db, clock, tmp_path / "again", check) as watch:
        await watch.look(2)
        (one,) = await watch.incidents()
        assert (one.source, one.severity, one.asset) == ("check:port", "P2", None)


async def test_a_name_that_cannot_be_resolved_is_a_failure_of_the_port(
    db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    check = Check("port", "tcp", address="no-such-host.invalid", port=80, failures=1)
    async with watching(db, clock, tmp_path, check) as watch:
        await watch.look()
        (one,) = await watch.incidents()
    assert one.kind == "DNS_FAIL"


@pytest.mark.parametrize("name", ["tomcat", "was-01", "WAS-01"])
async def test_a_checks_name_never_chooses_an_asset(
    db: Database, clock: FakeClock, tmp_path: Path, name: str
) -> None:
    check = Check(name, "tcp", address="no-such-host.invalid", port=80, failures=1)
    async with watching(db, clock, tmp_path, check) as watch:
        await watch.look()
        (one,) = await watch.incidents()
    assert one.asset is None


def test_weighing_never_reports_before_its_number_of_failures() -> None:
    check = Check("x", "tcp", address="h", port=1, failures=3)
    state: CheckState | None = None
    told = []
    for ok in (False, False, True, False, False, False, False, True, True):
        found = weigh(check, ok, state, stale=False)
        told.append((found.begins, found.over))
        state = CheckState("x", ok, found.failures, found.firing, {}, 0, 0)
    assert [begins for begins, _ in told] == [False] * 5 + [True] * 2 + [False] * 2
    assert [over for _, over in told] == [False] * 7 + [True, False]
