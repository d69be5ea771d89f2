"""What people write, in three languages, and what it must come to."""

from __future__ import annotations

import pytest

from engine.language.contract import CHANGING, Parse
from tests.unit.language.table import Sentence, examples, read, sentences


@pytest.mark.parametrize("sentence", examples(), ids=lambda s: s.text)
def test_the_examples_of_the_contract(sentence: Sentence) -> None:
    _check(sentence, "examples_inventory")


@pytest.mark.parametrize("sentence", sentences(), ids=lambda s: s.text)
def test_other_sentences_over_another_inventory(sentence: Sentence) -> None:
    _check(sentence, "inventory")


def _check(sentence: Sentence, inventory: str) -> None:
    said = read(sentence.text, inventory)
    assert said.parse.intent_type == sentence.intent
    assert said.assets == sentence.assets
    assert said.parse.deploy_artifacts == sentence.artifacts
    assert said.parse.requires_approval == (sentence.intent in CHANGING)
    assert Parse.from_json(said.parse.to_json()) == said.parse


def test_the_table_is_wide() -> None:
    assert len(sentences()) >= 400
    assert len({sentence.intent for sentence in sentences()}) == 15
