"""The shipped model in the child process: it fills in a form, and a draft saves it most steps.

The rules' reading is the draft.  One pass over the message and the draft shows what the model
would write at every open place; where it disagrees, it writes on from there.  The result is the
same as piece by piece, so the draft costs nothing but changes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language.calibration import Calibration
from engine.language.gguf_keys import CALIBRATION_KEY, READER_KEY, READER_VERSION
from engine.language.marks import (
    ANSWER,
    ASK,
    SPECIAL,
    TICKET,
    Form,
    Marked,
    parse_form,
    ticket_form,
)

CONTEXT = 512
"""Tokens of a message and its answer at most, by the model's shape."""
LONGEST_PROMPT = 224
"""Tokens of a message; training shows no longer ones, and the rules read those."""
_PLAIN_PIECES = ("|", '"')


@dataclass(frozen=True)
class Step:
    """One place of a form: what may stand there, and what the draft has there."""

    choices: tuple[str, ...]
    piece: str | None


@dataclass(frozen=True)
class Written:
    """A filled form: its pieces, and for each open place the choices' log-probabilities."""

    pieces: list[str]
    chances: list[dict[str, float]]


class GuidedModel:
    """A loaded GGUF of the shipped kind. Raises RuntimeError for one of another version."""

    def __init__(self, model: Any) -> None:
        import llama_cpp

        self._cpp = llama_cpp
        self._model = model
        self._context = model._ctx.ctx
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(CONTEXT, 0, 1)
        self.calibration = _checked(model.metadata)
        """How far it is to be believed, as the file says; None for a file in the making."""
        self._number = {piece: number for number, piece in enumerate(SPECIAL)}
        for piece, number in self._number.items():
            if model._model.token_get_text(number) != piece:
                raise RuntimeError("its vocabulary is not the one of this version; run make model")
        for piece in _PLAIN_PIECES:
            (self._number[piece],) = self._tokens(piece)

    def read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Fill the form of one request. Raises ValueError when the message is too long."""
        prompt = self._prompt(request)
        draft = list(request["draft"])
        if request["opening"] == TICKET:
            written = self._fill(prompt, ticket_form, draft)
        else:
            marked = Marked(**{kind: tuple(marks) for kind, marks in request["marked"].items()})
            trust = float(request.get("trust", 0.0))
            written = self._fill(
                prompt, lambda: parse_form(marked), draft, request.get("bias"), trust
            )
        return {"pieces": written.pieces, "chances": written.chances}

    def read_intents(self, request: Mapping[str, Any]) -> dict[str, float]:
        """The log-probability of each intent, and nothing else."""
        reply = self.read({**request, "draft": [], "bias": {}})
        first: dict[str, float] = reply["chances"][0]
        return first

    def _prompt(self, request: Mapping[str, Any]) -> list[int]:
        opening = request["opening"]
        if opening not in (ASK, TICKET):
            raise ValueError("an opening that is not known")
        tokens = [self._number[opening]]
        for text, is_mark in request["pieces"]:
            if is_mark:
                tokens.append(self._number[text])
            else:
                tokens += self._tokens(text)
        if opening == TICKET:  # what a request is about stands at its beginning
            del tokens[LONGEST_PROMPT - 1 :]
        tokens.append(self._number[ANSWER])
        if len(tokens) > LONGEST_PROMPT:
            raise ValueError("the message is too long for the model")
        return tokens

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = self._model.tokenize(text.encode(), add_bos=False, special=False)
        return found

    def _fill(
        self,
        prompt: list[int],
        form: Callable[[], Form],
        draft: Sequence[str],
        bias: Mapping[str, float] | None = None,
        trust: float = 0.0,
    ) -> Written:
        self._cpp.llama_memory_seq_rm(self._memory, 0, 0, -1)
        written = Written([], [])
        pending, held = prompt, 0
        while True:
            steps = walk(form(), written.pieces, draft)
            opened = [at for at, step in enumerate(steps) if len(step.choices) > 1]
            if not opened:
                written.pieces.extend(step.choices[0] for step in steps)
                return written
            ahead = [self._number[str(step.piece)] for step in steps[: opened[-1]]]
            places = [len(pending) - 1 + at for at in opened]
            self._decode([*pending, *ahead], held, places)
            taken = self._take(steps, places, written, bias, trust)
            if taken is None:
                return written
            held += len(pending) + taken
            self._cpp.llama_memory_seq_rm(self._memory, 0, held, -1)
            pending = [self._number[written.pieces[-1]]]

    def _take(
        self,
        steps: list[Step],
        places: list[int],
        written: Written,
        bias: Mapping[str, float] | None,
        trust: float,
    ) -> int | None:
        """Write as far as the draft agrees. Gives the step that differs, None at the end.

        ``bias`` is added to the intents, ``trust`` to what the draft has at any other place.
        """
        logits = iter(places)
        for at, step in enumerate(steps):
            if len(step.choices) == 1:
                written.pieces.append(step.choices[0])
                continue
            chances = self._chances(next(logits), step.choices)
            extra = {} if written.chances else bias or {}
            if written.chances and step.piece is not None:
                extra = {step.piece: trust}
            weighed = {piece: chance + extra.get(piece, 0.0) for piece, chance in chances.items()}
            best = max(weighed, key=weighed.__getitem__)
            written.chances.append(chances)
            written.pieces.append(best)
            if best != step.piece:
                return at
        return None

    def _chances(self, place: int, choices: tuple[str, ...]) -> dict[str, float]:
        """Log-probabilities of the choices among themselves."""
        logits = self._cpp.llama_get_logits_ith(self._context, place)
        scores = [logits[self._number[piece]] for piece in choices]
        top = max(scores)
        total = top + math.log(sum(math.exp(score - top) for score in scores))
        return {
            piece: round(score - total, 4) for piece, score in zip(choices, scores, strict=True)
        }

    def _decode(self, tokens: list[int], held: int, places: list[int]) -> None:
        batch, wanted = self._batch, frozenset(places)
        if held + len(tokens) > CONTEXT:
            raise ValueError("the message is too long for the model")
        batch.n_tokens = len(tokens)
        for at, token in enumerate(tokens):
            batch.token[at] = token
            batch.pos[at] = held + at
            batch.seq_id[at][0] = 0
            batch.n_seq_id[at] = 1
            batch.logits[at] = at in wanted
        code = self._cpp.llama_decode(self._context, batch)
        if code != 0:
            raise ValueError(f"the model could not evaluate the message (code {code})")


def walk(form: Form, written: Sequence[str], draft: Sequence[str]) -> list[Step]:
    """The steps from what is written, along the draft, to the end or where the draft fails."""
    choices = next(form)
    for piece in written:
        choices = form.send(piece)
    steps: list[Step] = []
    at = len(written)
    while True:
        drafted = draft[at] if at < len(draft) else None
        known = choices[0] if len(choices) == 1 else drafted if drafted in choices else None
        steps.append(Step(choices, known))
        if known is None:
            return steps
        try:
            choices = form.send(known)
        except StopIteration:
            return steps
        at += 1


class Decoder:
    """The protocol of the child: a request as JSON, a filled form as JSON."""

    def __init__(self, model: GuidedModel) -> None:
        self._model = model
        self.told = {"kind": "guided", "calibration": model.calibration}

    def answer(self, said: str) -> str:
        """The pieces and chances for one request."""
        return json.dumps(self._model.read(json.loads(said)), ensure_ascii=False)


def load(order: Mapping[str, Any]) -> Decoder:
    """The decoder of a file. Raises ValueError when it is damaged, RuntimeError as GuidedModel."""
    return Decoder(open_model(Path(order["path"])))


def open_model(path: Path) -> GuidedModel:
    """The model of a file, in this process, on one thread."""
    import llama_cpp

    return GuidedModel(
        llama_cpp.Llama(
            str(path),
            n_ctx=CONTEXT,
            n_batch=CONTEXT,
            n_ubatch=CONTEXT,
            n_threads=1,
            n_threads_batch=1,
            verbose=False,
        )
    )


def _checked(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """The file's calibration, if its version is this one's."""
    version, stored = metadata.get(READER_KEY), metadata.get(CALIBRATION_KEY)
    if version != str(READER_VERSION):
        raise RuntimeError(f"it is of version {version}, not {READER_VERSION}; run make model")
    if stored is None:
        return None
    try:
        found: dict[str, Any] = json.loads(stored)
        Calibration.from_json(found)
    except (ValueError, RecursionError) as error:
        raise RuntimeError(f"its calibration cannot be used ({error}); run make model") from None
    return found
