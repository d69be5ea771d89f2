"""An embedding GGUF that a test writes: a text's vector tells which bytes it has, and how often.

Each byte has an axis of its own, its one layer adds nothing, and the mean over the text is its
vector.  ``alike`` gives two letters the same axes: what has one means what has the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

from tests.contract.tiny_model import EVERY_TURN, byte_letters, finish, padded

_SPECIAL = ["<|pad|>", "<|bos|>", "<|eos|>", "<|out|>"]


def write_embedder(
    path: Path,
    alike: Mapping[str, str] | None = None,
    *,
    more: int = 0,
    value: float | None = None,
    pooling: gguf.PoolingType | None = None,
    template: bool = False,
    context: int = 512,
) -> Path:
    """Write the model.

    ``more``: tokens, and so numbers of a vector, beyond 320; ``value``: what every weight is.
    """
    letters = byte_letters()
    tokens = padded([*_SPECIAL, *letters, "th", *(f"[more{i}]" for i in range(more))])
    size = len(tokens)
    weights = np.eye(size, dtype=np.float16)
    for one, other in (alike or {}).items():
        axes = [len(_SPECIAL) + byte for byte in other.encode()]
        for byte in one.encode():
            weights[len(_SPECIAL) + byte] = 0
            weights[len(_SPECIAL) + byte, axes] = 1
    if value is not None:
        weights[:] = value
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    if template:
        writer.add_chat_template(EVERY_TURN)
    return finish(writer, path, tokens, weights, np.eye(size, dtype=np.float16))


def write_encoder(path: Path, words: list[str], context: int = 32) -> Path:
    """The usual kind: it reads in both directions, with a vocabulary of words and places to 32."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"\u2581{word}" for word in words)]
    tokens = padded(pieces)
    size = len(tokens)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(context)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(size)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_vocab_size(size)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * (size - 5))
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    writer.add_tensor("token_embd.weight", np.eye(size, dtype=np.float16))
    writer.add_tensor("position_embd.weight", np.zeros((context, size), np.float32))
    writer.add_tensor("token_types.weight", np.zeros((2, size), np.float32))
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(size, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(size, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((size, size), np.float16))
        writer.add_tensor(f"blk.0.{name}.bias", np.zeros(size, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
