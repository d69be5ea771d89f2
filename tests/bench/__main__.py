"""``make bench``: the figures, ours beside the peers, in one run on one machine.

Each peer gets a virtual environment of its own, made on the first run.  Rounds of ours and of a
peer take turns, so that both meet the same machine; what is printed is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from typing import Any

from tests.bench import (
    ack,
    alerts,
    backlog,
    clickers,
    cycle,
    fan_out,
    grouping,
    idle,
    parse,
    queued,
    retrieval,
)
from tests.bench.peers import ROOT, peer_python

ERRBOT = ("errbot", "errbot==6.2.1", "pytest")
DRAIN3 = ("drain3", "drain3==0.9.11")
EVENTS = 1000
ROUNDS = 3
QUEUED, QUEUED_S = 1_000, 60.0
"""In full: python -m tests.bench.queued"""
CLICKERS = 20
"""In full: python -m tests.bench.clickers"""


def main() -> int:
    """Measure all and print one table, then one line of JSON."""
    python = peer_python(*ERRBOT)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_run([sys.executable, "-m", "tests.bench.dispatch"]))
        theirs.append(_run([str(python), str(ROOT / "tests/bench/errbot_peer.py"), str(EVENTS)]))
    figures = {
        "dispatch": {"watchstander": _medians(ours), "errbot": _medians(theirs)},
        "ack": asyncio.run(ack.measure()),
        "alerts": asyncio.run(alerts.measure()),
        "cycle": cycle.measure(),
        "parse": parse.measure(),
        "grouping": grouping.measure(peer_python(*DRAIN3)),
        "retrieval": retrieval.measure(),
        "fan_out": fan_out.measure(),
        "idle": idle.measure(),
        "queued": queued.measure(QUEUED, QUEUED_S),
        "backlog": backlog.measure(),
        "clickers": clickers.measure(CLICKERS),
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
    alerts.table(figures["alerts"])
    rate = figures["cycle"]
    print("\nCycle over 10,000 new requests, SQLite")
    print(f"  {rate['requests_per_s']} requests/s (target: {rate['target_per_s']})")
    _parsing(figures["parse"])
    print("\n".join(grouping.drawn(figures["grouping"])))
    retrieval.table(figures["retrieval"])
    fan_out.table(figures["fan_out"])
    idle.table(figures["idle"])
    queued.table(figures["queued"])
    backlog.table(figures["backlog"])
    clickers.table(figures["clickers"])
    print(
        "\nPostgreSQL stopped at once under load: python -m tests.bench.postgres_stops (10 minutes)"
    )


def _parsing(figures: dict[str, Any]) -> None:
    both = figures["decoders"]
    print("\nReading words, the same GGUF, one thread")
    print(f"{'':34}{'p50 ms':>10}{'p99 ms':>10}{'right':>12}")
    for who, title in (("ours", "our decoder"), ("grammar", "llama-cpp-python, JSON schema")):
        right = f"{both[who]} of {both['messages']}"
        print(f"{title:34}{both[f'{who}_p50_ms']:>10}{both[f'{who}_p99_ms']:>10}{right:>12}")
    print(f"{'ratio':34}{both['grammar_p50_ms'] / both['ours_p50_ms']:>10.1f}")
    for size in (50, 50_000):
        row = figures[f"assets_{size}"]
        print(
            f"  text to reading, {size:6} assets    p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms"
        )
    print(f"  start of the child to the first reading: {figures['start_ms']} ms\n")


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def _run(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
