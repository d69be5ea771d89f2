"""A real Prometheus Alertmanager (Debian's package) that notifies the bot."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

_NAMES = ("prometheus-alertmanager", "alertmanager")
_CONFIG = """
route:
  receiver: watchstander
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: watchstander
    webhook_configs:
      - url: {url}
        send_resolved: true
        max_alerts: 0
        http_config:
          authorization:
            type: Bearer
            credentials: {token}
"""


def program() -> str:
    """Its path. Skips the test without the package, unless it must be there."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        assert not os.environ.get("WATCHSTANDER_NEEDS_ALERTMANAGER"), "Alertmanager is missing"
        pytest.skip("no Alertmanager here; Debian's package is prometheus-alertmanager")
    return found


@dataclass
class Alertmanager:
    """It runs; alerts go in by its own API, as Prometheus sends them."""

    address: str

    async def fire(self, *labels: dict[str, str], summary: str = "") -> None:
        await self._post([{"labels": one, "annotations": {"summary": summary}} for one in labels])

    async def resolve(self, *labels: dict[str, str]) -> None:
        now = datetime.now(UTC).isoformat()
        await self._post([{"labels": one, "endsAt": now} for one in labels])

    async def _post(self, alerts: list[dict[str, object]]) -> None:
        async with httpx.AsyncClient(base_url=self.address) as client:
            answer = await client.post("/api/v2/alerts", json=alerts)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def alertmanager(folder: Path, url: str, token: str) -> AsyncIterator[Alertmanager]:
    """Alertmanager with the bot as its only receiver."""
    path = program()
    folder.mkdir()
    config = folder / "alertmanager.yml"
    config.write_text(_CONFIG.format(url=url, token=token), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            path,
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            stdout=log,
            stderr=log,
        )
    try:
        found = Alertmanager(f"http://127.0.0.1:{port}")
        await _ready(found, process, folder / "log")
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ready(found: Alertmanager, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient(base_url=found.address) as client:
        while True:
            assert process.returncode is None, log.read_text()
            try:
                if (await client.get("/-/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
