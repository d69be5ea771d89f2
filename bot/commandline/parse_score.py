"""What messages came to beside what they should come to: right, wrong, asked, per group."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bot.commandline.parse_lines import BadLine, Line
from bot.commandline.parse_reading import Timed
from engine.language.contract import INTENTS

PARTS = ("intent", "assets", "artifacts", "approval")
"""What is compared. All right are the first three; approval follows from the intent."""
_ALL_RIGHT = PARTS[:3]


@dataclass(frozen=True)
class Example:
    """A message and what it should come to; None where the file does not say."""

    line: int
    text: str
    intent: str | None
    assets: tuple[str, ...] | None
    artifacts: tuple[str, ...] | None
    approval: bool | None

    @staticmethod
    def of(line: Line) -> Example:
        """The example of a line. Raises BadLine."""
        if line.fields is None:
            raise BadLine(line.problem)
        expected = line.fields.get("expected")
        if not isinstance(expected, dict):
            raise BadLine(
                f'line {line.number}: has no "expected" object; '
                'add "expected": {"intent_type": …, "assets": […]}'
            )
        try:
            return Example(
                line.number,
                line.text,
                _intent(expected),
                _listed(expected, "assets", in_order=True),
                _listed(expected, "deploy_artifacts"),
                _yes_or_no(expected),
            )
        except BadLine as bad:
            raise BadLine(f"line {line.number}: expected {bad}") from None


@dataclass(frozen=True)
class Score:
    """One example, scored. A part that is not expected is not in ``right``."""

    right: dict[str, bool]
    wrong_targets: tuple[str, ...]
    """Assets chosen, without a question, that are not expected."""
    asked: bool
    """A question where assets are expected."""

    @property
    def all_right(self) -> bool | None:
        """Intent, assets and artifacts, those that are expected; None if none of them is."""
        parts = [self.right[part] for part in _ALL_RIGHT if part in self.right]
        return all(parts) if parts else None

    @property
    def misses(self) -> tuple[str, ...]:
        """The parts that are not right."""
        return tuple(part for part in PARTS if not self.right.get(part, True))


def score(example: Example, timed: Timed) -> Score:
    """Compare a reading with its example."""
    reading = timed.reading
    got = (
        reading.parse.intent_type,
        tuple(sorted(reading.assets)),
        reading.parse.deploy_artifacts,
        reading.parse.requires_approval,
    )
    expected = (example.intent, example.assets, example.artifacts, example.approval)
    right = {
        part: want == have
        for part, want, have in zip(PARTS, expected, got, strict=True)
        if want is not None
    }
    chosen = () if reading.question or example.assets is None else reading.assets
    wrong = tuple(code for code in chosen if code not in (example.assets or ()))
    return Score(right, wrong, bool(reading.question and example.assets))


@dataclass
class Share:
    """How many of how many."""

    right: int = 0
    of: int = 0

    def add(self, right: bool | None) -> None:
        """One more; None is not counted."""
        if right is not None:
            self.right += right
            self.of += 1

    @property
    def percent(self) -> float | None:
        """None of nothing. Rounded down to a tenth, so that 100.0 means all."""
        return math.floor(1000 * self.right / self.of) / 10 if self.of else None

    def to_json(self) -> dict[str, Any]:
        """The count and the percentage."""
        return {"right": self.right, "of": self.of, "percent": self.percent}


@dataclass
class Row:
    """The figures of one group of examples."""

    number: int = 0
    all_right: Share = field(default_factory=Share)
    parts: dict[str, Share] = field(default_factory=lambda: {part: Share() for part in PARTS})
    wrong_targets: int = 0
    asked: int = 0

    def add(self, found: Score) -> None:
        """Count one example."""
        self.number += 1
        self.all_right.add(found.all_right)
        for part, share in self.parts.items():
            share.add(found.right.get(part))
        self.wrong_targets += bool(found.wrong_targets)
        self.asked += found.asked

    def to_json(self) -> dict[str, Any]:
        """Every figure by its name."""
        return {
            "number": self.number,
            "all_right": self.all_right.to_json(),
            **{part: share.to_json() for part, share in self.parts.items()},
            "wrong_targets": self.wrong_targets,
            "asked": self.asked,
        }


@dataclass
class Times:
    """Milliseconds of each reading, and who read."""

    ms: array[float] = field(default_factory=lambda: array("d"))
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, timed: Timed) -> None:
        """Count one reading."""
        self.ms.append(timed.ms)
        self.sources[timed.reading.source] += 1

    def percentile(self, share: float) -> float:
        """The time that this share of the readings (0 to 1) did not exceed; nearest rank."""
        return sorted(self.ms)[max(0, math.ceil(share * len(self.ms)) - 1)]


def _intent(expected: dict[str, Any]) -> str | None:
    intent = expected.get("intent_type")
    if "intent_type" in expected and intent not in INTENTS:
        raise BadLine(f"intent_type is not one of {', '.join(INTENTS)}")
    return intent


def _listed(
    expected: dict[str, Any], name: str, *, in_order: bool = False
) -> tuple[str, ...] | None:
    if name not in expected:
        return None
    value = expected[name]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadLine(f'{name} is not a list of texts; write ["A", "B"] or []')
    return tuple(sorted(set(value)) if in_order else value)


def _yes_or_no(expected: dict[str, Any]) -> bool | None:
    value = expected.get("requires_approval")
    if "requires_approval" in expected and not isinstance(value, bool):
        raise BadLine("requires_approval is not true or false; write it without quotes")
    return value
