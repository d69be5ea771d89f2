"""The contract: nothing but a whole, valid parse gets through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.language.contract import (
    CHANGING,
    INTENTS,
    SCHEMA,
    Choice,
    ContractError,
    Parse,
    Question,
)
from prompts.texts import text

_GOOD: dict[str, Any] = {
    "intent_type": "RESTART",
    "institution": "기재부",
    "system_name": "예산시스템",
    "infrastructure_layer": "WAS|DB",
    "target_nodes": ["a", "b"],
    "action_sequence": ["STOP", "DEPLOY", "START"],
    "deploy_artifacts": ["x.war"],
    "requires_approval": True,
}


def test_there_and_back() -> None:
    parse = Parse.from_json(_GOOD)
    assert parse.to_json() == _GOOD
    assert Parse.from_json(json.dumps(_GOOD)) == parse


@pytest.mark.parametrize("intent", INTENTS)
def test_every_intent(intent: str) -> None:
    changing = intent in CHANGING
    Parse(intent, requires_approval=changing)
    if changing:
        with pytest.raises(ContractError, match="requires_approval"):
            Parse(intent, requires_approval=False)
    else:
        assert Parse(intent, requires_approval=True).requires_approval  # advice may raise


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("intent_type", "REBOOT"),
        ("intent_type", None),
        ("institution", ""),
        ("institution", "x" * 201),
        ("system_name", "a\x00b"),
        ("system_name", 5),
        ("infrastructure_layer", "DB|WAS"),
        ("infrastructure_layer", "APP"),
        ("target_nodes", "budget-was-01"),
        ("target_nodes", ["ok", 5]),
        ("target_nodes", ["n"] * 201),
        ("target_nodes", [["nested"]]),
        ("action_sequence", ["DANCE"]),
        ("action_sequence", ["STOP"] * 13),
        ("deploy_artifacts", {}),
        ("deploy_artifacts", ["\n"]),
        ("requires_approval", 1),
        ("requires_approval", "true"),
    ],
)
def test_what_the_contract_does_not_know_is_refused(field: str, value: object) -> None:
    with pytest.raises(ContractError, match=field):
        Parse.from_json({**_GOOD, field: value})


@pytest.mark.parametrize(
    "raw", ["", "nonsense", "[]", "null", "3", "{}", "[" * 100_000, b"\xff", None]
)
def test_no_object_no_parse(raw: object) -> None:
    with pytest.raises(ContractError):
        Parse.from_json(raw)


def test_missing_and_further_fields_are_named() -> None:
    with pytest.raises(ContractError, match="command"):
        Parse.from_json({**_GOOD, "command": "rm"})
    with pytest.raises(ContractError, match="institution"):
        Parse.from_json({key: _GOOD[key] for key in _GOOD if key != "institution"})


def test_the_schema_names_the_same_fields() -> None:
    assert list(SCHEMA["properties"]) == SCHEMA["required"] == list(_GOOD)


def test_a_question_has_at_most_eight_choices() -> None:
    choices = tuple(Choice("x", "LOG", ()) for _ in range(9))
    with pytest.raises(ValueError, match="8"):
        Question(text("language_which_asset"), choices)
