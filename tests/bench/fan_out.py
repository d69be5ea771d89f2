"""One command on 100 and on 500 hosts: ours beside bare asyncssh, parallel-ssh and ansible.

The targets are SSH servers in processes of their own, each on an address of its own on loopback,
the same for all.  Every round is a process of its own, and the rounds take turns.  Seconds are
counted from the order until the last living host is done; ansible's without its start.  ``kept``
is the same again over connections that stand.  ``python -m tests.bench.fan_out`` runs this alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.fan_out_clients import AT_ONCE, COMMAND
from tests.bench.fan_out_hosts import OUTPUT, PORT, living, prepare
from tests.bench.peers import ROOT, peer_python

ANSIBLE = ("ansible", "ansible-core==2.19.14")
PSSH = ("pssh", "parallel-ssh==2.16.0.post1", "setuptools<81")
SIZES = (100, 500)
DEAD = 0.05
ROUNDS = 3
SERVERS = 2
"""Processes that play the hosts."""


def measure() -> dict[str, Any]:
    """Medians of the rounds, by number of hosts and by who."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ansible, pssh = peer_python(*ANSIBLE), peer_python(*PSSH)
    figures: dict[str, Any] = {"at_once": AT_ONCE, "load_before": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory(prefix="fan-out-") as place:
        folder = Path(place)
        prepare(folder, max(SIZES))
        with _targets(folder):
            for count in SIZES:
                dead = int(count * DEAD)
                rounds: dict[str, list[dict[str, float]]] = {}
                for number in range(ROUNDS):
                    for who, found in (
                        ("ours", _client("ours", folder, count, 0)),
                        ("bare", _client("bare", folder, count, 0)),
                        ("ours_dead", _client("ours", folder, count, dead)),
                        ("bare_dead", _client("bare", folder, count, dead)),
                        ("pssh", _pssh(pssh, folder, count)),
                        ("ansible", _ansible(ansible, folder, count, number)),
                    ):
                        rounds.setdefault(who, []).append(found)
                figures[f"hosts_{count}"] = {who: _median(many) for who, many in rounds.items()}
    figures["load_after"] = round(os.getloadavg()[0], 2)
    return figures


def table(figures: dict[str, Any]) -> None:
    """As `make bench` prints it."""
    print(
        f"\nFan-out: one command, {figures['at_once']} hosts at once, seconds to the last living"
        f" host (median of {ROUNDS}; load {figures['load_before']}–{figures['load_after']})"
    )
    titles = {
        "ours": "ours",
        "bare": "bare asyncssh",
        "ours_dead": "ours, 5 % more hosts, dead",
        "bare_dead": "bare asyncssh, the same",
        "pssh": "parallel-ssh (checks no keys)",
        "ansible": "ansible -m raw, without start",
    }
    for count in SIZES:
        found = figures[f"hosts_{count}"]
        print(f"{f'{count} hosts':34}{'cold s':>9}{'÷ ours':>9}{'CPU ms/host':>13}{'kept s':>9}")
        for who, title in titles.items():
            row = found[who]
            cpu, kept = row.get("cold_cpu_ms"), row.get("kept_s")
            print(
                f"  {title:32}{row['cold_s']:>9.2f}{row['cold_s'] / found['ours']['cold_s']:>9.2f}"
                f"{f'{cpu:.2f}' if cpu else '':>13}{f'{kept:.2f}' if kept else '':>9}"
            )
    print("  (targets: ours ≤ 1.15 × bare; ansible ≥ 5 × ours; dead hosts add nothing)")


@contextlib.contextmanager
def _targets(folder: Path) -> Iterator[None]:
    share = max(SIZES) // SERVERS
    dead = int(max(SIZES) * DEAD)
    servers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.fan_out_hosts", str(folder)),
                *(str(n * share), str((n + 1) * share), str(0 if n else dead)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for n in range(SERVERS)
    ]
    try:
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
        yield
    finally:
        for server in servers:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(10)


def _client(who: str, folder: Path, count: int, dead: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.fan_out_clients", who, str(folder)]
    return _told([*command, str(count), str(dead)])


def _pssh(python: Path, folder: Path, count: int) -> dict[str, float]:
    script = str(ROOT / "tests/bench/fan_out_pssh.py")
    output = "|".join(OUTPUT.decode().split())
    given = [str(folder / "user_key"), str(PORT), str(AT_ONCE), output, " ".join(COMMAND)]
    return _told([str(python), script, *given, *living(count)])


def _told(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _ansible(python: Path, folder: Path, count: int, number: int) -> dict[str, float]:
    """Cold, then over the connections that ControlPersist kept."""
    program = str(python.parent / "ansible")
    controls = folder / f"c{count}-{number}"
    controls.mkdir()
    (folder / "inventory").write_text("\n".join(living(count)))
    trust = f"-o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=none"
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(folder / "none.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(controls),
        "ANSIBLE_SSH_COMMON_ARGS": f"{trust} -o IdentitiesOnly=yes",
        "ANSIBLE_REMOTE_PORT": str(PORT),
        "ANSIBLE_REMOTE_USER": "ops",
        "ANSIBLE_PRIVATE_KEY_FILE": str(folder / "user_key"),
        "ANSIBLE_FORKS": str(AT_ONCE),
    }
    (folder / "none.cfg").touch()
    order = [program, "all", "-i", str(folder / "inventory"), "-m", "raw", "-a", " ".join(COMMAND)]

    def seconds(command: list[str]) -> tuple[float, str]:
        begun = time.perf_counter()
        done = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, cwd=folder
        )
        return time.perf_counter() - begun, done.stdout

    start, _ = seconds([program, "--version"])
    times = []
    for _ in range(2):
        spent, answer = seconds(order)
        assert answer.count("rc=0") == count, answer[-2000:]
        times.append(spent - start)
    for control in controls.iterdir():
        subprocess.run(
            ["ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={control}", "none"],
            capture_output=True,
            check=False,
        )
    return {"cold_s": times[0], "kept_s": times[1], "start_s": start}


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(one[key] for one in rounds), 3) for key in rounds[0]}


if __name__ == "__main__":
    found = measure()
    table(found)
    print(json.dumps(found))
