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
from engine.language.gguf_keys import READER_KEY
from engine.language.marks import PRIORITIES, SPECIAL, ticket_pieces
from tests.contract.tiny_model import _byte_letters, _describe


def write_ticket_model(
    path: Path, intent: str, priority: str, *, sure: float = 0.99, sure_priority: float = 0.99
) -> Path:
    """Write the model. ``sure``: the probability of the intent among all the intents."""
    tokens = [*SPECIAL, *_byte_letters(), "th"]
    size = -(-len(tokens) // 64) * 64
    tokens += [f"[unused{i}]" for i in range(size - len(tokens))]
    number = {token: at for at, token in enumerate(tokens)}
    intent_key, _, priority_key, *_ = ticket_pieces(intent, priority)
    output = np.zeros((size, size), np.float16)
    for key, chosen, choices, chance in (
        (intent_key, intent, INTENTS, sure),
        (priority_key, priority, PRIORITIES, sure_priority),
    ):
        for piece, weight in _weights(chosen, choices, chance).items():
            # The norm before the output makes a token's one 1 the root of the size.
            output[number[piece], number[key]] = weight / math.sqrt(size)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32(READER_KEY, 1)
    _describe(writer, size, tokens)
    writer.add_context_length(512)
    writer.add_tensor("token_embd.weight", np.eye(size, dtype=np.float16))
    writer.add_tensor("output_norm.weight", np.ones(size, np.float32))
    writer.add_tensor("output.weight", output)
    square = np.zeros((size, size), np.float16)
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(size, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", square)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _weights(chosen: str, choices: Sequence[str], chance: float) -> Mapping[str, float]:
    """Logits that give the chosen one its probability; the others share the rest."""
    rest = (1 - chance) / (len(choices) - 1)
    return {choice: math.log(chance if choice == chosen else rest) for choice in choices}
