"""Words, stems and concepts of the three languages."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from engine.knowledge import synonyms
from engine.knowledge.analysis import analysed
from engine.knowledge.korean import korean
from engine.knowledge.passages import LONGEST, sentences
from engine.knowledge.plain import weight
from engine.knowledge.stems import english
from engine.knowledge.words import LONGEST_WORD, folded, words

FILE = Path(synonyms.__file__).with_name("synonyms.toml")


@pytest.mark.parametrize(
    "forms",
    [
        ("install", "installs", "installed", "installing", "installation"),
        ("charge", "charges", "charged", "charging"),
        ("stop", "stopped", "stopping", "stops"),
        ("copy", "copies", "copied", "copying"),
        ("forget", "forgot", "forgotten", "forgets"),
    ],
)
def test_the_forms_of_an_english_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({english(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["vpn", "was", "red", "bus", "king", "0x80070005"])
def test_short_words_and_codes_stay(word: str) -> None:
    assert english(word) == word


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("비밀번호를", "비밀번호"),
        ("노트북에서는", "노트북"),
        ("초기화하려면", "초기화"),
        ("변경했습니다", "변경"),
        ("휴가", "휴가"),
        ("메일이", "메일"),
        ("남나요", "남다"),
        ("남습니다", "남다"),
        ("걸립니다", "걸리"),
        ("걸렸어요", "걸리"),
        ("걸려요", "걸리"),
        ("열리지", "열리"),
        ("봤는데", "보다"),
        ("바꿔야", "바꾸"),
        ("나와서", "나오"),
        ("있나요", "있다"),
        ("페이지", "페이지"),
        ("보고서", "보고서"),
        ("부서", "부서"),
        ("학교", "학교"),
        ("바다", "바다"),
        ("했습니다", "했습니다"),
    ],
)
def test_korean_particles_and_endings_come_off(word: str, stem: str) -> None:
    assert korean(word) == stem


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("Wi-Fi E-mail", ["wifi", "email"]),
        ("two-factor", [english("two"), english("factor")]),
        ("the user's file", ["the", "user", english("file")]),
        ("ＶＰＮ 10.0.0.1", ["vpn", "10.0.0.1"]),
        ("vpn접속", ["vpn", "접속"]),
        ("重設VPN密碼", ["重設", "vpn", "密碼"]),
    ],
)
def test_words_of_each_script_are_told_apart(text: str, stems: list[str]) -> None:
    assert [word.stem for word in words(folded(text))] == stems


def test_a_word_stands_where_it_was_written() -> None:
    text = folded("Reset the two-factor 비밀번호를 重設")
    assert [text[word.start : word.end] for word in words(text)] == [
        word.text for word in words(text)
    ]


@pytest.mark.parametrize(
    ("simplified", "text"),
    [("重设密码", "重設密碼"), ("网络连接断开", "網絡連接斷開"), ("申请年假", "申請年假")],
)
def test_simplified_characters_are_read_as_the_others(simplified: str, text: str) -> None:
    assert folded(simplified) == text


def test_a_word_without_an_end_is_cut() -> None:
    (word,) = words("a" * 100_000)
    assert len(word.stem) <= LONGEST_WORD


def concepts(text: str) -> set[str]:
    return {mention.concept for mention in analysed(text, synonyms.shipped()).mentions}


@pytest.mark.parametrize(
    ("concept", "texts"),
    [
        ("password", ["my passwords", "비번을 잊었어요", "忘記密碼"]),
        ("sharedfolder", ["the shared folders", "공유폴더", "공유 폴더가 안 보여요", "共用資料夾"]),
        ("vpn", ["connect from home", "재택 중 브이피엔", "在家連線"]),
        ("annualleave", ["days off", "연차를 쓰려고", "特休"]),
        ("locked", ["locked out", "계정이 잠겼어요", "帳號被鎖"]),
    ],
)
def test_a_concept_is_found_in_three_languages(concept: str, texts: list[str]) -> None:
    for text in texts:
        assert concept in concepts(text), text


def test_short_korean_forms_count_only_at_the_start_of_a_word() -> None:
    assert "memory" in concepts("램이 부족합니다")
    assert "memory" in concepts("램 추가")
    assert "memory" not in concepts("프로그램이 열리지 않습니다")
    assert "memory" not in concepts("램프가 깜빡입니다")


def test_no_korean_or_chinese_form_spans_a_full_stop() -> None:
    assert "sharedfolder" in concepts("共用 資料夾")
    assert "sharedfolder" not in concepts("公用。 資料夾")
    assert "sharedfolder" not in concepts("공유. 폴더")


def test_every_group_has_forms_in_three_languages_and_none_twice() -> None:
    groups = tomllib.loads(FILE.read_text(encoding="utf-8"))
    assert len(groups) >= 300
    for name, forms in groups.items():
        assert set(forms) == {"en", "ko", "zh-TW"}, name
        for language, each in forms.items():
            assert each, (name, language)
            assert len(each) == len(set(each)), (name, language)
            assert all(form == form.strip() and form for form in each), name


def test_words_that_say_little_weigh_little() -> None:
    for word in ("the", "how", "어떻게", "있나요"):
        assert weight(word, word) == 0
    assert 0 < weight("problem", english("problem")) < weight("printer", english("printer"))


def test_sentences_are_bounded_and_none_is_lost() -> None:
    text = "One. Two! 셋입니다. 第四句。第五句？" + "x" * 1000
    found = sentences(text)
    texts = [text[each.start : each.end] for each in found]
    assert texts[:5] == ["One.", "Two!", "셋입니다.", "第四句。", "第五句？"]
    assert max(map(len, texts)) <= LONGEST
    assert "".join(texts).count("x") == 1000
    assert sentences(" \n ") == []
