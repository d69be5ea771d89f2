"""The hunt after wrong targets: a word that nobody knows never widens or moves a selection."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.language.contract import MAX_CHOICES
from engine.language.mentions import Kind, scan
from engine.language.rules import read_as
from tests.unit.language.table import (
    FIRST_PLACES,
    FURTHER_PLACES,
    Hunted,
    hunted,
    inventory,
    read,
    sentences,
)

_PLACES = tuple(f"hunt_{place}" for place in FIRST_PLACES + FURTHER_PLACES)
_ALL = [*hunted(), *hunted("targets", FURTHER_PLACES)]
_BY_RULES = [message for message in _ALL if not message.by_model]
_BY_MODEL = [message for message in _ALL if message.by_model]
_UNKNOWN = st.one_of(
    st.from_regex(r"\A(app|web|db|api|cache|node|batch|svc|redis)-?[5-9][0-9]\Z"),
    st.from_regex(r"\A(앱|웹|배치|노드|캐시|정산모듈)[5-9][0-9]\Z"),
    st.sampled_from(
        ["redis", "haproxy", "zetaflow", "프록시", "배치", "정산모듈", "快取", "排程器", "結算模組"]
    ),
)
_ORDERS = (
    "{} 재시작",
    "{} 재시작해줘",
    "restart {}",
    "please restart {} now",
    "重啟 {}",
    "{} 重啟",
)


@pytest.mark.parametrize("message", _BY_RULES, ids=lambda m: f"{m.inventory}: {m.text}")
def test_the_hunt(message: Hunted) -> None:
    said = read(message.text, message.inventory)
    assert said.parse.intent_type in message.intents
    assert said.assets in message.assets
    assert said.parse.deploy_artifacts == message.artifacts


@pytest.mark.parametrize("message", _BY_MODEL, ids=lambda m: f"{m.inventory}: {m.text}")
def test_where_only_the_intent_is_missed_the_targets_are_right(message: Hunted) -> None:
    said = read(message.text, message.inventory)
    assert said.parse.intent_type not in message.intents  # else the mark is out of date
    assert said.assets == () or said.assets in message.assets
    known, index = inventory(message.inventory)
    told = read_as(said, message.intents[0], known, index)
    assert told.parse.intent_type == message.intents[0]
    assert told.assets in message.assets
    assert told.parse.deploy_artifacts == message.artifacts


def test_few_intents_are_left_to_the_model() -> None:
    assert len(hunted(places=FURTHER_PLACES)) == 900
    assert len(_BY_MODEL) <= 10


def test_the_held_out_messages_are_read_no_worse_than_measured() -> None:
    held_out = hunted("holdout", FIRST_PLACES)
    assert len(held_out) == 81
    wrong, right = [], []
    for message in held_out:
        said = read(message.text, message.inventory)
        if said.assets and said.assets not in message.assets:
            wrong.append(message.text)
        elif (
            said.parse.intent_type in message.intents
            and said.assets in message.assets
            and said.parse.deploy_artifacts == message.artifacts
        ):
            right.append(message.text)
    assert len(right) >= 77
    assert len(wrong) <= 4, wrong


def _resolved() -> list[tuple[str, str]]:
    told = [(s.text, "inventory") for s in sentences() if s.assets]
    return told + [(m.text, m.inventory) for m in hunted() if () not in m.assets]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_resolved()), _UNKNOWN, st.data())
def test_an_unknown_word_never_selects_more_or_others(
    message: tuple[str, str], word: str, data: st.DataObject
) -> None:
    text, place = message
    before = read(text, place)
    _, index = inventory(place)
    beside = scan(text, index).of(Kind.SYSTEM, Kind.LAYER)
    assume(beside and len(text) == len(before.scan.folded.text))
    mention = data.draw(st.sampled_from(beside))
    at = data.draw(st.sampled_from([mention.start, mention.end]))
    after = read(f"{text[:at]} {word} {text[at:]}", place)
    assert after.question is not None or set(after.assets) <= set(before.assets)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_PLACES), st.sampled_from(_ORDERS), _UNKNOWN, st.data())
def test_an_unknown_part_of_a_system_is_asked_about(
    place: str, order: str, word: str, data: st.DataObject
) -> None:
    known, _ = inventory(place)
    names = sorted({name for system in known.systems.values() for name in system.names})
    name = data.draw(st.sampled_from(names))
    said = read(order.format(f"{name} {word}"), place)
    assert said.assets == ()
    assert said.question is not None


@pytest.mark.parametrize(
    ("text", "place", "choices"),
    [
        (  # Two institutions: each choice is of the layer that is named.
            "결제 WAS 재시작",
            "hunt_bank",
            {("GAP-STG", "GAP-WAS-1", "GAP-WAS-2"), ("NUP-WAS-1",)},
        ),
        (
            "운영 결제 WAS 재시작",
            "hunt_bank",
            {("GAP-WAS-1", "GAP-WAS-2"), ("NUP-WAS-1",)},
        ),
        ("가온은행 WEB 재시작", "hunt_bank", {("GAE-FRONT",)}),
        (
            "결제 web 빼고 재시작",
            "hunt_bank",
            {("GAP-DB-1", "GAP-STG", "GAP-WAS-1", "GAP-WAS-2"), ("NUP-DB-1", "NUP-WAS-1")},
        ),
        ("wms 운영 web1 로그", "hunt_freight", {("FW-APP",), ("FW-DB",)}),
        ("restart prod wms app7", "hunt_freight", {("FW-APP",)}),
        ("restart wms db batch", "hunt_freight", {("FW-DB",)}),
        ("코어뱅킹 디비 3번 재시작", "hunt_bank", {("GAC-DB-1",), ("GAC-DB-2",)}),
        ("회원 WAS 2대 재시작", "hunt_bank", {("NUM-WAS-1",), ("NUM-WAS-2",), ("NUM-WAS-11",)}),
    ],
)
def test_the_choices_keep_to_what_was_named(
    text: str, place: str, choices: set[tuple[str, ...]]
) -> None:
    said = read(text, place)
    assert said.question is not None
    assert {choice.assets for choice in said.question.choices} == choices
    assert len(said.question.choices) <= MAX_CHOICES
    assert {choice.intent for choice in said.question.choices} == {said.parse.intent_type}


@pytest.mark.parametrize(
    "text",
    [
        "epay-api 내렸다가 올려줘",
        "take epay-api down and bring it up again",
        "stop epay-api and start it again",
        "epay-api 내리고 다시 올려줘",
        "把 epay-api 停掉再啟動",
    ],
)
def test_down_and_up_is_one_restart(text: str) -> None:
    said = read(text, "hunt_bank")
    assert said.parse.intent_type == "RESTART"
    assert said.parse.action_sequence == ("RESTART",)
    assert said.assets == ("GAE-API",)


@pytest.mark.parametrize(
    "text",
    [
        "stop epay-api, deploy a.war, start it",
        "epay-api 내리고 a.war 배포하고 올려줘",
        "先停 epay-api，部署 a.war，再啟動",
    ],
)
def test_an_order_of_steps_stays_an_order(text: str) -> None:
    said = read(text, "hunt_bank")
    assert said.parse.intent_type == "DEPLOY"
    assert said.parse.action_sequence == ("STOP", "DEPLOY", "START")


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("tos-c", "tos-a"),  # one letter that counts
        ("epay-app", "epay-api"),  # a word for another part
        ("시민포털", "구민포털"),  # another syllable
    ],
)
def test_another_name_is_no_typing_error(typed: str, near: str) -> None:
    place = next(p for p in _PLACES if inventory(p)[1].entry(near))
    assert read(f"{typed} 재시작", place).assets == ()
    assert read(f"restart {typed}", place).assets == ()
