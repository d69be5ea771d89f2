"""What the targets rest on besides whole messages: forms of names, a given intent, time."""

from __future__ import annotations

import time

import pytest

from engine.language.fold import fold
from engine.language.resolve import Doubt
from engine.language.rules import read_as
from tests.unit.language.table import inventory, read

_TELECOM, _HOSPITAL, _CARD = "hunt_telecom", "hunt_hospital", "hunt_citycard"


@pytest.mark.parametrize(("one", "other"), [("門巿", "門市"), ("平臺", "平台"), ("啓動", "啟動")])
def test_variants_of_a_character_are_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_what_was_written_is_given_back_as_written() -> None:
    assert read("網路門巿狀態", _TELECOM).parse.system_name == "網路門巿"


@pytest.mark.parametrize(
    ("place", "short", "known"),
    [
        ("hunt_factory", "Lisheng", True),  # of Lisheng Logistics
        (_TELECOM, "Yuanxing", False),  # of Yuanxing Telecom and Yuanxing Broadband
        (_CARD, "Haeon", False),  # of Haeon Card and Haeon Pay
        (_CARD, "Mir City", False),  # of Mir City Hall and Mir City Library
    ],
)
def test_the_short_name_of_an_institution(place: str, short: str, known: bool) -> None:
    _, index = inventory(place)
    entry = index.entry(short)
    assert (entry is not None and bool(entry.institutions)) is known


def test_a_given_intent_reads_the_targets_anew() -> None:
    known, index = inventory(_CARD)
    said = read("앱카드 캐시 뿌셔줘", _CARD)
    assert said.parse.intent_type == "OTHER"
    before = list(said.scan.mentions)
    told = read_as(said, "RESTART", known, index)
    assert told.parse.intent_type == "RESTART"
    assert told.parse.requires_approval
    assert told.assets == ()
    assert told.unknown == ("캐시",)
    assert told.question is not None
    assert said.scan.mentions == before
    assert read_as(told, "RESTART", known, index) is told
    assert read_as(told, "INQUIRY", known, index).assets == ()


def test_a_given_intent_must_be_one() -> None:
    known, index = inventory(_CARD)
    with pytest.raises(ValueError, match="REBOOT"):
        read_as(read("앱카드", _CARD), "REBOOT", known, index)


def test_one_of_two_hosts_is_asked_about_with_both_as_choices() -> None:
    said = read("we moved the jobs away from pay-van, restart cdw-etl now", _HOSPITAL)
    assert said.assets == ()
    assert said.question is not None
    assert said.question.text.key == f"language_{Doubt.WHICH_ASSET}"
    assert {choice.assets for choice in said.question.choices} == {("PAY-VAN",), ("CDW-ETL",)}


@pytest.mark.parametrize(
    "text",
    [
        "open 22 for fraud detection db only, not web",
        "rollback of " + "미르상수도사업본부 " * 12 + "now",
        "不要" + "카드승인시스템" * 12 + "吧",
        "제가 " + "이상거래탐지 시스템" * 10,
        "restart " + "민원, 지방세 " * 20 + "정상",
        "create index a_b on c_d " + "(a_b, c_d) " * 20,
        "Acme Card Bank " * 20 + "fraud detection",
        "첫 번째 " * 40 + "second " * 40,
    ],
    ids=lambda text: text[:16],
)
def test_long_names_are_read_quickly(text: str) -> None:
    read(text, _CARD)
    began = time.process_time()
    read(text, _CARD)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    "text",
    [
        "restart arden-gs-p01" + ", p02 and p03" * 30,
        "arden-gs-p01~p03 " * 30,
        "不要停，先不要，那邊" * 40,
        "開放 arden-gs-p01 " * 30,
        "如果 arden-gs-p01 卡住" * 30,
        "寄件者:金融部\n" * 40,
        "重啟會影響嗎要送" * 40,
        "$(" * 200,
    ],
    ids=lambda text: text[:16],
)
def test_repeated_words_are_read_quickly(text: str) -> None:
    read(text, "hunt_game")
    began = time.process_time()
    read(text, "hunt_game")
    assert time.process_time() - began < 0.1


def test_a_wrong_character_is_mended_only_to_look() -> None:
    looked = read("網路垠行狀態", "hunt_bank2")
    assert looked.assets == read("網路銀行狀態", "hunt_bank2").assets != ()
    changed = read("網路垠行重啟", "hunt_bank2")
    assert changed.assets == ()
    assert changed.question is not None
