"""What votes of this place make of the confidence, and how far they may."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.knowledge.confidence import ANSWERS, UNVOTED, Confidence
from engine.knowledge.refit import ARTICLE_SHIFTS, SCALES, SHIFTS, Vote, refit

PLAIN = Confidence(0.0, {"x": 1.0})
"""The logit is the evidence."""


def votes(logit: float, solved: int, unsolved: int, article: str = "a") -> list[Vote]:
    evidence = {"x": logit}
    return [Vote(article, evidence, True)] * solved + [Vote(article, evidence, False)] * unsolved


def spread(count: int, solved: float, seed: int = 1) -> list[Vote]:
    """Votes on as many articles, with this share solved, at logits from 1.1 to 3."""
    chance = random.Random(seed)
    return [
        Vote(f"a{number}", {"x": chance.uniform(1.1, 3)}, chance.random() < solved)
        for number in range(count)
    ]


def test_without_votes_nothing_changes() -> None:
    assert refit([], PLAIN) == UNVOTED


@pytest.mark.parametrize("solved", [0.0, 1.0])
def test_ten_votes_move_little(solved: float) -> None:
    found = refit(spread(10, solved), PLAIN)
    for logit in (-2.0, 0.0, 1.2, 2.0):
        before, after = PLAIN.of({"x": logit}), found.of(logit, "another")
        assert abs(after - before) < 0.09
    assert found.of(2.0, "another") >= ANSWERS


def test_hundreds_of_votes_settle_it() -> None:
    found = refit(spread(1500, 0.5), PLAIN)
    assert found.of(2.0, "another") == pytest.approx(0.5, abs=0.12)
    good = refit(spread(1500, 0.99), PLAIN)
    assert good.of(1.2, "another") > PLAIN.of({"x": 1.2})


def test_an_article_that_does_not_help_loses_and_others_hardly() -> None:
    one, three = refit(votes(2.0, 0, 1), PLAIN), refit(votes(2.0, 0, 3), PLAIN)
    assert three.of(2.0, "a") < one.of(2.0, "a") < PLAIN.of({"x": 2.0})
    assert three.of(2.0, "a") < ANSWERS < three.of(2.0, "b")


def test_an_article_that_helped_often_keeps_its_place_after_one_bad_vote() -> None:
    assert refit(votes(2.0, 20, 1), PLAIN).of(2.0, "a") > ANSWERS


def test_a_vote_of_older_weights_is_left_out() -> None:
    assert refit([Vote("a", {"y": 1.0}, False)], PLAIN) == UNVOTED
    assert refit([Vote("a", {"x": 2.0, "y": 1.0}, False)], PLAIN) != UNVOTED


def test_the_order_of_votes_does_not_matter() -> None:
    rows = spread(60, 0.4)
    one, other = refit(rows, PLAIN), refit(rows[::-1], PLAIN)
    assert one.scale == pytest.approx(other.scale)
    assert one.shift == pytest.approx(other.shift)
    assert one.articles == pytest.approx(other.articles)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.floats(-1e6, 1e6, allow_nan=False),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_votes_of_any_kind_stay_within_the_bounds(rows: list[tuple[str, float, bool]]) -> None:
    found = refit([Vote(article, {"x": value}, solved) for article, value, solved in rows], PLAIN)
    assert SCALES[0] <= found.scale <= SCALES[1]
    assert SHIFTS[0] <= found.shift <= SHIFTS[1]
    for shift in found.articles.values():
        assert ARTICLE_SHIFTS[0] <= shift <= ARTICLE_SHIFTS[1]
    assert 0 <= found.of(3.0, "a") <= 1
