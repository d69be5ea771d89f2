"""``make bench``: the figures, ours beside the peer, in one run on one machine.

Errbot gets a virtual environment of its own, made on the first run.  Rounds of ours and of the peer
take turns, so that both meet the same machine; what is printed is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import venv
from pathlib import Path

from tests.bench import ack, cycle

ROOT = Path(__file__).parents[2]
PEER = ROOT / ".venv-errbot"
EVENTS = 1000
ROUNDS = 3


def main() -> int:
    """Measure all and print one table, then one line of JSON."""
    python = _peer_python()
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_run([sys.executable, "-m", "tests.bench.dispatch"]))
        theirs.append(_run([str(python), str(ROOT / "tests/bench/errbot_peer.py"), str(EVENTS)]))
    figures = {
        "dispatch": {"watchstander": _medians(ours), "errbot": _medians(theirs)},
        "ack": asyncio.run(ack.measure()),
        "cycle": cycle.measure(),
    }
    _table(figures)
    print(json.dumps(figures))
    return 0


def _table(figures: dict[str, dict[str, object]]) -> None:
    print("\nInbox to reply, an echo among 50 commands (ours keeps every event on disk)")
    print(f"{'':14}{'events/s':>10}{'p50 ms':>10}{'p99 ms':>10}")
    for name, row in figures["dispatch"].items():
        assert isinstance(row, dict)
        print(f"{name:14}{row['per_second']:>10.0f}{row['p50_ms']:>10.2f}{row['p99_ms']:>10.2f}")
    first, second = (row["per_second"] for row in figures["dispatch"].values())  # type: ignore[index]
    print(f"{'ratio':14}{first / second:>10.3f}")
    busy = figures["ack"]
    lost = figures["dispatch"]["errbot"]
    assert isinstance(lost, dict)
    print(f"  of {EVENTS} replies, errbot's wrong ones: {lost['wrong']:.0f} (median)")
    print("\nSlack acknowledgement, 50 events/s")
    for title, state in (("idle", "idle"), ("model asked without a pause, and", "busy")):
        p50, p99 = busy[f"{state}_p50_ms"], busy[f"{state}_p99_ms"]
        print(f"  {title:36} p50 {p50} ms, p99 {p99} ms")
    print("  a 6 s command running              (target: p99 < 50 ms)")
    rate = figures["cycle"]
    print("\nCycle over 10,000 new requests, SQLite")
    print(f"  {rate['requests_per_s']} requests/s (target: {rate['target_per_s']})\n")


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def _run(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _peer_python() -> Path:
    python = PEER / "bin" / "python"
    if not (PEER / ".installed").exists():
        print("Installing the peer (errbot) in .venv-errbot …", flush=True)
        venv.create(PEER, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "errbot==6.2.1", "pytest"]
        subprocess.run(install, check=True)
        (PEER / ".installed").touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
