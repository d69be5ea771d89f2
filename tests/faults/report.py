"""What was tried and what it showed: on the screen as it goes, and in build/faults for later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.cases import Report
from tests.faults.judge import INVARIANTS

FOLDER = Path("build/faults")
_LOG_KEPT = 20_000


@dataclass
class Tally:
    """All reports of one run of the program."""

    seed: int
    folder: Path = FOLDER
    reports: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Count a report; one with a violation is printed and kept at once."""
        self.reports.append(report)
        if report.violations:
            for invariant, found in sorted(report.violations.items()):
                print(f"{invariant} {report.name}: {found[0]}", flush=True)
            self._keep(report)
        elif len(self.reports) % 25 == 0:
            print(f"{len(self.reports)} done, the last: {report.name}", flush=True)

    @property
    def failed(self) -> list[Report]:
        return [report for report in self.reports if report.violations]

    @property
    def runs(self) -> list[Report]:
        """Those in which a process did die."""
        return [report for report in self.reports if report.reached]

    def lines(self) -> list[str]:
        """The table for people."""
        kills: Counter[str] = Counter()
        for report in self.runs:
            database, platform, _ = report.name.split("/", 2)
            kills[f"{database} × {platform}"] += report.kills
        broken: Counter[str] = Counter()
        for report in self.failed:
            broken.update(report.violations.keys())
        total = sum(kills.values())
        found = [f"{'runs':>8}  where"]
        found += [f"{count:>8}  {where}" for where, count in sorted(kills.items())]
        found += [f"{total:>8}  in all", "", f"{'runs':>8}  {'violations':>10}  invariant"]
        for invariant in (*INVARIANTS, *sorted(set(broken) - set(INVARIANTS))):
            found.append(f"{total:>8}  {broken[invariant]:>10}  {invariant}")
        missed = [report.name for report in self.reports if not report.reached]
        copies = sum(report.dead_copies for report in self.reports)
        return [
            *found,
            "",
            f"second copies in Telegram, each of them dead: {copies}",
            f"not reached their point, so not counted: {len(missed)}",
            f"seed: {self.seed}",
            *(f"again: {command(report.name)}" for report in self.failed),
        ]

    def save(self) -> Path:
        """Write everything down; gives the file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"faults-{self.seed}.json"
        rows = [
            {**asdict(report), "log": "", "again": command(report.name)} for report in self.reports
        ]
        path.write_text(json.dumps({"seed": self.seed, "cases": rows}, indent=1), "utf-8")
        return path

    def _keep(self, report: Report) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = "".join(c if c.isalnum() else "-" for c in report.name)
        kept = {**asdict(report), "log": report.log[-_LOG_KEPT:], "again": command(report.name)}
        (self.folder / f"{name}.json").write_text(json.dumps(kept, indent=1), "utf-8")


def command(*names: str) -> str:
    """The command line that tries cases again."""
    return " ".join(["python -m tests.faults", *(f"--only {name}" for name in names)])


def spread(total: int, parts: Sequence[str]) -> dict[str, int]:
    """Share a number out evenly."""
    share, rest = divmod(total, len(parts))
    return {part: share + (place < rest) for place, part in enumerate(parts)}
