"""Grouping log lines by event: ours beside drain3, the same lines, each with one configuration.

The lines are LogHub-2k (free for research, so not part of this repository): CSV files with the
columns Content and EventTemplate, in ../shared/data/logs or where WATCHSTANDER_LOGS says.
Accuracy is the grouping accuracy of log parsing: the share of lines whose group has exactly the
lines of their template.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.incidents.grouping import Groups

ROOT = Path(__file__).parents[2]
LOGS = Path(os.environ.get("WATCHSTANDER_LOGS", ROOT.parent / "shared" / "data" / "logs"))
ROUNDS = 3
TARGET = 0.90


def measure(python: Path) -> dict[str, Any] | None:
    """Accuracy per system, its mean, and lines a second (median of rounds); None without lines."""
    logs = _logs()
    if not logs:
        return None
    lines = {system: content for system, (content, _) in logs.items()}
    found: dict[str, dict[str, Any]] = {}
    seconds: dict[str, list[float]] = {"watchstander": [], "drain3": []}
    for _ in range(ROUNDS):
        for who, answer in (("watchstander", _ours(lines)), ("drain3", _drain3(python, lines))):
            seconds[who].append(sum(one["seconds"] for one in answer.values()))
            found[who] = {
                system: accuracy(one["groups"], logs[system][1]) for system, one in answer.items()
            }
    total = sum(map(len, lines.values()))
    return {
        who: {
            "systems": {system: round(share, 4) for system, share in shares.items()},
            "mean": round(statistics.mean(shares.values()), 4),
            "lines_per_s": round(total / statistics.median(seconds[who])),
        }
        for who, shares in found.items()
    }


def drawn(figures: dict[str, Any] | None) -> Iterator[str]:
    """The table."""
    if figures is None:
        yield f"Grouping: no CSV file in {LOGS}; set WATCHSTANDER_LOGS"
        return
    ours, theirs = figures["watchstander"], figures["drain3"]
    yield f"\nGrouping log lines, grouping accuracy (target: mean ≥ {TARGET:.2f})"
    yield f"{'':14}{'watchstander':>14}{'drain3':>10}"
    for system, share in ours["systems"].items():
        yield f"{system:14}{share:>14.3f}{theirs['systems'][system]:>10.3f}"
    yield f"{'mean':14}{ours['mean']:>14.3f}{theirs['mean']:>10.3f}"
    yield f"{'lines/s':14}{ours['lines_per_s']:>14,}{theirs['lines_per_s']:>10,}"


def accuracy(groups: Sequence[int], templates: Sequence[str]) -> float:
    """The share of lines whose group has exactly the lines of their template."""
    by_group: defaultdict[int, list[int]] = defaultdict(list)
    by_template: defaultdict[str, list[int]] = defaultdict(list)
    for line, (group, template) in enumerate(zip(groups, templates, strict=True)):
        by_group[group].append(line)
        by_template[template].append(line)
    right = sum(
        len(members)
        for members in by_group.values()
        if by_template[templates[members[0]]] == members
    )
    return right / len(groups)


def _logs() -> dict[str, tuple[list[str], list[str]]]:
    logs = {}
    for path in sorted(LOGS.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        logs[path.stem] = ([r["Content"] for r in rows], [r["EventTemplate"] for r in rows])
    return logs


def _ours(lines: dict[str, list[str]]) -> dict[str, Any]:
    answer = {}
    for system, texts in lines.items():
        groups = Groups()
        begun = time.perf_counter()
        shapes = [groups.add(text) for text in texts]
        numbers = [groups.group(shape) for shape in shapes]
        answer[system] = {"groups": numbers, "seconds": time.perf_counter() - begun}
    return answer


def _drain3(python: Path, lines: dict[str, list[str]]) -> dict[str, Any]:
    peer = [str(python), str(ROOT / "tests/bench/drain3_peer.py")]
    given = json.dumps(lines)
    done = subprocess.run(peer, input=given, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
