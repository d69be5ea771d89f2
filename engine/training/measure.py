"""Held-back sentences read by the whole reader: what is right, what is wrong, what is asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from engine.language.calibration import Calibration
from engine.language.contract import LAYERS, TARGETLESS
from engine.language.exclusion import Split
from engine.language.guided import GuidedModel
from engine.language.mentions import Kind, Mention
from engine.language.names import NameIndex
from engine.language.prompt import make_prompt
from engine.language.resolve import select
from engine.language.rules import Understood, artifacts_for, understand
from engine.language.verdict import Judged, Named, judge, request_for
from engine.training.examples import example, folded_span, overlap
from engine.training.names import Names, Place, invent
from engine.training.sentences import Filled, Sentence, Slot, fill
from engine.training.variation import Variation

_PER_PLACE = 40
_KINDS = {"i": Kind.INSTITUTION, "s": Kind.SYSTEM, "n": Kind.NODE}


@dataclass(frozen=True)
class Case:
    """One message with names, and what it should come to."""

    filled: Filled
    place: Place
    index: NameIndex
    rules: Understood
    intent: str
    assets: tuple[str, ...]
    """What it selects by the contract; empty where a person has to be asked."""
    files: tuple[str, ...]


def cases(
    sentences: list[Sentence], seed: int, rounds: int, *, vary: bool, test_names: bool = True
) -> Iterator[Case]:
    """Each sentence so many times, with other names each time."""
    chance = random.Random(seed)
    names = Names(chance, test=test_names)
    variation = Variation(chance, {})
    for _ in range(rounds):
        for start in range(0, len(sentences), _PER_PLACE):
            place = invent(names, 6)
            index = NameIndex(place.inventory)
            for sentence in sentences[start : start + _PER_PLACE]:
                words = variation.of(sentence) if vary else sentence.text
                filled = fill(sentence, names, place, words)
                if example(filled, place, index) is not None:
                    yield _case(filled, place, index)


def _case(filled: Filled, place: Place, index: NameIndex) -> Case:
    rules = understand(filled.text, place.inventory, index)
    intent = filled.sentence.intent
    files = artifacts_for(rules.scan, intent)
    out = {filled.text[s.start : s.end] for s in filled.slots if s.kind in ("f", "sh") and s.role}
    files = tuple(file for file in files if file not in out)
    return Case(filled, place, index, rules, intent, _expected(filled, place, index, rules), files)


def _expected(filled: Filled, place: Place, index: NameIndex, rules: Understood) -> tuple[str, ...]:
    """The selection of the names that the sentence marks as meant."""
    intent = filled.sentence.intent
    if intent in TARGETLESS or any(slot.role == "?" for slot in filled.slots):
        return ()
    meant = [m for slot in filled.slots if slot.role == "" for m in _at(rules, slot)]
    meant += [m for m in rules.scan.mentions if m.kind not in _SLOTTED]
    spared = [[m] for slot in filled.slots if slot.role == "-" for m in _at(rules, slot)]
    return select(place.inventory, index, Split(meant, spared), intent).assets


_SLOTTED = {*_KINDS.values(), Kind.LAYER}


def _at(rules: Understood, slot: Slot) -> list[Mention]:
    span = folded_span(rules.scan, slot)
    kind = Kind.LAYER if slot.kind in LAYERS else _KINDS.get(slot.kind)
    found = [m for m in rules.scan.mentions if m.kind is kind and overlap((m.start, m.end), span)]
    if not found and kind is Kind.LAYER:
        found = [Mention(Kind.LAYER, *span, (slot.kind,), slot.kind)]
    return found


def read_case(case: Case, model: GuidedModel, calibration: Calibration) -> Judged:
    """The model's answer beside the rules'."""
    prompt = make_prompt(case.rules.scan)
    reply = model.read(request_for(case.rules, prompt, calibration))
    names = Named(case.place.inventory, case.index)
    return judge(reply, case.rules, prompt, names, calibration)
