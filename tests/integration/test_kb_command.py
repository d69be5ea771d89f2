"""``watchstander kb ask``, from right and wrong input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.tiny_embedder import write_embedder
from tests.integration.command import Done, process, watchstander

ARTICLES = [
    {"id": "vpn", "title": "Resetting the VPN password", "body": "Reset it in the portal."},
    {"id": 7, "title": "연차 신청", "body": "인사 포털에서 날짜를 넣으세요."},
    {"id": "資料夾", "title": "共用資料夾", "body": "共用資料夾由組長申請。"},
]


def kb(folder: Path, *lines: object, more: Sequence[str | Path] = ()) -> Done:
    articles, questions = folder / "a.json", folder / "q.jsonl"
    articles.write_text(json.dumps(ARTICLES), encoding="utf-8")
    questions.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return watchstander("kb", "ask", "--articles", articles, "--jsonl", questions, *more)


def answers(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_question_gets_one_line_in_its_order(tmp_path: Path) -> None:
    questions = ["how do I reset the VPN password?", "연차 신청은 어디서?", "共用資料夾誰申請", ""]
    done = kb(tmp_path, *({"q": question, "more": 1} for question in questions))
    assert (done.returncode, done.stderr) == (0, "")
    found = answers(done)
    assert [answer["id"] for answer in found] == ["vpn", "7", "資料夾", None]
    assert all(list(answer) == ["id", "confidence", "ms"] for answer in found)
    assert all(0 <= answer["confidence"] <= 1 and answer["ms"] >= 0 for answer in found)
    assert found[0]["confidence"] >= 0.75
    assert found[3]["confidence"] == 0


def test_a_bad_line_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    done = kb(tmp_path, {"q": "VPN"}, {"text": "VPN"}, {"q": 7}, ["q"], {"q": "VPN"})
    assert done.returncode == 1
    assert done.stderr.endswith("3 of 5 lines could not be used; see their error\n")
    first, *bad, last = answers(done)
    assert first["id"] == last["id"] == "vpn"
    assert [line["line"] for line in bad] == [2, 3, 4]
    for line, why in zip(
        bad, ('has no "q"', 'its "q" is not a text', "is not an object"), strict=True
    ):
        assert why in line["error"]


def test_hostile_questions_are_answered_on_one_line_each(tmp_path: Path) -> None:
    texts = ["\ud800 VPN", "a\u2028b\nc\x1b[2J", "\x00", "🙂" * 5000, "VPN " * 20_000]
    done = kb(tmp_path, *({"q": text} for text in texts))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(answers(done)) == len(texts)


@pytest.mark.parametrize(
    ("articles", "why"),
    [
        (None, "no such file; mend the path"),
        ("[", "is not JSON"),
        ("{}", "is not a list"),
        ("[]", "holds no article"),
        ('[{"id": "a", "title": "t"}]', "article 1: has no body; add it"),
    ],
)
def test_wrong_articles_are_one_clear_line(tmp_path: Path, articles: str | None, why: str) -> None:
    file = tmp_path / "a.json"
    if articles is not None:
        file.write_text(articles, encoding="utf-8")
    done = watchstander("kb", "ask", "--articles", file, "--jsonl", "-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{file}: ")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_articles_in_another_encoding_or_a_folder_are_told(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes('[{"id": "가"}]'.encode("euc-kr"))
    for path, why in ((file, "is not UTF-8"), (tmp_path, "is a folder")):
        done = watchstander("kb", "ask", "--articles", path, "--jsonl", "-")
        assert done.returncode == 1
        assert why in done.stderr


def test_no_question_at_all_is_told(tmp_path: Path) -> None:
    done = kb(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no question" in done.stderr


@pytest.mark.parametrize("args", [[], ["ask"], ["ask", "--articles", "a"], ["tell"]])
def test_misuse_is_refused(args: list[str]) -> None:
    done = watchstander("kb", *args)
    assert (done.returncode, done.stdout) == (2, "")


def test_it_runs_as_a_command_of_its_own(tmp_path: Path) -> None:
    kb(tmp_path, {"q": "reset VPN password"})
    articles, questions = tmp_path / "a.json", tmp_path / "q.jsonl"
    done = process("kb", "ask", "--articles", articles, "--jsonl", questions)
    assert done.returncode == 0
    assert answers(done)[0]["id"] == "vpn"


def test_an_embedding_model_finds_what_shares_no_word(tmp_path: Path) -> None:
    model = write_embedder(tmp_path / "tiny.gguf", {"z": "資"})
    questions = [{"q": "zzz"}, {"q": "how do I reset the VPN password?"}, {"q": ""}]
    alone = answers(kb(tmp_path, *questions))
    done = kb(tmp_path, *questions, more=["--embeddings", model])
    assert done.returncode == 0
    assert done.stderr == "embeddings: tiny.gguf loaded; 3 of 3 articles\n"
    found = answers(done)
    assert [answer["id"] for answer in alone] == [None, "vpn", None]
    assert [answer["id"] for answer in found] == ["資料夾", "vpn", None]
    assert [answer["confidence"] for answer in found] == [a["confidence"] for a in alone]


def test_a_model_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    done = kb(tmp_path, {"q": "VPN"}, more=["--embeddings", tmp_path / "none.gguf"])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    missing = f"{tmp_path}/none.gguf: No such file or directory; mend --embeddings"
    assert done.stderr.startswith(missing)
