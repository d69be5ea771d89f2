"""Whatever is chosen at the open places, the form is valid JSON of the contract."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.language.contract import CHANGING, INTENTS, LAYERS, MAX_STEPS, Parse
from engine.language.guided import walk
from engine.language.marks import (
    END,
    FILE_MARKS,
    INSTITUTION_MARKS,
    NODE_MARKS,
    PRIORITIES,
    SPECIAL,
    STRANGER,
    SYSTEM_MARKS,
    Answer,
    Marked,
    parse_form,
    ticket_form,
)


def _first(marks: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.integers(0, len(marks)).map(lambda count: marks[:count])


MARKED = st.builds(
    Marked,
    _first(INSTITUTION_MARKS),
    _first(SYSTEM_MARKS),
    _first(NODE_MARKS),
    _first(FILE_MARKS),
)


def _subset(marks: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.booleans(), min_size=len(marks), max_size=len(marks)).map(
        lambda keep: tuple(mark for mark, kept in zip(marks, keep, strict=True) if kept)
    )


ANSWER = st.builds(
    Answer,
    st.sampled_from(INTENTS),
    _subset((STRANGER, *INSTITUTION_MARKS)),
    _subset((STRANGER, *SYSTEM_MARKS)),
    _subset(LAYERS),
    _subset((STRANGER, *NODE_MARKS)),
    st.lists(st.sampled_from(INTENTS), min_size=1, max_size=MAX_STEPS).map(tuple),
    _subset(FILE_MARKS),
)
FULL = Marked(INSTITUTION_MARKS, SYSTEM_MARKS, NODE_MARKS, FILE_MARKS)


@given(MARKED, st.data())
def test_every_way_through_the_form_is_a_parse(marked: Marked, data: st.DataObject) -> None:
    form = parse_form(marked)
    choices, pieces = next(form), []
    while True:
        piece = data.draw(st.sampled_from(choices)) if len(choices) > 1 else choices[0]
        pieces.append(piece)
        try:
            choices = form.send(piece)
        except StopIteration:
            break
    assert pieces[-1] == END
    parse = Parse.from_json("".join(pieces[:-1]))
    answer = Answer.read(pieces)
    assert answer.intent == parse.intent_type
    assert answer.steps == parse.action_sequence
    assert answer.nodes == parse.target_nodes
    assert answer.files == parse.deploy_artifacts
    assert parse.requires_approval == (parse.intent_type in CHANGING)
    allowed = {STRANGER, *marked.institutions, *marked.systems, *marked.nodes}
    assert {*answer.institutions, *answer.systems, *answer.nodes} <= allowed


@given(ANSWER)
def test_an_answer_is_written_and_read(answer: Answer) -> None:
    assert Answer.read(answer.pieces()) == answer


@given(ANSWER)
def test_an_answer_as_draft_goes_through_the_form(answer: Answer) -> None:
    pieces = answer.pieces()
    steps = walk(parse_form(FULL), [], pieces)
    assert [step.piece for step in steps] == pieces


@given(ANSWER, st.integers(0, 40), st.sampled_from(SPECIAL))
def test_a_wrong_draft_is_followed_only_as_far_as_it_is_legal(
    answer: Answer, at: int, wrong: str
) -> None:
    pieces = answer.pieces()
    spoilt = [*pieces[:at], wrong, *pieces[at + 1 :]]
    for step in walk(parse_form(FULL), [], spoilt):
        assert step.piece is None or step.piece in step.choices


@given(st.sampled_from(INTENTS), st.sampled_from(PRIORITIES))
def test_a_ticket_is_json(intent: str, priority: str) -> None:
    steps = walk(ticket_form(), [], ["", intent, "", priority])
    text = "".join(str(step.piece) for step in steps[:-1])
    assert json.loads(text) == {"intent_type": intent, "priority": priority}


def test_the_special_tokens_are_different_from_each_other() -> None:
    assert len(set(SPECIAL)) == len(SPECIAL)
