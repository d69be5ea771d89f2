"""``watchstander parse`` on one message and on many, from right and wrong input."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.commandline.parse_lines import LONGEST_LINE
from tests.contract.tiny_model import write_model
from tests.integration.command import ROOT, Done, command_line, environment, watchstander

INVENTORY = ROOT / "tests" / "unit" / "language" / "examples_inventory.toml"
FIELDS = [
    "text",
    "intent_type",
    "assets",
    "deploy_artifacts",
    "requires_approval",
    "confidence",
    "question",
    "source",
    "ms",
]


def parse(*args: str | Path) -> Done:
    return watchstander("parse", "--inventory", INVENTORY, *args)


def answers(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines), "utf-8")
    return path


@pytest.mark.parametrize("order", [("momo-db 재시작", "--rules"), ("--rules", "momo-db 재시작")])
def test_one_message_is_the_contract_and_what_the_inventory_made_of_it(
    order: tuple[str, ...],
) -> None:
    done = parse(*order)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "intent_type": "RESTART",
        "institution": "UNKNOWN",
        "system_name": "UNKNOWN",
        "infrastructure_layer": "UNKNOWN",
        "target_nodes": ["momo-db"],
        "action_sequence": ["RESTART"],
        "deploy_artifacts": [],
        "requires_approval": True,
        "assets": ["MOMO-DB"],
        "question": None,
        "confidence": 0.9,
        "source": "rules",
    }


def test_a_question_is_shown_with_its_choices() -> None:
    question = json.loads(parse("--rules", "WAS 재시작").stdout)["question"]
    assert question["text"].endswith("?")
    assert {tuple(choice["assets"]) for choice in question["choices"]} == {
        ("MOF-WAS-01", "MOF-WAS-02"),
        ("MOMO-APP", "MOMO-SCHED"),
    }


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["text", "--jsonl", "-"],
        ["--jsonl", "a", "--eval", "b"],
        ["text", "--rules", "--model", "m.gguf"],
        ["text", "--errors"],
        ["--jsonl", "a", "--json"],
    ],
)
def test_options_that_do_not_go_together_are_misuse(args: list[str]) -> None:
    done = parse(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "watchstander parse: error: " in done.stderr


def test_many_messages_are_answered_in_their_order(tmp_path: Path) -> None:
    texts = ["momo-db 재시작", "WAS 재시작", "ship mail-3.2.tar.gz to mail-web-01", "早安", ""]
    file = written(tmp_path / "r.jsonl", *({"text": text, "id": 1} for text in texts))
    done = parse("--rules", "--jsonl", file)
    assert (done.returncode, done.stderr) == (0, "")
    found = answers(done)
    assert [answer["text"] for answer in found] == texts
    assert all(list(answer) == FIELDS for answer in found)
    assert all(isinstance(answer["ms"], float) and answer["ms"] > 0 for answer in found)
    restart, which, ship, *_ = found
    assert (restart["intent_type"], restart["assets"]) == ("RESTART", ["MOMO-DB"])
    assert (restart["question"], restart["source"]) == (False, "rules")
    assert (which["question"], which["assets"]) == (True, [])
    assert ship["deploy_artifacts"] == ["mail-3.2.tar.gz"]
    assert [answer["requires_approval"] for answer in found] == [True, True, True, False, False]


def test_a_bad_line_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = '{"text": "momo-db 재시작"}'.encode()
    long = b'{"text": "' + b"a" * LONGEST_LINE + b'"}'
    bad = [
        b"restart momo-db",
        b'["momo-db"]',
        b'{"txt": "momo-db"}',
        b'{"text": 7}',
        b'{"text": null}',
        b'{"text": "\xff"}',
        b"[" * 100_000,
        long,
    ]
    lines = [b"\xef\xbb\xbf" + good, b"", b" \t\r", *bad, good + b"\r", good]
    file = tmp_path / "r.jsonl"
    file.write_bytes(b"\n".join(lines))
    done = parse("--rules", "--jsonl", file)
    assert done.returncode == 1
    assert done.stderr == f"{file}: 8 of 11 lines could not be used; see their error\n"
    first, *wrong, before, last = answers(done)
    assert first["assets"] == before["assets"] == last["assets"] == ["MOMO-DB"]
    whys = [
        "is not JSON; write",
        "is not an object; write",
        'has no "text"; add it',
        'its "text" is not a text',
        'its "text" is not a text',
        "is not UTF-8; save the file as UTF-8",
        "is not JSON; write",
        "is longer than 1048576 bytes; shorten it",
    ]
    for number, why, answer in zip(range(4, 12), whys, wrong, strict=True):
        assert list(answer) == ["line", "error"]
        assert answer["line"] == number
        assert answer["error"].startswith(f"line {number}: {why}")


def test_hostile_texts_are_answered_on_one_line_each(tmp_path: Path) -> None:
    texts = ["\ud800 restart", "a\u2028b\nc\x1b[2J", "\x00", "🙂" * 5000]
    file = tmp_path / "r.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    done = parse("--rules", "--jsonl", file)
    assert done.returncode == 0
    assert [answer["text"] for answer in answers(done)] == texts


@pytest.mark.parametrize("option", ["--jsonl", "--eval"])
def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path, option: str) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n  \n")
    for path, why in (
        (tmp_path / "nowhere.jsonl", "no such file; mend the path"),
        (tmp_path, "is a folder; name a file in it"),
        (empty, "holds no "),
    ):
        done = parse("--rules", option, path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{path}: {why}")
        assert len(done.stderr.splitlines()) == 1


def test_a_wrong_inventory_is_told_before_anything_is_read(tmp_path: Path) -> None:
    done = watchstander("parse", "--inventory", tmp_path / "none.toml", "--jsonl", "-")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none.toml: no such file" in done.stderr


def test_messages_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b'{"text": "momo-db \xec\x9e\xac\xec\x8b\x9c\xec\x9e\x91"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="ascii"))
    (answer,) = answers(parse("--rules", "--jsonl", "-"))
    assert answer["text"] == "momo-db 재시작"
    monkeypatch.setattr(sys, "stdin", None)
    closed = parse("--rules", "--jsonl", "-")
    assert (closed.returncode, closed.stdout) == (1, "")
    assert "standard input is closed" in closed.stderr


@contextmanager
def child(*args: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The command as a process with pipes; ended after a minute whatever it does."""
    process = subprocess.Popen(
        command_line("parse", "--inventory", INVENTORY, "--rules", *args),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        with process:
            yield process
    finally:
        limit.cancel()


def test_each_line_is_answered_before_the_next_is_written() -> None:
    with child("--jsonl", "-") as process:
        assert process.stdin and process.stdout and process.stderr
        for text in ("momo-db 재시작", "早安"):
            process.stdin.write(json.dumps({"text": text}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == ""


def test_whoever_reads_the_answers_may_leave(tmp_path: Path) -> None:
    file = written(tmp_path / "r.jsonl", *({"text": f"momo-db 재시작 {n}"} for n in range(2000)))
    with child("--jsonl", file) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr.read() == ""


def test_the_model_named_reads(tmp_path: Path) -> None:
    said = {
        "intent_type": "STOP",
        "institution": "UNKNOWN",
        "system_name": "UNKNOWN",
        "infrastructure_layer": "UNKNOWN",
        "target_nodes": ["momo-db"],
        "action_sequence": ["STOP"],
        "deploy_artifacts": [],
        "requires_approval": True,
    }
    model = write_model(tmp_path / "tiny.gguf", json.dumps(said, separators=(",", ":")))
    file = written(tmp_path / "r.jsonl", {"text": "put momo-db to sleep"}, {"text": "momo-db 자"})
    done = parse("--model", model, "--jsonl", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert [a["source"] for a in answers(done)] == ["model", "model"]


def test_a_model_that_cannot_be_used_is_told_and_the_rules_read(tmp_path: Path) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"no model at all")
    done = parse("--model", model, "momo-db 재시작")
    assert done.returncode == 0
    assert "read without the model: " in done.stderr and "not a GGUF file" in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["source"], answer["assets"]) == ("rules", ["MOMO-DB"])
