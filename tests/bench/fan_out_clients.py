"""One round of the fan-out figures in a process of its own: ours, or bare asyncssh.

``python -m tests.bench.fan_out_clients WHO FOLDER LIVING DEAD`` (WHO: ours or bare) prints one
line of JSON: seconds from the order until the last living host is done, and CPU per host.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import asyncssh

from engine.actions.scripts import Scripts
from engine.execution.outcome import Outcome, StepResult
from engine.execution.ssh import SshRunner, SshSettings
from engine.inventory import Inventory
from engine.plan import Plan, Step
from tests.bench.fan_out_hosts import OUTPUT, PORT, living, refusing, silent

COMMAND = ("systemctl", "status", "--no-pager", "--", "tomcat")
AT_ONCE = 50
TARGETS = 100
"""Hosts of one plan: the most that a plan may have."""


class Finish:
    """A run's watch: when the last living host was done."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.last = 0.0
        self.done = 0

    def may_send(self) -> bool:
        return True

    def begun(self, number: int) -> None: ...

    def ended(self, number: int, result: StepResult) -> None:
        if self._plan.steps[number].host.startswith("live"):
            assert result.outcome is Outcome.DONE, result.detail
            assert result.output == OUTPUT.decode()
            self.last = time.perf_counter()
            self.done += 1


def plans(count: int, dead: list[str]) -> list[Plan]:
    """As a person would ask: as many plans as it takes, the dead hosts spread among the others."""
    hosts = [(f"live-{n}", address) for n, address in enumerate(living(count))]
    for n, address in enumerate(dead):
        hosts.insert(n * len(hosts) // len(dead), (f"dead-{n}", address))
    steps = [Step(host, host, f"ops@{address}:{PORT}", COMMAND) for host, address in hosts]
    return [
        Plan("service_status", (), {}, tuple(steps[at : at + TARGETS]), "LOW")
        for at in range(0, len(steps), TARGETS)
    ]


async def ours(folder: Path, count: int, dead: list[str]) -> dict[str, float]:
    """Cold and with kept connections."""
    settings = SshSettings(folder / "known_hosts", folder / "user_key", kept=max(count, 1))
    runner = SshRunner(settings, Inventory({}, {}, {}), Scripts(None))
    runner.keep_connections()
    figures = {}
    for name in ("cold", "kept"):
        begun, cpu = time.perf_counter(), time.process_time()
        made = plans(count, dead)
        watches = [Finish(plan) for plan in made]
        await asyncio.gather(
            *(runner.run(p, _nothing, w) for p, w in zip(made, watches, strict=True))
        )
        assert sum(watch.done for watch in watches) == count
        figures[f"{name}_s"] = max(watch.last for watch in watches) - begun
        figures[f"{name}_cpu_ms"] = (time.process_time() - cpu) * 1000 / count
    await runner.close()
    return figures


async def _nothing(step: Step) -> StepResult:
    raise AssertionError(step)


async def bare(folder: Path, count: int, dead: list[str]) -> dict[str, float]:
    """asyncssh with the same checks: host keys, one key, nothing of the account's."""
    known = asyncssh.read_known_hosts(str(folder / "known_hosts"))
    key = asyncssh.read_private_key(str(folder / "user_key"))
    places = asyncio.Semaphore(AT_ONCE)
    last = 0.0

    async def one(address: str) -> None:
        nonlocal last
        try:
            async with (
                places,
                asyncio.timeout(10),
                asyncssh.connect(
                    address,
                    PORT,
                    username="ops",
                    known_hosts=known,
                    client_keys=[key],
                    config=None,
                    agent_path=None,
                    preferred_auth="publickey",
                    kex_algs="^curve25519-sha256",
                ) as connection,
            ):
                answer = await connection.run(" ".join(COMMAND), encoding=None, check=True)
        except OSError:
            assert address in dead
            return
        assert answer.stdout == OUTPUT
        last = time.perf_counter()

    begun, cpu = time.perf_counter(), time.process_time()
    hosts = living(count)
    for n, address in enumerate(dead):
        hosts.insert(n * len(hosts) // len(dead), address)
    await asyncio.gather(*map(one, hosts))
    return {"cold_s": last - begun, "cold_cpu_ms": (time.process_time() - cpu) * 1000 / count}


def main() -> None:
    """One round."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    who, folder, count, lost = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    dead = [*silent(lost - lost // 2), *refusing(lost // 2)]
    measure = {"ours": ours, "bare": bare}[who]
    print(json.dumps(asyncio.run(measure(folder, count, dead))))


if __name__ == "__main__":
    main()
