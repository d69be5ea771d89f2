"""The small model's own words: marks for names, and the pieces of the JSON it writes.

A name of the inventory reaches the model as a mark, ``<n1>`` for the first host, and the model
answers with marks.  So it cannot spell a name, and none can be invented.  Each piece below is one
token that no text of a person can produce.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from engine.language.contract import CHANGING, INTENTS, LAYERS, MAX_STEPS, UNKNOWN

PAD, ASK, TICKET, ANSWER, END = "<|pad|>", "<|ask|>", "<|ticket|>", "<|answer|>", "<|end|>"
CONTROL = (PAD, ASK, TICKET, ANSWER, END)

INSTITUTION_MARKS = tuple(f"<i{n}>" for n in range(1, 5))
SYSTEM_MARKS = tuple(f"<s{n}>" for n in range(1, 7))
NODE_MARKS = tuple(f"<n{n}>" for n in range(1, 17))
FILE_MARKS = tuple(f"<f{n}>" for n in range(1, 5))
LAYER_MARKS = {"WAS": "<was>", "WEB": "<web>", "DB": "<db>"}
UNIT = "<unit>"
"""A unit's name, which narrows only."""
COVERED = "<x>"
"""An address, a quotation or a piece of code, whatever it holds."""
STRANGER = "<?>"
"""Where a name stands that the inventory does not have."""

PRIORITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")

_INTENT = '{"intent_type":"'
_INSTITUTION = '","institution":"'
_SYSTEM = '","system_name":"'
_LAYER = '","infrastructure_layer":"'
_NODES, _NO_NODES = '","target_nodes":["', '","target_nodes":[]'
_STEPS = ',"action_sequence":["'
_FILES, _NO_FILES = '],"deploy_artifacts":["', '],"deploy_artifacts":[]'
_CHANGES, _READS = ',"requires_approval":true}', ',"requires_approval":false}'
_PRIORITY, _CLOSE = '","priority":"', '"}'
_JOIN, _NEXT, _LAST = "|", '","', '"]'
_LAST_STEP = '"'

VALUES = (
    *INTENTS,
    UNKNOWN,
    *LAYERS,
    *PRIORITIES,
    STRANGER,
    *(_INTENT, _INSTITUTION, _SYSTEM, _LAYER, _NODES, _NO_NODES, _STEPS, _FILES, _NO_FILES),
    *(_CHANGES, _READS, _PRIORITY, _CLOSE, _NEXT, _LAST),
)
MARKS = (
    *INSTITUTION_MARKS,
    *SYSTEM_MARKS,
    *NODE_MARKS,
    *FILE_MARKS,
    *LAYER_MARKS.values(),
    UNIT,
    COVERED,
)
SPECIAL = (*CONTROL, *MARKS, *VALUES)
"""All of them, in the order in which a vocabulary holds them. ``|`` and ``"`` are plain bytes."""


