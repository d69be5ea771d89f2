"""Articles that come and go, likely questions, and the passage that is quoted."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from engine.knowledge.articles import Article
from engine.knowledge.confidence import ANSWERS, Calibration
from engine.knowledge.refit import ARTICLE_SHIFTS
from engine.knowledge.search import Answer, Search
from tests.unit.knowledge.texts import LANGUAGES, read


def same(one: Answer, other: Answer) -> bool:
    return (
        [each.article for each in one.found] == [each.article for each in other.found]
        and one.confidence == pytest.approx(other.confidence, abs=0.02)
        and one.evidence == pytest.approx(other.evidence, abs=0.02)
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_after_many_changes_it_answers_as_one_that_is_made_anew(language: str) -> None:
    chance = random.Random(5)
    texts = read("measure", language)
    others = read("fit", language).articles
    search = Search([replace(each, key=f"old-{each.key}") for each in others])
    steps = [*texts.articles, *chance.choices(texts.articles, k=40)]
    chance.shuffle(steps)
    for article in steps:
        if chance.random() < 0.3:
            search.put(replace(article, title="Another title", questions=("What is this?",)))
        search.put(article)
        if chance.random() < 0.2:
            search.remove(article.key)
            search.put(article)
    for article in others:
        assert search.remove(f"old-{article.key}")
    fresh = Search(texts.articles)
    assert len(search) == len(fresh) == len(texts.articles)
    for question in texts.questions:
        assert same(search.ask(question.text), fresh.ask(question.text)), question.text


def test_an_article_that_is_gone_is_not_found_and_its_words_are_forgotten() -> None:
    search = Search([Article("a", "VPN", "Reset the VPN."), Article("b", "Lunch", "Soup.")])
    assert search.remove("a")
    assert not search.remove("a")
    assert search.ask("reset VPN").best is None
    assert search.remove("b")
    assert len(search) == 0
    assert search.ask("soup").best is None
    search.put(Article("a", "VPN", "Reset the VPN."))
    best = search.ask("vpn").best
    assert best is not None
    assert best.key == "a"


def test_a_likely_question_finds_its_article_and_makes_it_sure() -> None:
    plain = [
        Article("pay", "Entgeltnachweis", "Portal, Dokumente, am 25."),
        Article("vpn", "VPN reset", "Choose reset in the portal."),
        Article("desk", "Moving desks", "Facilities move desks on Wednesdays."),
    ]
    asked = "what did I earn in March?"
    assert Search(plain).ask(asked).confidence < ANSWERS
    helped = [
        replace(plain[0], questions=("What did I earn in a month?", "earn in March")),
        *plain[1:],
    ]
    answer = Search(helped).ask(asked)
    assert answer.best == helped[0]
    assert answer.confidence >= ANSWERS
    assert "earn" not in answer.found[0].passage
    assert (
        Search(helped).ask("what did I earn in Mars lottery bingo?").confidence < answer.confidence
    )


def test_likely_questions_are_bounded() -> None:
    article = Article("a", "T", "B", tuple(f"question {n} " * 1000 for n in range(1000)))
    assert Search([article]).ask("question 3").best == article


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_passage_is_quoted_as_it_stands(language: str) -> None:
    texts = read("held", language)
    long = Article("long", "All", "\n\n  ".join(each.body for each in texts.articles) + "  ")
    for search in (Search(texts.articles), Search([long])):
        for question in texts.questions:
            for found in search.ask(question.text).found:
                assert found.passage == found.article.body[found.start : found.end]
                assert found.passage == found.passage.strip()
                assert found.passage


def test_the_votes_of_this_place_change_how_sure_it_is_and_nothing_else() -> None:
    articles = read("measure", "en").articles
    search = Search(articles)
    before = search.ask("How do I start a stuck batch job again?")
    assert before.best is not None
    search.calibration = Calibration(articles={before.best.key: ARTICLE_SHIFTS[0]})
    after = search.ask("How do I start a stuck batch job again?")
    assert after.confidence < ANSWERS < before.confidence
    assert (after.found, after.logit, after.evidence) == (
        before.found,
        before.logit,
        before.evidence,
    )
