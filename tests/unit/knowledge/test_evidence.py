"""What speaks for an article: each piece of evidence on collections made for it."""

from __future__ import annotations

import pytest

from engine.knowledge.articles import Article
from engine.knowledge.numbers import amount_missing, number_missing
from engine.knowledge.search import Search
from engine.knowledge.words import folded

COFFEE = Article("coffee", "Coffee machine", "Put a tablet into the tank. Rinse it twice.")
RENEW = Article("renew", "Renewing a subscription", "Follow the link. The price stays.")
CANCEL = Article("cancel", "Cancelling a subscription", "Choose End plan in Billing and confirm.")


def proof(question: str, *articles: Article) -> dict[str, float]:
    return Search(articles).ask(question).evidence


@pytest.mark.parametrize(
    ("question", "passage", "missing"),
    [
        ("How long are logs kept?", "Ask the owner.", True),
        ("How long are logs kept?", "Kept for ninety days.", False),
        ("How MANY seats?", "５ seats", False),
        ("Who owns the logs?", "Ask the owner.", False),
        ("보증금은 얼마인가요?", "관리인이 정합니다.", True),
        ("보증금은 얼마인가요?", "십만 원입니다.", False),
        ("며칠 안에 반품하나요?", "사흘 안에 보내세요.", False),
        ("押金多少？", "由管理員決定。", True),
        ("押金多少？", "五百歐元。", False),
        ("要等多久？", "立即生效。", False),
    ],
)
def test_who_asks_how_many_needs_an_amount(question: str, passage: str, missing: bool) -> None:
    assert amount_missing(folded(question), folded(passage)) is missing


def test_a_number_of_three_digits_must_be_there_and_a_shorter_one_need_not() -> None:
    assert number_missing("error 809", "error 808")
    assert not number_missing("error 809", "code 809.")
    assert not number_missing("seat 12", "seats")


def test_an_article_without_what_the_question_asks_in_figures_is_less_sure() -> None:
    body = "The small hall is booked at the front desk"
    article = Article("hall", "Small hall", f"{body} for forty people.")
    bare = Article("hall", "Small hall", f"{body} by everyone here.")
    question = "How many people does the small hall hold?"
    assert proof(question, article, COFFEE)["amountless"] == 0
    assert proof(question, bare, COFFEE)["amountless"] == -1
    assert proof("room 415 of the small hall", article)["numberless"] == -1
    assert proof("room of the small hall", article)["numberless"] == 0


def test_to_stand_out_among_articles_on_the_same_thing_counts() -> None:
    question = "cancelling my subscription in Billing"
    crowd = proof(question, CANCEL, RENEW)
    lonely = proof(question, CANCEL, COFFEE)
    assert crowd["beyond"] > lonely["beyond"] == 0
    assert proof(question, CANCEL)["beyond"] == 0
    assert proof("subscription", CANCEL, RENEW)["beyond"] == 0


def test_the_third_word_counts_and_two_are_none() -> None:
    assert proof("tablet tank", COFFEE, RENEW)["third"] == 0
    three = proof("rinse tablet tank", COFFEE, RENEW)["third"]
    assert 0 < three <= 1
    assert proof("rinse zeppelin tank", COFFEE, RENEW)["third"] == 0


def test_neighbours_in_one_sentence_count_and_those_in_two_do_not() -> None:
    together = Article("a", "", "The tablet goes into the tank. Rinse the filter.")
    apart = Article("a", "", "The tablet goes there. Rinse the tank.")
    assert proof("tablet tank", together)["pairs"] == 1
    assert proof("tablet tank", apart)["pairs"] == 0
    alone = proof("tablet", together)
    assert alone["pairs"] == 1
    assert proof("退款標籤", Article("a", "", "列印退款標籤。"))["pairs"] == 1


def test_what_it_has_counts_further_where_little_is_lacking() -> None:
    all_of_it = proof("tablet into the tank rinse twice", COFFEE, RENEW)
    assert all_of_it["clear"] == pytest.approx(all_of_it["odds"] - 1)
    half = proof("tablet zeppelin", COFFEE, RENEW)
    assert half["clear"] == 0
    assert half["odds"] < 1


def test_a_question_of_more_words_says_more() -> None:
    assert proof("tablet tank", COFFEE)["words"] > proof("tablet", COFFEE)["words"] > 0


@pytest.mark.parametrize("question", ["the", "?", "的", "0", "tablet " * 500, "退" * 5000])
def test_every_question_that_finds_something_has_all_the_evidence(question: str) -> None:
    search = Search([COFFEE, CANCEL, Article("z", "退", "退款 0 the")])
    answer = search.ask(question)
    if answer.found:
        assert answer.evidence.keys() == search.ask("tablet").evidence.keys()
        assert all(-5 < value < 5 for value in answer.evidence.values())
