"""``watchstander parse --eval``: how many messages are read right, and what else happens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.commandline.output import Failure, as_json, remark, result, results
from bot.commandline.parse_language import LANGUAGES, language_of, latin_names
from bot.commandline.parse_lines import BadLine, lines, opened
from bot.commandline.parse_reading import Timed, readings
from bot.commandline.parse_score import Example, Row, Score, Share, Times, score
from bot.commandline.parse_table import drawn, miss_lines
from engine.inventory import Inventory
from engine.language.classify import TYPES, classify
from engine.language.contract import INTENTS
from engine.language.model import ModelSettings

_MOST_PROBLEMS = 20
NOT_GIVEN = "not given"
"""The group of examples that expect no particular intent."""


@dataclass
class Types:
    """Request types (requirement: DEPLOY, RESTART, LOG, INQUIRY, else OTHER) found by one way."""

    all: Share = field(default_factory=Share)
    languages: dict[str, Share] = field(default_factory=lambda: {n: Share() for n in LANGUAGES})

    def add(self, language: str, right: bool) -> None:
        """Count one example."""
        self.all.add(right)
        self.languages[language].add(right)

    def to_json(self) -> dict[str, Any]:
        """The whole, then each language that occurs."""
        return {
            **self.all.to_json(),
            "languages": {k: share.to_json() for k, share in self.languages.items() if share.of},
        }


@dataclass(frozen=True)
class Miss:
    """An example that was not read right."""

    example: Example
    score: Score
    timed: Timed

    def to_json(self) -> dict[str, Any]:
        """What was expected and what it came to."""
        example, reading = self.example, self.timed.reading
        expected = {
            "intent_type": example.intent,
            "assets": example.assets,
            "deploy_artifacts": example.artifacts,
            "requires_approval": example.approval,
        }
        return {
            "line": example.line,
            "text": example.text,
            "wrong": [*self.score.misses],
            "wrong_targets": [*self.score.wrong_targets],
            "expected": {key: value for key, value in expected.items() if value is not None},
            "got": {
                "intent_type": reading.parse.intent_type,
                "assets": reading.assets,
                "deploy_artifacts": reading.parse.deploy_artifacts,
                "requires_approval": reading.parse.requires_approval,
            },
            "confidence": reading.confidence,
            "question": reading.question is not None,
            "source": reading.source,
        }


@dataclass
class Figures:
    """All that is counted of one run."""

    all: Row = field(default_factory=Row)
    languages: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))
    intents: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))
    ours: Types = field(default_factory=Types)
    keywords: Types = field(default_factory=Types)
    times: Times = field(default_factory=Times)
    misses: list[Miss] = field(default_factory=list)

    def add(self, example: Example, language: str, timed: Timed) -> None:
        """Count one example in each group that it is in."""
        found = score(example, timed)
        for row in (self.all, self.languages[language], self.intents[example.intent or NOT_GIVEN]):
            row.add(found)
        if example.intent is not None:
            meant = _type_of(example.intent)
            self.ours.add(language, _type_of(timed.reading.parse.intent_type) == meant)
            self.keywords.add(language, classify(example.text).type == meant)
        self.times.add(timed)
        if found.misses:
            self.misses.append(Miss(example, found, timed))

    def groups(self) -> list[tuple[str, str, Row]]:
        """Kind, name and figures: all, then the languages, then the intents, those that occur."""
        return [
            ("all", "all", self.all),
            *(("language", n, self.languages[n]) for n in LANGUAGES if n in self.languages),
            *(("intent", n, self.intents[n]) for n in (*INTENTS, NOT_GIVEN) if n in self.intents),
        ]

    def to_json(self, errors: bool) -> dict[str, Any]:
        """The figures that the tables show; percentages are of those that expect the part."""
        return {
            "read_by": dict(self.times.sources),
            "groups": [
                {"by": kind, "name": name, **row.to_json()} for kind, name, row in self.groups()
            ],
            "request_types": {
                "ours": self.ours.to_json(),
                "keyword_table": self.keywords.to_json(),
            },
            "ms": {
                "p50": round(self.times.percentile(0.5), 3),
                "p99": round(self.times.percentile(0.99), 3),
                "slowest": round(self.times.percentile(1), 3),
            },
            **({"errors": [miss.to_json() for miss in self.misses]} if errors else {}),
        }


def run(
    path: Path, inventory: Inventory, settings: ModelSettings, *, errors: bool, in_json: bool
) -> int:
    """Read every example once and print the figures: 0, whatever they are."""
    examples = _examples(path)
    _warn_of_strangers(path, examples, inventory)
    names = latin_names(inventory)
    figures = Figures()
    with readings(inventory, settings) as read:
        for example in examples:
            figures.add(example, language_of(example.text, names), read(example.text))
    if in_json:
        result(as_json(figures.to_json(errors), indent=2))
        return 0
    if errors:
        for miss in figures.misses:
            results(miss_lines(miss))
    results(drawn(figures))
    return 0


def _examples(path: Path) -> list[Example]:
    """All of them: a bad line is told before the first message is read. Raises Failure."""
    found, problems = [], []
    with opened(path) as file:
        for line in lines(file):
            try:
                found.append(Example.of(line))
            except BadLine as bad:
                problems.append(f"{path}: {bad}")
                if len(problems) == _MOST_PROBLEMS:
                    raise Failure(*problems, "there may be more; mend these first") from None
    if problems:
        raise Failure(*problems)
    if not found:
        raise Failure(f'{path}: holds no example; write one {{"text","expected"}} a line')
    return found


def _warn_of_strangers(path: Path, examples: list[Example], inventory: Inventory) -> None:
    """Assets that are expected and do not exist: most likely this is the wrong inventory."""
    strange = [
        (example.line, code)
        for example in examples
        for code in example.assets or ()
        if code not in inventory.assets
    ]
    if strange:
        line, code = strange[0]
        remark(
            f"{path}: line {line}: the inventory has no asset {code!a}, and it lacks "
            f"{len({code for _, code in strange})} of the expected assets; is it the right one?"
        )


def _type_of(intent: str) -> str:
    return intent if intent in TYPES else "OTHER"
