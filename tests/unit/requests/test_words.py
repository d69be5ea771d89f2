"""What people type as ids and text: one reading, or a refusal that says what to write."""

from __future__ import annotations

import pytest

from engine.errors import GiveUp, Why
from engine.requests import words
from prompts.texts import LANGUAGES, say, text

NOON = 1_795_176_000_000  # 2026-11-20 12:00 UTC
FIELD = text("request_field_title")


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("SR-20261120-0001", "SR-20261120-0001"),
        ("sr-20261119-0042", "SR-20261119-0042"),
        ("20261119-0042", "SR-20261119-0042"),
        ("#20261119-0042", "SR-20261119-0042"),
        ("SR-20261119-10042", "SR-20261119-10042"),
        ("0001", "SR-20261120-0001"),
        ("1", "SR-20261120-0001"),
        ("#7", "SR-20261120-0007"),
        ("10042", "SR-20261120-10042"),
    ],
)
def test_an_id_has_one_meaning(typed: str, key: str) -> None:
    assert words.request_key(typed, NOON) == key
    assert words.looks_like_id(typed)


@pytest.mark.parametrize(
    "typed",
    ["", "SR", "SR-1", "SR-20261120-", "20261120", "1; drop", "١٢", "SR-20261120-0001\n", "-1",
     "1.0", "SR-２０２６１１２０-0001", "x" * 5000, "0x1", "SR-20261120-0001 ", "%", "\u202e1"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(GiveUp) as refusal:
        words.request_key(typed, NOON)
    assert refusal.value.why is Why.INVALID
    for language in LANGUAGES:
        told = say(refusal.value.text, language)
        assert "SR-20261120-0001" in told
        assert len(told) < 400
        assert "\u202e" not in told


def test_a_bare_number_is_todays_and_the_day_is_that_of_the_keys() -> None:
    last_second = 1_795_219_199_000  # 2026-11-20 23:59:59 UTC
    assert words.request_key("1", last_second) == "SR-20261120-0001"
    assert words.request_key("1", last_second + 1000) == "SR-20261121-0001"


def test_a_line_is_one_line() -> None:
    assert words.line(FIELD, "  restart\n\tthe   WAS ", 50) == "restart the WAS"


def test_a_paragraph_keeps_its_lines() -> None:
    assert words.paragraph(FIELD, "a\r\n\r\nb\n", 50) == "a\n\nb"


@pytest.mark.parametrize("raw", ["a\0b", "\x1b[31mred", "half \ud800 pair", "bell\x07", "\x85"])
def test_characters_that_cannot_be_kept_are_refused_not_removed(raw: str) -> None:
    with pytest.raises(GiveUp) as refusal:
        words.line(FIELD, raw, 50)
    assert "U+" in say(refusal.value.text, "en")


def test_too_long_is_refused_whole() -> None:
    with pytest.raises(GiveUp) as refusal:
        words.line(FIELD, "x" * 100_000, 200)
    assert "100000" in say(refusal.value.text, "en")
    assert len(say(refusal.value.text, "ko")) < 200


@pytest.mark.parametrize("raw", ["", "  ", "\n\n"])
def test_empty_is_refused(raw: str) -> None:
    with pytest.raises(GiveUp):
        words.line(FIELD, raw, 50)


def test_a_priority_is_one_of_four_in_any_case() -> None:
    assert words.priority("high") == "HIGH"
    with pytest.raises(GiveUp) as refusal:
        words.priority("urgent")
    assert "CRITICAL, HIGH, MEDIUM, LOW" in say(refusal.value.text, "zh-TW")
