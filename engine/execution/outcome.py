"""What became of a plan, step by step, in a form that can be stored and shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from engine.plan import Step
from engine.redaction import redacted
from prompts.texts import Text, text

_KEPT = frozenset("\n\t")
# Control, format (bidi, zero width), surrogate, unassigned, and the two Unicode line breaks.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "DONE"  #: it ran and said so (exit status 0)
    FAILED = "FAILED"  #: it ran and failed, or it surely never began
    UNKNOWN = "UNKNOWN"  #: it was sent, and nobody knows what became of it
    SKIPPED = "SKIPPED"  #: not begun, because of what happened before it


@dataclass(frozen=True)
class StepResult:
    """One step and how it ended."""

    step: Step
    outcome: Outcome
    exit_status: int | None
    """None when the host told none."""
    output: str
    """Standard output and error together: capped, and with unseen characters made visible."""
    detail: Text
    """One sentence for a person."""
    ms: int
    """Duration in milliseconds."""

    def to_json(self) -> dict[str, Any]:
        return {
            "step": asdict(self.step),
            "outcome": self.outcome.value,
            "exit_status": self.exit_status,
            "output": self.output,
            "detail": self.detail.to_json(),
            "ms": self.ms,
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> StepResult:
        step = raw["step"]
        return StepResult(
            Step(**{**step, "argv": tuple(step["argv"]), "under": tuple(step["under"])}),
            Outcome(raw["outcome"]),
            raw["exit_status"],
            raw["output"],
            Text.from_json(raw["detail"]),
            raw["ms"],
        )


@dataclass(frozen=True)
class RunResult:
    """Every step of a plan, in the plan's order."""

    steps: tuple[StepResult, ...]

    @property
    def outcome(self) -> Outcome:
        """UNKNOWN if any step is; else FAILED if any is not DONE or there was none; else DONE."""
        outcomes = {result.outcome for result in self.steps}
        if Outcome.UNKNOWN in outcomes:
            return Outcome.UNKNOWN
        return Outcome.DONE if outcomes == {Outcome.DONE} else Outcome.FAILED

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome.value,
            "steps": [result.to_json() for result in self.steps],
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> RunResult:
        return RunResult(tuple(StepResult.from_json(step) for step in raw["steps"]))


class CappedOutput:
    """Collects endless bytes in bounded memory: the first and the last half of ``cap`` bytes."""

    def __init__(self, cap: int) -> None:
        self._half = max(cap // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, chunk: bytes) -> None:
        self._total += len(chunk)
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        # Cut now and then, not at every chunk: each cut moves the rest.
        if len(self._tail) > 4 * self._half:
            del self._tail[: -self._half]

    def shown(self) -> str:
        """The text as it is kept and shown: bytes that are no UTF-8 replaced, what has the form of
        a secret taken out, and unseen characters made visible."""
        tail = bytes(self._tail[-self._half :])
        left_out = self._total - len(self._head) - len(tail)
        gap = f"\n[… {left_out} B …]\n".encode() if left_out else b""
        return visible(redacted((bytes(self._head) + gap + tail).decode("utf-8", "replace")))


def without_output(step: Step, outcome: Outcome, detail: Text) -> StepResult:
    """The result of a step that has nothing to show."""
    return StepResult(step, outcome, None, "", detail, 0)


def skipped(step: Step) -> StepResult:
    """The result of a step that was not begun because of one before it."""
    return without_output(step, Outcome.SKIPPED, text("plan_run_skipped"))


def visible(words: str) -> str:
    """The words with every character that would not be seen written out: ``\\x1b``, ``\\u202e``.

    Line feeds and tabs stay.  Nothing is dropped, so what is shown is what was there.
    """
    if words.replace("\n", "").replace("\t", "").isprintable():
        return words  # the usual case, without a look at each character
    return "".join(
        written_out(character)
        if unicodedata.category(character) in _UNSEEN and character not in _KEPT
        else character
        for character in words
    )


def written_out(character: str) -> str:
    """A character as its code: ``\\x1b``, ``\\u202e``, ``\\U000e0041``."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
