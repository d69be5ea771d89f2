"""A parse that a model wrote by itself, held against the message and the rules."""

from __future__ import annotations

from dataclasses import replace

from engine.language.contract import Parse, Reading
from engine.language.grounding import ground
from engine.language.rules import understand
from tests.unit.language.table import inventory

INVENTORY, INDEX = inventory("examples_inventory")


def read(text: str, parse: Parse) -> Reading:
    return ground(parse, understand(text, INVENTORY, INDEX), INVENTORY, INDEX)


def change(intent: str, *nodes: str) -> Parse:
    return Parse(intent, target_nodes=nodes, action_sequence=(intent,), requires_approval=True)


def test_where_both_agree_nothing_is_asked() -> None:
    found = read("restart momo-db", change("RESTART", "momo-db"))
    assert (found.assets, found.question) == (("MOMO-DB",), None)


def test_a_change_that_the_rules_read_otherwise_is_a_question_and_selects_nothing() -> None:
    found = read("restart momo-db", change("STOP", "momo-db"))
    assert found.parse.intent_type == "STOP"
    assert found.assets == ()
    assert found.question is not None
    offered = [(choice.intent, choice.assets) for choice in found.question.choices]
    assert offered == [("STOP", ("MOMO-DB",)), ("RESTART", ("MOMO-DB",))]


def test_a_name_that_was_not_said_selects_nothing_by_itself() -> None:
    found = read("restart momo-db", change("RESTART", "momo-db", "budget-db-01"))
    assert found.assets == ("MOMO-DB",)
    assert found.parse.target_nodes == ("momo-db",)


def test_a_part_that_nobody_knows_is_looked_for_under_the_models_intent() -> None:
    """The rules see no work in these words; as a restart they name a part of the system."""
    wish = replace(change("RESTART"), system_name="budget system")
    found = read("give the budget system cache a good shake", wish)
    assert found.assets == ()
    assert found.question is not None
