"""The frozen test: how a model reads sentences and names that no training saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.language.calibration import Calibration
from engine.language.contract import CHANGING, INTENTS, Reading
from engine.language.guided import open_model
from engine.language.verdict import Named, verdict
from engine.training.measure import Case, cases, read_case
from engine.training.names import LANGUAGES
from engine.training.sentences import Sentence

_BINS = 10


@dataclass
class Figures:
    """Counts over one group of messages."""

    count: Counter[str] = field(default_factory=Counter)

    def add(self, case: Case, reading: Reading) -> None:
        """Count one message."""
        intent = reading.parse.intent_type == case.intent
        assets = reading.assets == case.assets
        files = reading.parse.deploy_artifacts == case.files
        self.count["n"] += 1
        self.count["right"] += intent and assets and files
        self.count["intent"] += intent
        self.count["rules"] += case.rules.parse.intent_type == case.intent
        self.count["asked"] += bool(case.assets) and not reading.assets
        self.count["wrong target"] += bool(set(reading.assets) - set(case.assets))

    def row(self, name: str) -> str:
        """A line of the table."""
        n = max(1, self.count["n"])
        shares = (f"{100 * self.count[key] / n:.1f} %" for key in ("right", "intent", "rules"))
        counts = (str(self.count[key]) for key in ("asked", "wrong target"))
        return f"| {name} | {self.count['n']} | " + " | ".join((*shares, *counts)) + " |"


@dataclass
class Report:
    """All figures of a model, with its errors."""

    everything: Figures = field(default_factory=Figures)
    by_language: dict[str, Figures] = field(default_factory=dict)
    by_intent: dict[str, Figures] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    sure: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def worth(self) -> tuple[float, int]:
        """What makes one model better than another: fewer wrong targets weigh ten messages each."""
        count = self.everything.count
        return count["right"] - 10 * count["wrong target"], count["intent"]

    def calibration_error(self) -> float:
        """The expected difference between confidence and truth, over ten bins."""
        total = 0.0
        for at in range(_BINS):
            inside = [
                (c, r) for c, r in self.sure if at / _BINS <= c < (at + 1) / _BINS or c == at + 1
            ]
            if inside:
                gap = sum(c for c, _ in inside) - sum(r for _, r in inside)
                total += abs(gap)
        return total / max(1, len(self.sure))

    def table(self) -> str:
        """Markdown."""
        head = "| | messages | all right | intent | intent by rules alone | asked | wrong targets |"
        lines = [head, "|---|---|---|---|---|---|---|", self.everything.row("all")]
        lines += [figures.row(name) for name, figures in self.by_language.items()]
        lines += [figures.row(name) for name, figures in self.by_intent.items()]
        return "\n".join(lines)


def readings(path: Path, found: Iterable[Case]) -> Iterator[tuple[Case, Reading]]:
    """Each case with the reader's reading of it."""
    model = open_model(path)
    calibration = Calibration.from_json(model.calibration) if model.calibration else Calibration()
    for case in found:
        judged = read_case(case, model, calibration)
        names = Named(case.place.inventory, case.index)
        yield case, verdict(judged, case.rules, names, calibration)


def report(path: Path, frozen: list[Sentence], rounds: int = 2) -> Report:
    """Read every frozen sentence with unseen names, so many times."""
    found = Report(
        by_language={language: Figures() for language in LANGUAGES},
        by_intent={intent: Figures() for intent in INTENTS},
    )
    for case, reading in readings(path, cases(frozen, 2026, rounds, vary=False)):
        sentence = case.filled.sentence
        for figures in (
            found.everything,
            found.by_language[sentence.language],
            found.by_intent[case.intent],
        ):
            figures.add(case, reading)
        right = reading.parse.intent_type == case.intent and reading.assets == case.assets
        if reading.question is None or reading.parse.intent_type in CHANGING:
            found.sure.append((reading.confidence, right))
        if not right:
            found.errors.append(
                f"{case.intent} {list(case.assets)} read as {reading.parse.intent_type} "
                f"{list(reading.assets)} ({reading.confidence:.2f}"
                f"{', asked' if reading.question else ''}): {case.filled.text!r}"
            )
    return found
