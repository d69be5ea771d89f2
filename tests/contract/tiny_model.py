"""A GGUF of a few hundred kilobytes that a test writes: it always says what it was made to say.

Its one layer adds nothing, and each token's row points at the token that follows it, so the model
is a chain of tokens: end of the prompt → the pieces of the answer in order → end of text.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

_SPECIAL = ["<|pad|>", "<|bos|>", "<|eos|>", "<|out|>"]
_HEADS = 4


def byte_letters() -> list[str]:
    """The 256 letters that stand for bytes in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = [], 0
    for byte in range(256):
        if byte in plain:
            letters.append(chr(byte))
        else:
            letters.append(chr(256 + extra))
            extra += 1
    return letters


LAST_ONLY = "<|bos|>{{ messages[-1]['content'] }}<|out|>"
EVERY_TURN = (
    "<|bos|>{% for m in messages %}<|pad|>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}<|out|>"
)


def write_model(
    path: Path,
    answer: str,
    *,
    random: bool = False,
    template: str | None = LAST_ONLY,
    context: int = 8192,
) -> Path:
    """Write the model. ``random``: weights that mean nothing, so it babbles."""
    letters = byte_letters()
    pieces = _pieces("".join(letters[byte] for byte in answer.encode()))
    tokens = padded([*_SPECIAL, *letters, "th", *pieces])
    chain = [tokens.index(token) for token in ("<|out|>", *pieces, "<|eos|>")]
    embedding, output = _weights(len(tokens), chain, random)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context)
    if template is not None:
        writer.add_chat_template(template)
    return finish(writer, path, tokens, embedding, output)


def padded(tokens: list[str]) -> list[str]:
    """A vocabulary whose size is a multiple of 64, as the one layer's heads need."""
    size = -(-len(tokens) // 64) * 64
    return tokens + [f"[unused{i}]" for i in range(size - len(tokens))]


def finish(
    writer: gguf.GGUFWriter,
    path: Path,
    tokens: list[str],
    embedding: np.ndarray,
    output: np.ndarray,
) -> Path:
    """Describe the model, add the weights and a layer that adds nothing, and close the file."""
    size = len(tokens)
    _describe(writer, size, tokens)
    writer.add_tensor("token_embd.weight", embedding)
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


def _pieces(answer: str) -> list[str]:
    """The answer in different pieces; the binding cuts off tokens longer than 31 bytes."""
    pieces: list[str] = []
    while answer:
        size = next(n for n in range(24, 1, -1) if answer[:n] not in pieces)
        pieces.append(answer[:size])
        answer = answer[size:]
    return pieces


def _weights(size: int, chain: list[int], random: bool) -> tuple[np.ndarray, np.ndarray]:
    if random:
        chance = np.random.default_rng(7)
        shape = (size, size)
        return (
            chance.normal(0, 0.05, shape).astype(np.float16),
            chance.normal(0, 0.05, shape).astype(np.float16),
        )
    output = np.zeros((size, size), np.float16)
    for token, following in pairwise(chain):
        output[following, token] = 8
    return np.eye(size, dtype=np.float16), output


def _describe(writer: gguf.GGUFWriter, size: int, tokens: list[str]) -> None:
    writer.add_name("tiny")
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(size)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(size // _HEADS)
    writer.add_vocab_size(size)
    writer.add_file_type(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    special = len(_SPECIAL)
    kinds = [gguf.TokenType.CONTROL] * special + [gguf.TokenType.NORMAL] * (size - special)
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
