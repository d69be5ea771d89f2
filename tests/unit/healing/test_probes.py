"""Probes over real SSH: what is well, what is not, and what cannot be told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.actions.scripts import Scripts
from engine.execution.demo_faults import FILE
from engine.execution.ssh import SshRunner, SshSettings
from engine.healing.checks import Check
from engine.healing.probes import Finding, Prober
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from prompts.texts import say
from tests.integration.demo_stage import Stage, staged
from tests.unit.healing.far_side import silence


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as ready:
        yield ready


def prober(stage: Stage, *checks: Check, look_s: float = 10.0) -> Prober:
    return Prober(stage.planner, stage.runner, checks, look_s)


def break_it(stage: Stage, host: str, *faults: str) -> None:
    file = stage.hosts.folder / "homes" / host / FILE
    file.write_text("".join(f"{fault}\n" for fault in faults), encoding="utf-8")


def words(finding: Finding) -> str:
    return say(finding.detail, "en")


async def test_units_and_containers_that_run_are_well(stage: Stage) -> None:
    found = await prober(stage).look(["WAS-01", "APP", "APP-DB"])
    assert [(f.probe, f.ok, f.restarts, words(f)) for f in found] == [
        ("WAS-01 (tomcat)", True, 0, "active (running)"),
        ("APP (shop-app)", True, 0, "running"),
        ("APP-DB (shop-postgres)", True, 0, "running"),
    ]
    sent = [argv[:2] for _, argv in stage.ledger()]
    assert sorted(sent) == [["docker", "inspect"]] * 2 + [["systemctl", "show"]]


async def test_what_is_down_is_not_well_and_says_how(stage: Stage) -> None:
    break_it(stage, "was-01", "tomcat")
    break_it(stage, "box", "shop-app")
    await stage.run("service_stop", ["WAS-02"])
    failed, stopped, box = await prober(stage).look(["WAS-01", "WAS-02", "APP"])
    assert (failed.ok, words(failed)) == (False, "failed (failed), result exit-code")
    assert (stopped.ok, words(stopped)) == (False, "inactive (dead)")
    assert (box.ok, words(box)) == (False, "exited, exit code 137")


async def test_a_finding_survives_json(stage: Stage) -> None:
    (found,) = await prober(stage).look(["WAS-01"])
    assert Finding.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("code", ["GHOST", "", "-x", "WAS-01; reboot"])
async def test_what_is_not_in_the_inventory_cannot_be_told(stage: Stage, code: str) -> None:
    ghost, real = await prober(stage).look([code, "WAS-01"])
    assert (ghost.ok, real.ok) == (None, True)
    assert "Not in the inventory" in words(ghost)
    assert [host for host, _ in stage.ledger()] == ["was-01"]


def moved(stage: Stage, policy: Path | None = None, **ports: int) -> Prober:
    """A prober for whom some assets are at other ports of this machine."""
    assets = dict(stage.inventory.assets)
    for code, port in ports.items():
        asset = assets[code.replace("_", "-")]
        assets[asset.code] = replace(asset, port=port)
    inventory = replace(stage.inventory, assets=assets)
    planner = Planner(inventory, load_policy(policy), Scripts(None), PlanSettings())
    settings = SshSettings(stage.hosts.known_hosts, stage.hosts.key_file, connect_timeout_s=30)
    return Prober(planner, SshRunner(settings, inventory, Scripts(None)), (), 1.0)


async def test_a_dead_host_delays_no_other_and_is_unknown(stage: Stage) -> None:
    async with silence() as port:
        begun = asyncio.get_running_loop().time()
        dead, live = await moved(stage, WAS_01=port).look(["WAS-01", "WAS-02"])
        took = asyncio.get_running_loop().time() - begun
    assert (dead.ok, live.ok) == (None, True)
    assert words(dead) == "Timed out: no answer within 1 s."
    assert took < 10, "the look's own limit, not the thirty seconds of a connection"


async def test_a_host_that_refuses_is_unknown_with_the_reason(stage: Stage) -> None:
    async with silence() as port:
        pass
    (found,) = await moved(stage, WAS_01=port).look(["WAS-01"])
    assert found.ok is None
    assert "was-01 could not be reached" in words(found)


async def test_nothing_is_looked_at_where_looking_needs_asking(
    stage: Stage, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[levels]\nservice_status = "MEDIUM"\ndisk_status = "HIGH"\n')
    careful = moved(stage, policy)
    (found,) = await careful.look(["WAS-01"])
    assert found.ok is None
    assert "service_status is not LOW" in words(found)
    careful.checks["disk"] = Check("disk", "disk", asset="WAS-01")
    assert "disk_status is not LOW" in words(await careful.check("disk"))
    assert stage.ledger() == []


async def test_a_program_that_is_not_there_tells_nothing(stage: Stage) -> None:
    break_it(stage, "box", "no docker")
    break_it(stage, "was-01", "no df", "no systemctl")
    disk = Check("disk", "disk", asset="WAS-01")
    box, unit, full = await prober(stage, disk).look(["APP", "WAS-01"])
    assert (box.ok, unit.ok, full.ok) == (None, None, None)
    assert "127" in words(box)
    assert "127" in words(full)


async def test_a_look_takes_the_checks_of_its_assets_and_no_other(stage: Stage) -> None:
    break_it(stage, "was-01", "disk 97")
    checks = (
        Check("disk-1", "disk", asset="WAS-01"),
        Check("disk-2", "disk", asset="WAS-02"),
        # The look at the asset itself says the same.
        Check("unit-1", "unit", asset="WAS-01"),
    )
    found = await prober(stage, *checks).look(["WAS-01"])
    assert [(f.probe, f.ok) for f in found] == [
        ("WAS-01 (tomcat)", True),
        ("disk-1", False),
    ]
    assert words(found[1]) == "/data is 97% full (limit 90%)"


async def test_checks_of_hosts_by_name(stage: Stage) -> None:
    checks = (
        Check("u", "unit", asset="WAS-01"),
        Check("c", "container", asset="APP"),
        Check("d", "disk", asset="WAS-01", below_percent=71),
    )
    ready = prober(stage, *checks)
    assert [(await ready.check(name)).ok for name in "ucd"] == [True, True, False]
    ghost = await ready.check("ghost")
    assert (ghost.ok, words(ghost)) == (None, "There is no check ghost in the configuration.")
