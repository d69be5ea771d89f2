"""The class of incident texts."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from engine.incidents.classify import CLASSES, UNKNOWN, classify
from tests.unit.hostile_values import HOSTILE


def examples() -> list[tuple[str, str]]:
    kind, found = "", []
    for line in Path(__file__).with_name("classes.txt").read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"\[([A-Z_]+)\]", line):
            kind = heading[1]
        elif line and not line.startswith("# "):
            found.append((line, kind))
    return found


@pytest.mark.parametrize(("text", "kind"), examples())
def test_each_text_has_its_class(text: str, kind: str) -> None:
    assert classify(text) == kind


def test_every_class_has_examples_in_the_three_languages() -> None:
    korean, chinese = re.compile("[가-힣]"), re.compile("[\u4e00-\u9fff]")
    for kind in CLASSES:
        texts = [text for text, its in examples() if its == kind]
        assert len(texts) >= 8, kind
        assert any(map(korean.search, texts)), kind
        assert any(map(chinese.search, texts)), kind


@pytest.mark.parametrize("text", ["", " \n", "\x00\ud800", "정상입니다", "一切正常", "hello"])
def test_what_no_rule_knows_is_unknown(text: str) -> None:
    assert classify(text) == UNKNOWN


def test_case_line_ends_and_blanks_do_not_matter() -> None:
    text = "psycopg.OperationalError: connection failed:\n  Connection\trefused\r\n port 5432"
    assert {classify(text), classify(text.upper()), classify(text.lower())} == {"DB_UNREACHABLE"}


def test_the_end_of_a_long_text_counts_as_its_beginning_does() -> None:
    noise = "INFO request served\n" * 100_000
    assert classify(f"{noise}OSError: [Errno 28] No space left on device") == "DISK_FULL"
    assert classify(f"OSError: [Errno 28] No space left on device\n{noise}") == "DISK_FULL"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_changes_nothing_but_its_class(text: str) -> None:
    assert classify(text) in CLASSES
    assert classify(f"java.lang.OutOfMemoryError: Java heap space; tenant {text[:200]}") == "OOM"


def test_no_text_is_slow() -> None:
    """The longest texts made of the rules' own words."""
    table = Path(classify.__code__.co_filename).with_name("classes.toml").read_text("utf-8")
    words = sorted(set(re.findall(r"[a-z]{2,}", table)))
    chance = random.Random(4)
    texts = [(word + chance.choice(" -_/.:=")) * 9000 for word in chance.sample(words, 60)]
    texts += [" ".join(chance.choices(words, k=4000)) for _ in range(10)]
    texts += ["/a" * 9000, "a_" * 9000, "a.b=" * 5000, '"a":' * 5000, "메모리" * 6000, " " * 20000]
    for text in texts:
        begun = time.process_time()
        assert classify(text) in CLASSES
        assert time.process_time() - begun < 1.0, text[:60]
