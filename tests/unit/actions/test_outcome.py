"""Results: how they add up, are stored, and show output."""

from __future__ import annotations

import json

import pytest

from engine.execution.outcome import (
    CappedOutput,
    Outcome,
    RunResult,
    StepResult,
    visible,
)
from engine.plan import Step
from prompts.texts import text

DONE, FAILED, UNKNOWN, SKIPPED = Outcome.DONE, Outcome.FAILED, Outcome.UNKNOWN, Outcome.SKIPPED


def result(*outcomes: Outcome) -> RunResult:
    step = Step("A", "h", "ops@h:22", ("df", "-hP"), ("/var/log",), "ab")
    detail = text("plan_run_exit", status=3)
    return RunResult(tuple(StepResult(step, o, 3, "out\n", detail, 12) for o in outcomes))


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([DONE, DONE], DONE),
        ([DONE, FAILED], FAILED),
        ([FAILED, SKIPPED], FAILED),
        ([FAILED, UNKNOWN, DONE], UNKNOWN),
        ([SKIPPED], FAILED),
        ([], FAILED),
    ],
)
def test_the_worst_doubt_wins(outcomes: list[Outcome], whole: Outcome) -> None:
    assert result(*outcomes).outcome is whole


def test_a_result_survives_storage() -> None:
    before = result(DONE, UNKNOWN)
    assert RunResult.from_json(json.loads(json.dumps(before.to_json()))) == before


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("plain 한국어 中文 é\tx\n", "plain 한국어 中文 é\tx\n"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;http://evil\x07", "\\x1b]8;;http://evil\\x07"),
        ("a\rb", "a\\x0db"),
        ("\x9b\x85\x00\x7f", "\\x9b\\x85\\x00\\x7f"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u200b\ufeff\u2028", "\\u200b\\ufeff\\u2028"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_hides_in_output(raw: str, seen: str) -> None:
    assert visible(raw) == seen


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_output_keeps_both_ends_whatever_the_chunks(chunk: int) -> None:
    whole = bytes(range(33, 123)) * 50
    output = CappedOutput(100)
    for start in range(0, len(whole), chunk):
        output.add(whole[start : start + chunk])
    head, tail = whole[:50].decode(), whole[-50:].decode()
    assert output.shown() == f"{head}\n[… {len(whole) - 100} B …]\n{tail}"


def test_output_below_the_cap_is_whole_and_broken_bytes_are_replaced() -> None:
    output = CappedOutput(100)
    output.add(b"a\xffb")
    assert output.shown() == "a\ufffdb"
