"""Faults of the simulated hosts: how they begin, what mends them, and what does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.execution import demo_faults
from engine.execution.demo_hosts import DemoHosts
from engine.execution.outcome import Outcome
from tests.integration.demo_stage import INVENTORY, Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The usual hosts, with the containers of one in a compose project."""
    assets = dict(INVENTORY.assets)
    assets["APP"] = replace(assets["APP"], compose="/srv/shop", compose_service="web")
    assets["APP-DB"] = replace(assets["APP-DB"], compose="/srv/shop")
    hosts = DemoHosts(replace(INVENTORY, assets=assets), tmp_path / "hosts")
    await hosts.start()
    yield Stage(hosts, tmp_path)
    await hosts.stop()


def file(stage: Stage, host: str) -> Path:
    return stage.hosts.folder / "homes" / host / demo_faults.FILE


async def shown(stage: Stage, action: str, code: str) -> str:
    return (await stage.run(action, [code])).steps[0].output


@pytest.mark.parametrize("verb", ["server_restart", "service_start"])
async def test_a_unit_is_down_until_it_is_started_again(stage: Stage, verb: str) -> None:
    file(stage, "was-01").write_text("tomcat\ndisk 95\n")
    down = await shown(stage, "service_status", "WAS-01")
    assert "ActiveState=failed\nSubState=failed\nResult=exit-code\nMainPID=0" in down
    assert (await stage.run(verb, ["WAS-01"])).outcome is Outcome.DONE
    assert "ActiveState=active" in await shown(stage, "service_status", "WAS-01")
    assert file(stage, "was-01").read_text() == "disk 95\n"


async def test_what_stays_down_says_so_and_keeps_its_line(stage: Stage) -> None:
    file(stage, "was-01").write_text("tomcat stays\n")
    result = await stage.run("server_restart", ["WAS-01"])
    assert result.outcome is Outcome.FAILED
    assert "Job for tomcat.service failed" in result.steps[0].output
    assert "ActiveState=failed" in await shown(stage, "service_status", "WAS-01")
    assert "Main process exited" in await shown(stage, "log_collect", "WAS-01")


async def test_a_container_is_mended_by_its_compose_project(stage: Stage) -> None:
    file(stage, "box").write_text("shop-app\nshop-postgres stays\n")
    assert " exited exit=137 " in await shown(stage, "service_status", "APP")
    mended = await stage.run("compose_restart", ["APP", "APP-DB"])
    assert [step.outcome for step in mended.steps] == [Outcome.DONE, Outcome.FAILED]
    assert " running exit=0 " in await shown(stage, "service_status", "APP")
    assert " exited exit=137 " in await shown(stage, "service_status", "APP-DB")
    sent = [argv for _, argv in stage.ledger() if "compose" in argv]
    project = ["docker", "compose", "--project-directory", "/srv/shop", "restart", "--"]
    assert sent == [[*project, "web"], [*project, "shop-postgres"]]


async def test_a_disk_fills_and_empties(stage: Stage) -> None:
    assert " 71% /data" in await shown(stage, "disk_status", "WAS-01")
    file(stage, "was-01").write_text("disk 100\n")
    assert "/dev/vdb1       200G  200G    0G  100% /data" in await shown(
        stage, "disk_status", "WAS-01"
    )
    assert " 71% /data" in await shown(stage, "disk_status", "WAS-02")
    file(stage, "was-01").unlink()
    assert " 71% /data" in await shown(stage, "disk_status", "WAS-01")


async def test_a_file_of_nonsense_breaks_nothing(stage: Stage) -> None:
    file(stage, "was-01").write_bytes(b"\n  \ndisk\ndisk x\nno\n\xff\xfe")
    assert " 71% /data" in await shown(stage, "disk_status", "WAS-01")
    assert "ActiveState=active" in await shown(stage, "service_status", "WAS-01")
