"""A GGUF of the shipped kind that a test writes: it gives every service request the same class.

Like the one of tiny_model, each token leads to the next; here the key of the intent leads to the
intents, and the key of the priority to the priorities, with the probabilities that are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

from engine.language.contract import INTENTS
from engine.language.gguf_keys import CALIBRATION_KEY, READER_KEY, READER_VERSION
from engine.language.marks import PRIORITIES, SPECIAL, ticket_pieces
from tests.contract.tiny_model import byte_letters, finish, padded


def write_ticket_model(
    path: Path,
    intent: str,
    priority: str,
    *,
    sure: float = 0.99,
    sure_priority: float = 0.99,
    version: int = READER_VERSION,
    calibration: str | None = None,
) -> Path:
    """Write the model. ``sure``: the probability of the intent among all the intents."""
    tokens = padded([*SPECIAL, *byte_letters(), "th"])
    number = {token: at for at, token in enumerate(tokens)}
    intent_key, _, priority_key, *_ = ticket_pieces(intent, priority)
    size = len(tokens)
    output = np.zeros((size, size), np.float16)
    for key, chosen, choices, chance in (
        (intent_key, intent, INTENTS, sure),
        (priority_key, priority, PRIORITIES, sure_priority),
    ):
        for piece, weight in _weights(chosen, choices, chance).items():
            # The norm before the output makes a token's one 1 the root of the size.
            output[number[piece], number[key]] = weight / math.sqrt(size)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32(READER_KEY, version)
    if calibration is not None:
        writer.add_string(CALIBRATION_KEY, calibration)
    writer.add_context_length(512)
    return finish(writer, path, tokens, np.eye(size, dtype=np.float16), output)


def _weights(chosen: str, choices: Sequence[str], chance: float) -> Mapping[str, float]:
    """Logits that give the chosen one its probability; the others share the rest."""
    rest = (1 - chance) / (len(choices) - 1)
    return {choice: math.log(chance if choice == chosen else rest) for choice in choices}
