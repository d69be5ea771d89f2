"""``watchstander incident`` on right and wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.commandline.parse_lines import LONGEST_LINE
from tests.integration.command import ROOT, Done, environment, watchstander

MEASURED = """
import resource, sys
from bot.__main__ import main
status = main(sys.argv[1:])
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
sys.exit(status)
"""


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def classify(path: Path, *lines: object) -> Done:
    content = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    return watchstander("incident", "classify", "--jsonl", written(path / "texts.jsonl", content))


def answers(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def group(path: Path, content: str | bytes) -> Done:
    return watchstander("incident", "group", "--lines", written(path / "lines.txt", content))


def test_each_text_has_its_class_and_symptom_in_order(tmp_path: Path) -> None:
    done = classify(
        tmp_path,
        {"text": "Could not resolve host: db-1.internal"},
        {"text": "디스크 용량이 부족합니다"},
        {"text": "資料庫連線失敗"},
        {"text": "all is well"},
        {"text": "Could not resolve host: db-2.internal"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = answers(done)
    assert [one["class"] for one in found] == [
        "DNS_FAIL",
        "DISK_FULL",
        "DB_UNREACHABLE",
        "UNKNOWN",
        "DNS_FAIL",
    ]
    assert all(list(one) == ["class", "symptom_hash", "playbook"] for one in found)
    playbooks = ["dns-failure", None, "db-refused", None, "dns-failure"]
    assert [one["playbook"] for one in found] == playbooks
    assert found[0]["symptom_hash"] == found[4]["symptom_hash"]
    assert len({one["symptom_hash"] for one in found}) == 4


def test_the_service_is_part_of_the_symptom(tmp_path: Path) -> None:
    first, second = answers(
        classify(tmp_path, {"text": "disk full", "service": "order"}, {"text": "disk full"})
    )
    assert first["class"] == second["class"]
    assert first["symptom_hash"] != second["symptom_hash"]


def test_the_severity_counts_where_it_is_known(tmp_path: Path) -> None:
    words = "java.lang.OutOfMemoryError: Java heap space"
    done = classify(
        tmp_path,
        {"text": words},
        {"text": words, "severity": "P1"},
        {"text": words, "severity": "critical"},
        {"text": words, "severity": "P2"},
        {"text": words, "severity": ""},
        {"text": words, "severity": "awful"},
        {"text": words, "severity": 1},
    )
    assert done.returncode == 1
    found = answers(done)
    assert [one.get("playbook") for one in found[:5]] == [*["app-oom"] * 3, None, "app-oom"]
    assert found[5]["error"] == 'line 6: its "severity" is not known; write P1, P2 or P3'
    assert found[6]["error"] == 'line 7: its "severity" is not a text; write it in quotes'


def test_own_playbooks_come_first(tmp_path: Path) -> None:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    shipped = (ROOT / "engine/healing/playbooks/40-app-oom.toml").read_text("utf-8")
    written(folder / "mine.toml", shipped.replace('"app-oom"', '"shop-oom"'))
    texts = written(tmp_path / "texts.jsonl", '{"text": "OOMKilled"}\n')
    done = watchstander("incident", "classify", "--jsonl", texts, "--playbooks", folder)
    assert answers(done)[0]["playbook"] == "shop-oom"
    written(folder / "bad.toml", shipped.replace('"app"', '"App!"'))
    done = watchstander("incident", "classify", "--jsonl", texts, "--playbooks", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{folder / 'bad.toml'}: [step] role: 'App!' cannot be used")


def test_a_bad_line_is_told_and_the_others_are_answered(tmp_path: Path) -> None:
    done = classify(tmp_path, {"text": 5}, {"text": "disk full"}, {"text": "x", "service": 1}, [])
    assert done.returncode == 1
    assert done.stderr.endswith("3 of 4 lines could not be used; see their error\n")
    found = answers(done)
    assert [one.get("line") for one in found] == [1, None, 3, 4]
    assert found[1]["class"] == "DISK_FULL"
    assert found[2]["error"] == 'line 3: its "service" is not a text; write it in quotes'


@pytest.mark.parametrize("what", [("classify", "--jsonl"), ("group", "--lines")])
def test_a_file_that_is_not_there_or_holds_nothing(tmp_path: Path, what: tuple[str, str]) -> None:
    missing = watchstander("incident", *what, tmp_path / "no")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"{tmp_path / 'no'}: no such file; mend the path\n"
    empty = watchstander("incident", *what, written(tmp_path / "empty", ""))
    assert (empty.returncode, empty.stdout) == (1, "")
    assert "holds no" in empty.stderr


def test_each_line_has_the_number_of_its_group(tmp_path: Path) -> None:
    done = group(tmp_path, "job 1 done\ndisk is full\njob 22 done\n\n주문 3건\njob 5 done")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["1", "2", "1", "3", "4", "1"]


def test_lines_that_are_no_text_still_have_an_answer_each(tmp_path: Path) -> None:
    long = b"x" * (2 * LONGEST_LINE + 5)
    done = group(tmp_path, b"\xff\xfe\x00\r\n" + long + b"\nok\r\n\x1b[31m\nok\n")
    assert done.returncode == 0
    numbers = done.stdout.split()
    assert len(numbers) == 5
    assert numbers[2] == numbers[4] != numbers[1]


def test_many_lines_in_bounded_memory(tmp_path: Path) -> None:
    """Twenty times more lines take no 20 MB more."""
    peaks = []
    for count in (1_000, 20_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for number in range(count):
                file.write(f'{{"text": "worker {number:x} of 7 timed out {number}{"y" * 200}"}}\n')
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "incident", "classify", "--jsonl", str(path)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.count('"TIMEOUT"') == count
        peaks.append(int(done.stderr))
    assert peaks[1] < peaks[0] + 20_000
