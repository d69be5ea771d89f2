"""Registered scripts on their way to a host, over real SSH."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from engine.actions.scripts import Scripts
from engine.execution.outcome import Outcome
from engine.execution.ssh import SshRunner, SshSettings
from tests.integration.demo_stage import Stage, nothing_inside, register


@asynccontextmanager
async def falls_silent(port: int, after: int) -> AsyncIterator[int]:
    """A port before another one that passes on so many bytes of a connection, and then nothing:
    neither a byte nor its end, as a host that hangs."""
    writers: list[asyncio.StreamWriter] = []
    pumps: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        while left > 0 and (chunk := await reader.read(min(left, 4096))):
            left -= len(chunk)
            writer.write(chunk)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, back))
        pumps.append(asyncio.create_task(pump(reader, back, after)))
        pumps.append(asyncio.create_task(pump(there, writer, after)))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def test_a_registered_script_is_uploaded_by_hash_and_run(
    stage: Stage, tmp_path: Path
) -> None:
    digest = register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\necho rotated\n")
    result = await stage.run("script_exec", ["WAS-01"], script="rotate.sh", args=["nightly", "a=b"])
    assert result.outcome is Outcome.DONE
    assert stage.ledger() == [("was-01", [f".watchstander/{digest}", "nightly", "a=b"])]
    there = tmp_path / "hosts/homes/was-01/.watchstander" / digest
    assert there.read_bytes() == b"#!/bin/sh\necho rotated\n"
    assert stat.S_IMODE(there.stat().st_mode) == 0o700
    assert stat.S_IMODE(there.parent.stat().st_mode) == 0o700
    assert [p.name for p in there.parent.iterdir()] == [digest], "no half files stay behind"


async def test_a_script_changed_after_the_plan_is_refused(stage: Stage, tmp_path: Path) -> None:
    register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\necho rotated\n")
    plan = stage.planner.plan("script_exec", ["WAS-01"], {"script": "rotate.sh"})
    (tmp_path / "scripts/rotate.sh").write_bytes(b"#!/bin/sh\nrm -rf /\n")
    result = await stage.runner.run(plan, nothing_inside)
    assert result.outcome is Outcome.FAILED
    assert result.steps[0].detail.key == "plan_script_gone"
    register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\nrm -rf /\n")
    again = await stage.runner.run(plan, nothing_inside)
    assert again.steps[0].detail.key == "plan_script_gone", "registered anew is another script"
    assert stage.ledger() == []


async def test_a_script_folder_that_others_can_write_is_refused(
    stage: Stage, tmp_path: Path
) -> None:
    register(tmp_path / "scripts", "rotate.sh", b"#!/bin/sh\n")
    folder = tmp_path / "hosts/homes/was-01/.watchstander"
    folder.mkdir()
    folder.chmod(0o777)
    result = await stage.run("script_exec", ["WAS-01"], script="rotate.sh")
    assert result.steps[0].detail.key == "plan_run_upload"
    assert stage.ledger() == []


async def test_a_host_that_hangs_in_the_middle_of_a_script_is_given_up(
    stage: Stage, tmp_path: Path
) -> None:
    register(tmp_path / "scripts", "big.sh", b"#!/bin/sh\n" + b"# words\n" * 250_000)
    step = stage.planner.plan("script_exec", ["WAS-01"], {"script": "big.sh"})
    async with falls_silent(stage.hosts.ports["was-01"], after=200_000) as port:
        known = stage.hosts.known_hosts
        known.write_text(known.read_text().replace(f":{stage.hosts.ports['was-01']} ", f":{port} "))
        (first, *_) = step.steps
        endpoint = f"{first.endpoint.rpartition(':')[0]}:{port}"
        plan = replace(step, steps=(replace(first, endpoint=endpoint),))
        settings = SshSettings(known, stage.hosts.key_file, command_timeout_s=0.5)
        runner = SshRunner(settings, stage.inventory, Scripts(tmp_path / "scripts"))
        async with asyncio.timeout(5):
            result = await runner.run(plan, nothing_inside)
    assert (result.outcome, result.steps[0].detail.key) == (Outcome.FAILED, "plan_run_upload")
    assert stage.ledger() == []
