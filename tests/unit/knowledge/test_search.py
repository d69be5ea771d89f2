"""Search and its confidence on small collections, on our questions, and on hostile text."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest

from engine.knowledge.articles import Article, ArticlesError, load_articles
from engine.knowledge.confidence import ANSWERS, Confidence, shipped
from engine.knowledge.search import Search
from tests.fit_knowledge import Example, both_fitted, examples, fitted
from tests.unit.knowledge.figures import Outcome, figures
from tests.unit.knowledge.texts import FITTED, LANGUAGES, MEASURED, Asked, late, read, unseen

VPN = Article(
    "vpn",
    "Resetting the VPN password",
    "The VPN password is reset in the portal. Choose Reset and wait five minutes. Coffee is free.",
)
PRINTER = Article("printer", "Paper jams", "Open tray two of the printer and pull out the sheet.")
LEAVE = Article("leave", "연차 신청", "인사 포털에서 날짜를 넣으세요. 팀장이 승인합니다.")
FOLDER = Article("folder", "共用資料夾", "共用資料夾由組長申請，一小時後生效。")
ALL = [VPN, PRINTER, LEAVE, FOLDER]


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("how do I reset my VPN password?", "vpn"),
        ("연차는 어디에서 신청하나요?", "leave"),
        ("誰可以申請共用資料夾？", "folder"),
        ("프린터에 용지가 걸렸어요", "printer"),
        ("影印機卡紙了", "printer"),
        ("where do I ask for days off?", "leave"),
        ("shared drive for my team", "folder"),
    ],
)
def test_the_right_article_is_first_also_across_languages(question: str, key: str) -> None:
    best = Search(ALL).ask(question).best
    assert best is not None
    assert best.key == key


def test_the_passage_is_the_part_that_fits() -> None:
    found = Search(ALL).ask("reset VPN password").found[0]
    assert found.passage.startswith("The VPN password is reset in the portal.")
    assert "Coffee" not in found.passage
    assert found.passage in VPN.body


def test_the_same_words_are_surer_than_other_ones_and_a_missing_article_is_not_sure() -> None:
    there, gone = Search(ALL), Search([PRINTER, LEAVE, FOLDER])
    question = "how do I reset my VPN password in the portal?"
    assert there.ask(question).confidence > there.ask("reset the coffee").confidence
    assert there.ask(question).confidence > 0.75 > gone.ask(question).confidence


@pytest.mark.parametrize("question", ["", "   ", "?!…", "\x00\ud800", "the of and", "zzqx"])
def test_a_question_that_says_nothing_is_not_answered(question: str) -> None:
    assert Search(ALL).ask(question).confidence < 0.5


def test_no_articles_or_empty_ones_answer_nothing() -> None:
    assert Search([]).ask("vpn").best is None
    assert Search([]).ask("vpn").confidence == 0
    assert Search([Article("a", "", "")]).ask("vpn").best is None
    only_title = Search([Article("a", "VPN password", "")]).ask("VPN password")
    assert only_title.best is not None
    assert only_title.found[0].passage == ""


def test_the_order_does_not_hang_on_the_order_of_articles() -> None:
    for question in ("reset VPN password", "공유 폴더", "tray"):
        keys = [found.article.key for found in Search(ALL).ask(question).found]
        assert keys == [found.article.key for found in Search(ALL[::-1]).ask(question).found]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "비밀번호" * 100_000,
        "重設密碼" * 100_000,
        "password " * 100_000,
        "reset vpn, " * 50_000,
        "\u202e\u200b" * 100_000,
        "-'._" * 200_000,
        "🙂" * 200_000,
    ],
)
def test_hostile_questions_end_soon(text: str) -> None:
    search = Search(ALL)
    start = time.process_time()
    answer = search.ask(text)
    assert time.process_time() - start < 1
    assert 0 <= answer.confidence <= 1


def test_hostile_articles_are_bounded_and_harm_no_other() -> None:
    hostile = [
        Article("long", "t" * 500_000, "password. " * 50_000),
        Article("one", "", "비" * 300_000),
        Article("seams", "{{ 7*7 }} <script>", "'; DROP TABLE x; -- \x00\ud800"),
    ]
    search = Search([*ALL, *hostile])
    best = search.ask("연차는 어디에서 신청하나요?").best
    assert best == LEAVE
    start = time.process_time()
    search.ask("password " * 100)
    assert time.process_time() - start < 1


def measured(articles: list[Article], questions: list[Asked]) -> dict[str, float]:
    search = Search(articles)
    outcomes = []
    for question in questions:
        answer = search.ask(question.text)
        right = bool(question.key and answer.best and answer.best.key == question.key)
        outcomes.append(Outcome(answer.confidence, right, question.key is not None))
    return figures(outcomes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_our_own_questions_are_answered_as_well_as_before(language: str) -> None:
    """The floors lie a little under what is measured; docs/explanation/knowledge.md has that."""
    for kind, count, recall in (("measure", 80, 0.75), ("held", 60, 0.5)):
        texts = read(kind, language)
        assert len(texts.questions) == count
        assert sum(question.key is None for question in texts.questions) == count // 2
        assert sum(question.other_words for question in texts.questions) >= count // 6
        found = measured(texts.articles, texts.questions)
        assert found["precision"] >= 0.94
        assert found["first"] >= 0.8
        assert found["recall"] >= recall


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_in_other_words_find_their_articles_more_often_than_not(language: str) -> None:
    assert measured(read("measure", language).articles, unseen(language))["first"] >= 0.6
    assert measured(*late(language))["first"] >= 0.4


def test_the_weights_that_ship_are_those_that_the_script_finds() -> None:
    found = both_fitted(list(examples()))
    assert found.weights.keys() == shipped().weights.keys()
    assert found.bias == pytest.approx(shipped().bias, abs=0.01)
    for name, weight in found.weights.items():
        assert weight == pytest.approx(shipped().weights[name], abs=0.01)
        assert weight > 0


def test_no_question_of_the_fit_is_measured() -> None:
    for language in LANGUAGES:
        fit = {each.text for kind in FITTED for each in read(kind, language).questions}
        asked = [each for kind in MEASURED for each in read(kind, language).questions]
        asked += unseen(language) + late(language)[1]
        assert not fit & {question.text for question in asked}


def test_fitting_finds_the_chance_and_drops_what_goes_against_sense() -> None:
    rows = [({"good": 1.0, "bad": 0.0}, True)] * 30 + [({"good": 1.0, "bad": 0.0}, False)] * 10
    rows += [({"good": 0.0, "bad": 1.0}, True)] * 10 + [({"good": 0.0, "bad": 1.0}, False)] * 30
    found = fitted([Example(evidence, right, 1.0) for evidence, right in rows])
    assert list(found.weights) == ["good"]
    assert found.of({"good": 1.0}) == pytest.approx(0.75, abs=0.02)


def test_confidence_stays_within_its_bounds() -> None:
    sure = Confidence(0.0, {"near": 1e9})
    assert sure.of({"near": 1.0}) <= 1
    assert sure.of({"near": -1.0}) >= 0
    assert Confidence(0.0, {}).of({}) == 0.5


def test_figures_are_what_they_say() -> None:
    rows = [
        Outcome(0.9, True, True),
        Outcome(0.8, False, False),
        Outcome(0.1, True, True),
        Outcome(1.0, True, True),
    ]
    found = figures(rows)
    assert found["given"] == 3
    assert found["coverage"] == pytest.approx(3 / 4)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["first"] == 1
    assert found["ece"] == pytest.approx((abs(1.9 - 2) + 0.8 + 0.9) / 4)
    assert math.isclose(ANSWERS, 0.75)


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_articles_are_read_in_their_order(tmp_path: Path) -> None:
    rows = [{"id": "b", "title": "T", "body": "B", "more": 1}, {"id": 7, "title": "", "body": ""}]
    found = load_articles(written(tmp_path / "a.json", rows))
    assert found == [Article("b", "T", "B"), Article("7", "", "")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "is not a list"),
        ([], "holds no article"),
        (["x"], "article 1: is not an object"),
        ([{"id": "a"}], "article 1: has no title and no body"),
        ([{"id": "a", "title": 1, "body": ""}], 'article 1: its "title" is not a text'),
        ([{"id": True, "title": "", "body": ""}], 'article 1: its "id" is neither'),
        ([{"id": "", "title": "", "body": ""}], 'article 1: its "id" is empty'),
        ([{"id": "a", "title": "", "body": ""}] * 2, "article 2: its \"id\" 'a' occurs twice"),
        (["x"] * 30, "and 10 more problems"),
    ],
)
def test_wrong_articles_are_told(tmp_path: Path, content: object, problem: str) -> None:
    path = written(tmp_path / "a.json", content)
    with pytest.raises(ArticlesError) as error:
        load_articles(path)
    assert all(line.startswith(f"{path}: ") for line in error.value.problems)
    assert any(problem in line for line in error.value.problems)
