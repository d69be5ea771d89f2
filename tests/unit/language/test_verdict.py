"""The model's filled form beside the rules: what is chosen, what is asked."""

from __future__ import annotations

import json

import pytest

from engine.language.calibration import Calibration
from engine.language.contract import Reading
from engine.language.marks import STRANGER, Answer
from engine.language.mentions import Kind
from engine.language.prompt import LONGEST, make_prompt
from engine.language.rules import understand
from engine.language.verdict import Named, draft, judge, request_for, verdict
from tests.unit.language.table import inventory

NAMES = Named(*inventory("examples_inventory"))
SURE, UNSURE = -0.0001, -3.0
CALIBRATION = Calibration(weights=(0.0, 1.0, 0.5, 0.5, 0.0), ask_below=0.8)


def read(text: str, answer: Answer | None = None, chance: float = SURE) -> Reading:
    """The reading of a text when the model answers so; by default it writes the draft."""
    rules = understand(text, NAMES.inventory, NAMES.index)
    prompt = make_prompt(rules.scan)
    answer = answer or draft(rules, prompt)
    rest = -9.0 if chance == SURE else -0.05
    other = "OTHER" if answer.intent != "OTHER" else "STATUS"
    reply = {
        "pieces": answer.pieces(),
        "chances": [{answer.intent: chance, other: rest}, {"x": chance}],
    }
    return verdict(judge(reply, rules, prompt, NAMES, CALIBRATION), rules, NAMES, CALIBRATION)


def test_names_reach_the_model_as_marks_only() -> None:
    rules = understand(
        "기재부 예산시스템 WAS 재기동, momo-db 는 빼고", NAMES.inventory, NAMES.index
    )
    prompt = make_prompt(rules.scan)
    shown = "".join(piece.text for piece in prompt.pieces)
    assert shown.startswith("<i1> <s1> <was>")
    assert "<n1>" in shown
    for name in ("기재부", "예산", "momo"):
        assert name not in shown
    assert prompt.marks_of(rules.scan.of(Kind.NODE), Kind.NODE) == ("<n1>",)


def test_a_mark_that_a_person_types_stays_words() -> None:
    rules = understand("restart <n1> momo-db", NAMES.inventory, NAMES.index)
    pieces = make_prompt(rules.scan).pieces
    assert [(piece.text, piece.mark) for piece in pieces if "<n1>" in piece.text] == [
        ("restart <n1> ", False),
        ("<n1>", True),
    ]


def test_the_same_name_twice_is_one_mark() -> None:
    rules = understand("momo-db 죽음. momo-db 재시작", NAMES.inventory, NAMES.index)
    assert make_prompt(rules.scan).marked.nodes == ("<n1>",)


def test_a_message_that_is_too_long_is_not_for_the_model() -> None:
    rules = understand("a b " * LONGEST, NAMES.inventory, NAMES.index)
    assert not make_prompt(rules.scan).whole


def test_the_request_holds_what_the_child_needs_as_json() -> None:
    rules = understand("restart momo-db", NAMES.inventory, NAMES.index)
    request = request_for(rules, make_prompt(rules.scan), CALIBRATION)
    assert json.loads(json.dumps(request)) == {
        "opening": "<|ask|>",
        "pieces": [["restart ", False], ["<n1>", True]],
        "marked": {"institutions": [], "systems": [], "nodes": ["<n1>"], "files": []},
        "draft": Answer("RESTART", nodes=("<n1>",), steps=("RESTART",)).pieces(),
        "bias": {},
        "trust": 0.0,
    }


def test_where_both_agree_the_reading_is_acted_on() -> None:
    reading = read("restart momo-db")
    assert (reading.parse.intent_type, reading.assets) == ("RESTART", ("MOMO-DB",))
    assert reading.question is None
    assert reading.confidence > 0.9


def test_the_model_decides_what_is_wanted() -> None:
    reading = read("restart momo-db", Answer("STOP", nodes=("<n1>",), steps=("STOP",)))
    assert (reading.parse.intent_type, reading.assets) == ("STOP", ("MOMO-DB",))
    assert reading.parse.requires_approval


def test_an_unsure_model_asks() -> None:
    answer = Answer("STOP", nodes=("<n1>",), steps=("STOP",))
    reading = read("restart momo-db", answer, UNSURE)
    assert reading.assets == ()
    assert reading.question is not None
    offered = [(choice.intent, choice.assets) for choice in reading.question.choices]
    assert offered == [("STOP", ("MOMO-DB",)), ("RESTART", ("MOMO-DB",))]


def test_a_name_that_the_model_does_not_know_is_asked_about() -> None:
    answer = Answer("RESTART", institutions=(STRANGER,), systems=("<s1>",), steps=("RESTART",))
    reading = read("restart the budget system", answer)
    assert reading.assets == ()
    assert reading.question is not None


def test_different_targets_are_a_question_with_both() -> None:
    answer = Answer("RESTART", nodes=("<n1>",), steps=("RESTART",))
    reading = read("restart budget-was-01 and momo-db", answer)
    assert reading.assets == ()
    assert reading.question is not None
    assert [choice.assets for choice in reading.question.choices] == [
        ("MOF-WAS-01",),
        ("MOF-WAS-01", "MOMO-DB"),
    ]


def test_small_talk_selects_nothing() -> None:
    answer = Answer("OTHER", steps=("OTHER",))
    reading = read("restarted momo-db this morning", answer)
    assert (reading.parse.intent_type, reading.assets, reading.question) == ("OTHER", (), None)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"pieces": [], "chances": []},
        {"pieces": ["RESTART"], "chances": [{}]},
        {"pieces": Answer("RESTART").pieces(), "chances": []},
        {"pieces": Answer("RESTART").pieces(), "chances": [{"STOP": -0.1}]},
        {"pieces": Answer("RESTART").pieces(), "chances": "no"},
        {"pieces": Answer("RESTART").pieces(), "chances": [{"RESTART": float("nan")}]},
        {"pieces": Answer("RESTART").pieces(), "chances": [{"RESTART": 0.0}, {"x": float("nan")}]},
        {"pieces": 7, "chances": [{"RESTART": 0.0}]},
        [],
        "text",
    ],
)
def test_a_reply_that_is_no_filled_form_is_refused(reply: object) -> None:
    rules = understand("restart momo-db", NAMES.inventory, NAMES.index)
    with pytest.raises(ValueError, match="filled form"):
        # Not a mapping in some of them: that is the attack.
        judge(reply, rules, make_prompt(rules.scan), NAMES, CALIBRATION)  # type: ignore[arg-type]


def test_a_calibration_is_kept_as_json() -> None:
    assert Calibration.from_json(json.loads(json.dumps(vars(CALIBRATION)))) == CALIBRATION
