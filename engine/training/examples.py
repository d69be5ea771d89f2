"""Sentences with names become prompts and answers in the model's own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from engine.language.contract import LAYERS, TARGETLESS
from engine.language.marks import ASK, STRANGER, TICKET, Answer, Marked, ticket_pieces
from engine.language.mentions import Kind, Mention, Scan
from engine.language.names import NameIndex
from engine.language.prompt import Piece, Prompt, make_prompt
from engine.language.rules import artifacts_for, understand
from engine.training.names import Place
from engine.training.sentences import Filled, Slot

_KIND_OF = {"i": Kind.INSTITUTION, "s": Kind.SYSTEM, "n": Kind.NODE}
_NAMED = frozenset(_KIND_OF.values())


@dataclass(frozen=True)
class Example:
    """What the model reads and what it should write."""

    opening: str
    pieces: tuple[Piece, ...]
    answer: tuple[str, ...]
    marked: Marked
    layers_known: bool = True
    """False where a layer word stands that the sentence does not label."""


def ticket_example(filled: Filled, place: Place, index: NameIndex) -> Example:
    """A service request's kind and priority."""
    prompt = make_prompt(understand(filled.text, place.inventory, index).scan)
    sentence = filled.sentence
    answer = tuple(ticket_pieces(sentence.intent, sentence.priority))
    return Example(TICKET, tuple(prompt.pieces), answer, Marked())


def example(
    filled: Filled, place: Place, index: NameIndex, lost: Counter[str] | None = None
) -> Example | None:
    """A message's parse; None where the names cannot be told apart. ``lost`` counts the reasons."""
    scan = understand(filled.text, place.inventory, index).scan
    prompt = make_prompt(scan)
    reason = _unfit(filled, scan, prompt)
    if reason:
        if lost is not None:
            lost[reason] += 1
        return None
    sentence = filled.sentence
    layer_spans = [folded_span(scan, slot) for slot in filled.slots if slot.kind in LAYERS]
    labelled = all(
        any(overlap((m.start, m.end), span) for span in layer_spans) for m in scan.of(Kind.LAYER)
    )
    if sentence.intent in TARGETLESS:
        answer = Answer(sentence.intent, steps=sentence.steps)
        labelled = True
    else:
        answer = _answer(filled, scan, prompt)
    return Example(ASK, tuple(prompt.pieces), tuple(answer.pieces()), prompt.marked, labelled)


def _answer(filled: Filled, scan: Scan, prompt: Prompt) -> Answer:
    sentence = filled.sentence

    def marks(kind: str) -> tuple[str, ...]:
        slots = [slot for slot in filled.slots if slot.kind == kind]
        known = [m for slot in slots if slot.role == "" for m in _mentions(scan, slot)]
        strange = (STRANGER,) if any(slot.role == "?" for slot in slots) else ()
        return strange + prompt.marks_of(known, _KIND_OF[kind])

    layers = {slot.kind for slot in filled.slots if slot.kind in LAYERS and slot.role == ""}
    ruled_out = [
        scan.folded.written(*folded_span(scan, slot))
        for slot in filled.slots
        if slot.kind in ("f", "sh") and slot.role
    ]
    wanted = [name for name in artifacts_for(scan, sentence.intent) if name not in ruled_out]
    files = tuple(mark for mark, file in prompt.files.items() if file.written in wanted)
    return Answer(
        sentence.intent,
        marks("i"),
        marks("s"),
        tuple(layer for layer in LAYERS if layer in layers),
        marks("n"),
        sentence.steps,
        files,
    )


def _unfit(filled: Filled, scan: Scan, prompt: Prompt) -> str:
    """Why an example would teach something untrue; empty when it would not."""
    if not prompt.whole:
        return "too much"
    spans = [(slot, folded_span(scan, slot)) for slot in filled.slots if slot.kind in _KIND_OF]
    for slot, span in spans:
        over = [m for m in scan.mentions if m.kind in _NAMED and overlap((m.start, m.end), span)]
        if slot.role == "?" and over:
            return "an unknown name that is known"
        if slot.role != "?" and not any(m.kind is _KIND_OF[slot.kind] for m in over):
            return f"a known {slot.kind} that was not found"
    for mention in scan.mentions:
        place = (mention.start, mention.end)
        if mention.kind in _NAMED and not any(overlap(place, span) for _, span in spans):
            return "a plain word that is a name"
    return ""


def _mentions(scan: Scan, slot: Slot) -> list[Mention]:
    span = folded_span(scan, slot)
    return [m for m in scan.mentions if overlap((m.start, m.end), span)]


def folded_span(scan: Scan, slot: Slot) -> tuple[int, int]:
    """Where a slot stands in the folded text."""
    return scan.folded.place(slot.start), scan.folded.place(slot.end)


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def texts(examples: Iterable[Example]) -> Iterable[str]:
    """The words of examples, to learn a vocabulary from."""
    for each in examples:
        yield from (piece.text for piece in each.pieces if not piece.mark)
