"""Vectors in memory: exact, bounded, and joined with words so that no answer changes."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.knowledge.articles import Article
from engine.knowledge.search import Search
from engine.knowledge.vectors import Vector, Vectors
from tests.unit.knowledge.shelves import LEAVE, PRINTER, VPN

SHELF = [Article(key, *words) for key, words in zip("vpl", (VPN, PRINTER, LEAVE), strict=True)]
QUESTIONS = [
    "How do I reset my VPN password?",
    "password",
    "Where is paper for the printer?",
    "is there a driver for my account",
    "연차 신청은 어디서 하나요?",
    "the bicycle shed has a leaking roof",
    "",
]


def some(count: int, size: int = 8, seed: int = 3) -> list[Vector]:
    rows = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_the_nearest_are_those_of_the_nearest_vectors_whatever_came_and_went() -> None:
    chance = np.random.default_rng(5)
    found, held = Vectors(8), dict[str, list[Vector]]()
    for step in range(400):
        key = str(chance.integers(40))
        if chance.random() < 0.4:
            found.drop(key)
            held.pop(key, None)
        else:
            rows = some(int(chance.integers(0, 6)), seed=step)
            assert found.put(key, rows)
            held.pop(key, None)
            held[key] = rows
    assert len(found) == sum(map(len, held.values()))
    (asked,) = some(1, seed=999)
    best = {key: max(float(row @ asked) for row in rows) for key, rows in held.items() if rows}
    wanted = sorted((key for key in best if best[key] > 0), key=lambda key: -best[key])
    assert found.nearest(asked, 10) == wanted[:10]


def test_there_is_no_more_than_its_room() -> None:
    found = Vectors(8, most_bytes=10 * 8 * 4)
    assert found.put("a", some(6))
    assert not found.put("b", some(5))
    assert (len(found), found.room) == (6, 4)
    assert found.put("a", some(10))
    assert found.room == 0
    found.drop("a")
    found.drop("never there")
    assert (found.room, found.nearest(some(1)[0], 3)) == (10, [])


def test_a_vector_of_another_size_finds_nothing() -> None:
    found = Vectors(8)
    found.put("a", some(1))
    assert found.nearest(some(1, size=9)[0], 3) == []


def test_ten_thousand_articles_are_compared_in_no_time() -> None:
    found = Vectors(384)
    rows = some(5, 384)
    for number in range(10_000):
        found.put(str(number), rows)
    found.put("mine", some(1, 384, seed=8))
    began = time.monotonic()
    assert found.nearest(some(1, 384, seed=8)[0], 10)[0] == "mine"
    assert time.monotonic() - began < 1
    began = time.monotonic()
    found.drop("0")
    assert time.monotonic() - began < 1
    assert len(found) == 49_996


@pytest.mark.parametrize("keep", [0.01, 0.3, 0.75])
@pytest.mark.parametrize("near", [("l", "p", "v"), ("p",), ("gone", "v", "v"), ()])
def test_vectors_never_make_or_change_an_answer(near: tuple[str, ...], keep: float) -> None:
    search = Search(SHELF)
    for question in QUESTIONS:
        alone = search.ask(question)
        both = search.ask(question, near=near, keep=keep)
        if alone.confidence >= keep:
            assert both == alone
        else:
            assert both.confidence <= alone.confidence
        assert {each.article.key for each in both.found} <= {"v", "p", "l"}


def test_what_both_find_comes_first_and_words_break_a_tie() -> None:
    search = Search([*SHELF, Article("x", "Printer and VPN in the shed", "Printer, VPN.")])
    question = "printer VPN trouble after the move"
    words = [each.article.key for each in search.ask(question, 10).found]
    assert len(words) >= 3 and "l" not in words
    joined = [each.article.key for each in search.ask(question, 10, (words[2], words[1])).found]
    assert joined[0] == words[1] or joined[0] == words[2]
    tie = [each.article.key for each in search.ask(question, 10, ("l",)).found]
    assert tie[:2] == [words[0], "l"]
    assert [each.article.key for each in search.ask("zzz", 3, ("l", "v")).found] == ["l", "v"]


def test_without_vectors_nothing_is_different() -> None:
    search = Search(SHELF)
    for question in QUESTIONS:
        assert search.ask(question, near=()) == search.ask(question)
