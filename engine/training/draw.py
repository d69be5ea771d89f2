"""Draws examples: a sentence, varied, with invented names; and what a wrong piece costs."""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.language.marks import Form
from engine.language.names import NameIndex
from engine.training.examples import Example, example, ticket_example
from engine.training.names import Names, invent
from engine.training.sentences import Sentence, fill
from engine.training.variation import Variation

TICKET_SHARE = 0.12
INTENT_WEIGHT, CHOICE_WEIGHT, FORCED_WEIGHT = 3.0, 1.0, 0.02
"""How much an error counts: at the intent, at a choice, where only one piece may stand."""
_PER_PLACE = 60
_LAYER_KEYS = ('","infrastructure_layer":"', '","target_nodes":["', '","target_nodes":[]')


def draw(
    sentences: list[Sentence], seed: int, count: int, *, test: bool = False, vary: bool = True
) -> Iterator[Example]:
    """``count`` examples from these sentences with invented names."""
    chance = random.Random(seed)
    names = Names(chance, test=test)
    asides = [s for s in sentences if s.intent == "OTHER" and len(s.text) < 60]
    by_language: dict[str, list[Sentence]] = {}
    for aside in asides:
        by_language.setdefault(aside.language, []).append(aside)
    variation = Variation(chance, by_language)
    tickets = [sentence for sentence in sentences if sentence.priority]
    made = 0
    while made < count:
        place = invent(names, chance.randint(2, 10))
        index = NameIndex(place.inventory)
        for _ in range(min(_PER_PLACE, count - made)):
            ticket = bool(tickets) and chance.random() < TICKET_SHARE
            sentence = chance.choice(tickets if ticket else sentences)
            words = variation.of(sentence) if vary else sentence.text
            filled = fill(sentence, names, place, words)
            found = (
                ticket_example(filled, place, index) if ticket else example(filled, place, index)
            )
            if found is not None:
                made += 1
                yield found


def weigh(found: Example, form: Form) -> list[float]:
    """The weight of each piece of the answer. Raises ValueError where the form forbids one."""
    weights: list[float] = []
    choices = next(form)
    in_layers = False
    for position, piece in enumerate(found.answer):
        if piece not in choices:
            raise ValueError(f"{piece} is not among {choices}")
        weight = FORCED_WEIGHT if len(choices) == 1 else CHOICE_WEIGHT
        if position == 1:
            weight = INTENT_WEIGHT
        if in_layers and not found.layers_known:
            weight = 0.0
        in_layers = (in_layers or piece == _LAYER_KEYS[0]) and piece not in _LAYER_KEYS[1:]
        weights.append(weight)
        choices = form.send(piece) if position + 1 < len(found.answer) else ()
    return weights