@dataclass(frozen=True)
class Marked:
    """The marks of one message, by kind, in the order in which they stand."""

    institutions: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A parse in marks. STRANGER may lead ``institutions``, ``systems`` and ``nodes``."""

    intent: str
    institutions: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def stranger(self) -> bool:
        """Whether a name is meant that the inventory does not have."""
        return STRANGER in (*self.institutions, *self.systems, *self.nodes)

    def pieces(self) -> list[str]:
        """The JSON, a token each, END last."""
        steps = self.steps or (self.intent,)
        written = [_INTENT, self.intent, _INSTITUTION, *_joined(self.institutions)]
        written += [_SYSTEM, *_joined(self.systems), _LAYER, *_joined(self.layers)]
        written += _listed(self.nodes, _NODES, _NO_NODES)
        written += [_STEPS, *_between(steps, _NEXT), _LAST_STEP]
        written += _listed(self.files, _FILES, _NO_FILES)
        return [*written, _CHANGES if self.intent in CHANGING else _READS, END]

    @staticmethod
    def read(pieces: Sequence[str]) -> Answer:
        """The answer that a form produced."""
        fields: dict[str, list[str]] = {}
        current: list[str] = []
        for piece in pieces:
            if piece in _FIELD_OF:
                current = fields.setdefault(_FIELD_OF[piece], [])
            elif piece not in _FILLING:
                current.append(piece)
        return Answer(
            fields["intent"][0],
            **{
                name: tuple(fields.get(name, ()))
                for name in ("institutions", "systems", "layers", "nodes", "steps", "files")
            },
        )


_FIELD_OF = {
    _INTENT: "intent",
    _INSTITUTION: "institutions",
    _SYSTEM: "systems",
    _LAYER: "layers",
    _NODES: "nodes",
    _STEPS: "steps",
    _FILES: "files",
}
_FILLING = frozenset(
    {UNKNOWN, _NO_NODES, _NO_FILES, _CHANGES, _READS, _JOIN, _NEXT, _LAST, _LAST_STEP, END}
)

Form = Generator[tuple[str, ...], str, None]
"""Yields what may be written next and is sent what was; one choice is no choice."""


def parse_form(marked: Marked) -> Form:
    """The JSON of a parse, with the choices that this message's names leave open."""
    yield (_INTENT,)
    intent = yield INTENTS
    yield (_INSTITUTION,)
    yield from _join_form((STRANGER, *marked.institutions), _SYSTEM)
    yield from _join_form((STRANGER, *marked.systems), _LAYER)
    yield from _layers_then_nodes(marked)
    yield (_STEPS,)
    yield INTENTS
    for _ in range(MAX_STEPS - 1):
        if (yield (_LAST_STEP, _NEXT)) == _LAST_STEP:
            break
        yield INTENTS
    else:
        yield (_LAST_STEP,)
    if marked.files:
        opened = yield (_NO_FILES, _FILES)
        if opened == _FILES:
            yield from _list_form(marked.files)
    else:
        yield (_NO_FILES,)
    yield (_CHANGES if intent in CHANGING else _READS,)
    yield (END,)


def _layers_then_nodes(marked: Marked) -> Form:
    left: tuple[str, ...] = LAYERS
    chosen = yield (UNKNOWN, *left)
    while True:
        left = left[left.index(chosen) + 1 :] if chosen in left else ()
        follow = yield (_NO_NODES, _NODES, *([_JOIN] if left else []))
        if follow != _JOIN:
            break
        chosen = yield left
    if follow == _NODES:
        yield from _list_form((STRANGER, *marked.nodes))


def ticket_form() -> Form:
    """What kind of work a service request is, and how urgent."""
    yield (_INTENT,)
    yield INTENTS
    yield (_PRIORITY,)
    yield PRIORITIES
    yield (_CLOSE,)
    yield (END,)


def ticket_pieces(intent: str, priority: str) -> list[str]:
    """The JSON of a ticket's class, a token each."""
    return [_INTENT, intent, _PRIORITY, priority, _CLOSE, END]


def _join_form(options: tuple[str, ...], closer: str) -> Form:
    """One or several of the options in their order, or UNKNOWN; then the next field's key."""
    left = options
    chosen = yield (UNKNOWN, *left)
    while chosen in left:
        left = left[left.index(chosen) + 1 :]
        if (yield ((closer, _JOIN) if left else (closer,))) == closer:
            return
        chosen = yield left
    yield (closer,)


def _list_form(options: tuple[str, ...]) -> Form:
    left = options
    while left:
        chosen = yield left
        left = left[left.index(chosen) + 1 :]
        if not left:
            yield (_LAST,)
        elif (yield (_LAST, _NEXT)) == _LAST:
            return


def _joined(marks: tuple[str, ...]) -> list[str]:
    return _between(marks, _JOIN) if marks else [UNKNOWN]


def _listed(marks: tuple[str, ...], opened: str, none: str) -> list[str]:
    return [opened, *_between(marks, _NEXT), _LAST] if marks else [none]


def _between(marks: tuple[str, ...], piece: str) -> list[str]:
    written = [marks[0]]
    for mark in marks[1:]:
        written += [piece, mark]
    return written
