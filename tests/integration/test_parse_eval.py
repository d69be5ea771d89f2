"""``watchstander parse --eval``: figures that can be checked by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command import ROOT, Done, watchstander
from tests.integration.test_parse_command import INVENTORY, written

EXAMPLES = ROOT / "tests" / "unit" / "language" / "examples.jsonl"


def expected(
    intent: str, assets: list[str], artifacts: list[str], approval: bool, **more: object
) -> dict[str, object]:
    parts = {"intent_type": intent, "assets": assets, "deploy_artifacts": artifacts}
    return {**parts, "requires_approval": approval, **more}


SET = [
    # All right; the order of the assets does not matter.
    {
        "text": "기재부 예산시스템 WAS 재기동해줘",
        "expected": expected("RESTART", ["MOF-WAS-02", "MOF-WAS-01"], [], True, note="more"),
    },
    # Another asset is meant: a wrong target. The keyword table sees a restart.
    {
        "text": "재시작은 하지 말고 momo-db 상태만",
        "expected": expected("STATUS", ["MOMO-APP"], [], False),
    },
    # Intent and approval are not right.
    {"text": "nice work everyone", "expected": expected("RESTART", [], [], True)},
    # A question, where assets are expected.
    {"text": "WAS 재시작", "expected": expected("RESTART", ["MOF-WAS-01"], [], True)},
    # Only the intent is expected.
    {"text": "請重啟 momo-db", "expected": {"intent_type": "RESTART"}, "id": 5},
    # Only the artifacts are, and they are others.
    {"text": "please 재시작 momo-db", "expected": {"deploy_artifacts": ["x.war"]}},
    # All right but the approval.
    {
        "text": "ship mail-3.2.tar.gz to mail-web-01",
        "expected": expected("DEPLOY", ["MOF-MAIL-WEB-01"], ["mail-3.2.tar.gz"], False),
    },
    # A question where none of the assets is expected is as it should be.
    {"text": "국세청 홈택스 WAS 재시작", "expected": expected("RESTART", [], [], True)},
]


def measure(file: Path, *args: str) -> Done:
    return watchstander("parse", "--inventory", INVENTORY, "--rules", "--eval", file, *args)


def share(right: int, of: int, percent: float | None) -> dict[str, Any]:
    return {"right": right, "of": of, "percent": percent}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "set.jsonl", *SET)


def test_the_figures_are_those_of_a_count_by_hand(file: Path) -> None:
    done = measure(file, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures["read_by"] == {"rules": 8}
    groups = {(group.pop("by"), group.pop("name")): group for group in figures["groups"]}
    assert groups["all", "all"] == {
        "number": 8,
        "all_right": share(4, 8, 50.0),
        "intent": share(6, 7, 85.7),
        "assets": share(4, 6, 66.6),
        "artifacts": share(6, 7, 85.7),
        "approval": share(4, 6, 66.6),
        "wrong_targets": 1,
        "asked": 1,
    }
    assert {name: group["number"] for (by, name), group in groups.items() if by == "language"} == {
        "ko": 4,
        "en": 2,
        "zh-TW": 1,
        "mixed": 1,
    }
    assert {name: group["number"] for (by, name), group in groups.items() if by == "intent"} == {
        "RESTART": 5,
        "DEPLOY": 1,
        "STATUS": 1,
        "not given": 1,
    }
    assert groups["intent", "STATUS"]["wrong_targets"] == groups["language", "ko"]["asked"] == 1
    assert groups["language", "zh-TW"]["assets"] == share(0, 0, None)


def test_the_request_types_are_compared_on_the_same_texts(file: Path) -> None:
    types = json.loads(measure(file, "--json").stdout)["request_types"]
    assert types == {
        "ours": {
            **share(6, 7, 85.7),
            "languages": {
                "ko": share(4, 4, 100.0),
                "en": share(1, 2, 50.0),
                "zh-TW": share(1, 1, 100.0),
            },
        },
        "keyword_table": {
            **share(5, 7, 71.4),
            "languages": {
                "ko": share(3, 4, 75.0),
                "en": share(1, 2, 50.0),
                "zh-TW": share(1, 1, 100.0),
            },
        },
    }


def test_the_errors_are_listed_with_what_was_expected(file: Path) -> None:
    errors = json.loads(measure(file, "--json", "--errors").stdout)["errors"]
    assert [(error["line"], error["wrong"]) for error in errors] == [
        (2, ["assets"]),
        (3, ["intent", "approval"]),
        (4, ["assets"]),
        (6, ["artifacts"]),
        (7, ["approval"]),
    ]
    assert [error["wrong_targets"] for error in errors] == [["MOMO-DB"], [], [], [], []]
    assert [error["question"] for error in errors] == [False, False, True, False, False]
    assert errors[0]["got"]["assets"] == ["MOMO-DB"]
    assert errors[3]["expected"] == {"deploy_artifacts": ["x.war"]}
    assert "errors" not in json.loads(measure(file, "--json").stdout)


def test_the_table_shows_the_same_figures(file: Path) -> None:
    done = measure(file)
    assert done.returncode == 0
    rows = done.stdout.splitlines()
    assert re.split(r"\s{2,}", rows[0].strip()) == [
        "number",
        "all right",
        "intent",
        "assets",
        "artifacts",
        "approval",
        "wrong targets",
        "asked",
    ]
    assert "  ".join(rows[1].split()) == (
        "all  8  4  50.0  %  6  85.7  %  4  66.6  %  6  85.7  %  4  66.6  %  1  1"
    )
    (chinese,) = [row for row in rows if row.startswith("zh-TW")]
    assert " ".join(chinese.split()) == "zh-TW 1 1 100.0 % 1 100.0 % – – – 0 0"
    assert "assets: expected of 6 of 8, and counted of these" in done.stdout
    assert re.search(r"(?m)^ours +7 +6  85.7 % +4 100.0 % +1  50.0 % +1 100.0 %$", done.stdout)
    assert re.search(r"(?m)^keyword table +7 +5  71.4 %", done.stdout)
    assert re.search(r"p50 \d+\.\d, p99 \d+\.\d, slowest \d+\.\d\nread by: rules 8\n", done.stdout)


def test_the_list_of_errors_can_be_read_in_a_terminal(tmp_path: Path) -> None:
    text = "momo-db\x1b[2J\n\u202e재시작"
    done = measure(
        written(
            tmp_path / "set.jsonl",
            {"text": text, "expected": expected("STOP", ["MOMO-APP"], ["a.war"], True)},
        ),
        "--errors",
    )
    first, shown, meant, got = done.stdout.splitlines()[:4]
    assert first.startswith("line 1: wrong: intent, assets")
    assert shown == r"  text      momo-db\x1b[2J\n\u202e재시작"
    assert meant == "  expected  STOP; assets: MOMO-APP; files: a.war; needs approval"
    assert "confidence 0." in got and "by rules" in got


def test_bad_lines_are_all_named_and_nothing_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path / "set.jsonl",
        {"text": "momo-db 재시작", "expected": {}},
        {"text": "momo-db 재시작"},
        {"expected": {}},
        {"text": "a", "expected": {"intent_type": "REBOOT"}},
        {"text": "a", "expected": {"intent_type": ["RESTART"]}},
        {"text": "a", "expected": {"assets": "MOMO-DB"}},
        {"text": "a", "expected": {"deploy_artifacts": [1]}},
        {"text": "a", "expected": {"requires_approval": "yes"}},
    )
    done = measure(file)
    assert (done.returncode, done.stdout) == (1, "")
    problems = done.stderr.splitlines()
    assert [problem.split(": ")[1] for problem in problems] == [f"line {n}" for n in range(2, 9)]
    for problem, why in zip(
        problems,
        [
            'has no "expected"',
            'has no "text"',
            "expected intent_type is not one of RESTART, START",
            "expected intent_type is not one of RESTART, START",
            "expected assets is not a list of texts",
            "expected deploy_artifacts is not a list of texts",
            "expected requires_approval is not true or false",
        ],
        strict=True,
    ):
        assert why in problem


def test_a_file_of_other_lines_does_not_flood_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text("no\n" * 1000)
    done = measure(file)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 21


def test_assets_that_the_inventory_lacks_are_a_warning(tmp_path: Path) -> None:
    rows = [{"text": "a", "expected": {"assets": ["MOMO-DB", "GONE-1"]}}] * 2
    done = measure(written(tmp_path / "set.jsonl", *rows))
    assert done.returncode == 0
    assert "line 1: the inventory has no asset 'GONE-1', and it lacks 1 of" in done.stderr


def test_examples_that_expect_nothing_are_counted_and_not_scored(tmp_path: Path) -> None:
    file = written(tmp_path / "set.jsonl", {"text": "早安", "expected": {}})
    done = measure(file, "--json")
    (whole, *_) = json.loads(done.stdout)["groups"]
    assert (whole["number"], whole["all_right"]) == (1, share(0, 0, None))
    assert "request type" not in measure(file).stdout


def test_the_examples_of_the_contract_are_read_right() -> None:
    (whole, *_) = json.loads(measure(EXAMPLES, "--json").stdout)["groups"]
    assert whole["number"] == whole["all_right"]["right"] == 37
    assert (whole["wrong_targets"], whole["asked"]) == (0, 0)
