"""The text that the model is trained on: every line is good, and none is what measures it."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from engine.language.contract import INTENTS, TARGETLESS, Parse
from engine.language.marks import END, STRANGER, TICKET, Answer, parse_form, ticket_form
from engine.language.names import NameIndex
from engine.training.draw import draw, weigh
from engine.training.examples import example
from engine.training.names import LANGUAGES, Names, invent
from engine.training.sentences import TEXT, Sentence, fill, load
from engine.training.split import part_of

SENTENCES = load()
_LANGUAGE = Path(__file__).parents[1] / "language"


def test_every_line_is_good_and_there_are_thousands() -> None:
    assert len(SENTENCES) > 5000
    assert {sentence.intent for sentence in SENTENCES} == set(INTENTS)
    assert {sentence.language for sentence in SENTENCES} == set(LANGUAGES)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("RESTART restart it", "no text"),
        ("REBOOT | reboot it", "no intent"),
        ("RESTART:RESTART,LOOK | restart and look", "no intent"),
        ("RESTART@SOON | restart it", "no priority"),
        ("RESTART | restart {host}", "slot"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "bad.txt").write_text(f"# head\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"bad.txt:2: .*{told}"):
        load(tmp_path)


def test_no_sentence_that_measures_is_among_those_that_teach() -> None:
    rows = (_LANGUAGE / "examples.jsonl").read_text("utf-8").splitlines()
    measured = {json.loads(row)["text"] for row in rows}
    for path in _LANGUAGE.glob("ho*_*.txt"):
        measured |= {
            line.split("|", 3)[-1].strip() for line in path.read_text("utf-8").splitlines()
        }
    # Greetings and the like hold no name and are the same for everybody.
    taught = {sentence.text for sentence in SENTENCES if "{" in sentence.text}
    assert not taught & measured


def test_the_parts_never_change() -> None:
    parts = [part_of(f"sentence {number}") for number in range(12)]
    assert [number for number, part in enumerate(parts) if part == "test"] == [0, 7]
    counts = Counter(part_of(sentence.text) for sentence in SENTENCES)
    assert 0.08 < counts["test"] / len(SENTENCES) < 0.12
    assert 0.035 < counts["calibration"] / len(SENTENCES) < 0.065


def test_examples_say_what_their_sentences_say() -> None:
    kinds = Counter()
    for found in draw(SENTENCES, seed=5, count=400):
        assert found.answer[-1] == END
        form = ticket_form() if found.opening == TICKET else parse_form(found.marked)
        assert len(weigh(found, form)) == len(found.answer)
        if found.opening == TICKET:
            kinds["ticket"] += 1
            continue
        parse = Parse.from_json("".join(found.answer[:-1]))
        kinds["stranger"] += Answer.read(found.answer).stranger
        if parse.intent_type in TARGETLESS:
            assert parse.target_nodes == ()
    assert kinds["ticket"] > 10
    assert kinds["stranger"] > 10


def _one(text: str, intent: str = "RESTART") -> Answer | None:
    names = Names(random.Random(3), test=False)
    place = invent(names, 8)
    sentence = Sentence(intent, (intent,), "", text, "en")
    for _ in range(20):
        found = example(fill(sentence, names, place), place, NameIndex(place.inventory))
        if found is not None:
            return Answer.read(found.answer)
    return None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("restart {n}", Answer("RESTART", nodes=("<n1>",), steps=("RESTART",))),
        ("restart {?n}", Answer("RESTART", nodes=(STRANGER,), steps=("RESTART",))),
        (
            "restart {n} but not {-n}",
            Answer("RESTART", nodes=("<n1>",), steps=("RESTART",)),
        ),
        (
            "as {~n} did, restart {n}",
            Answer("RESTART", nodes=("<n2>",), steps=("RESTART",)),
        ),
        (
            "restart the {WAS:app servers} of {s}, leave {-DB:the database}",
            Answer("RESTART", systems=("<s1>",), layers=("WAS",), steps=("RESTART",)),
        ),
    ],
)
def test_slots_become_marks(text: str, answer: Answer) -> None:
    assert _one(text) == answer


def test_the_folder_holds_text_only() -> None:
    assert {path.suffix for path in TEXT.iterdir()} == {".txt"}
