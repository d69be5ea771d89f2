"""The trained network as a GGUF file of the Llama architecture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer
from torch import Tensor

from engine.language.calibration import Calibration
from engine.language.gguf_keys import CALIBRATION_KEY, READER_KEY, READER_VERSION
from engine.language.marks import ANSWER, ASK, CONTROL, END, PAD
from engine.training.network import Layer, Network


def write_gguf(
    path: Path, network: Network, tokenizer: Tokenizer, calibration: Calibration | None = None
) -> None:
    """Write the file: the shape, the vocabulary, and the weights at 16 bits."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, network)
    if calibration is not None:
        writer.add_string(CALIBRATION_KEY, json.dumps(asdict(calibration)))
    _vocabulary(writer, tokenizer)
    writer.add_tensor("token_embd.weight", _half(network.token_embd.weight))
    writer.add_tensor("output_norm.weight", _single(network.output_norm.weight))
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, Layer)
        for name, weights in _tensors(layer).items():
            writer.add_tensor(f"blk.{number}.{name}.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, network: Network) -> None:
    shape = network.shape
    writer.add_name("watchstander-reader")
    writer.add_license("apache-2.0")
    writer.add_uint32(READER_KEY, READER_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Marks and JSON pieces are plain tokens that no merge leads to, so no text becomes one."""
    words = {number: word for word, number in tokenizer.get_vocab().items()}
    tokens = [words[number] for number in range(len(words))]
    control = set(CONTROL)
    types = [gguf.TokenType.CONTROL if t in control else gguf.TokenType.NORMAL for t in tokens]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(_number(tokens, ASK))
    writer.add_eos_token_id(_number(tokens, END))
    writer.add_pad_token_id(_number(tokens, PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(f"{ASK}{{{{ messages[-1]['content'] }}}}{ANSWER}")


def _number(tokens: list[str], token: str) -> int:
    return tokens.index(token)


def _tensors(layer: Layer) -> dict[str, np.ndarray]:
    q, k, v = layer.attn_qkv.weight.chunk(3)
    gate, up = layer.ffn_gate_up.weight.chunk(2)
    matrices = {
        "attn_q": q,
        "attn_k": k,
        "attn_v": v,
        "attn_output": layer.attn_output.weight,
        "ffn_gate": gate,
        "ffn_up": up,
        "ffn_down": layer.ffn_down.weight,
    }
    return {
        "attn_norm": _single(layer.attn_norm.weight),
        "ffn_norm": _single(layer.ffn_norm.weight),
        **{name: _half(weights) for name, weights in matrices.items()},
    }


def _half(weights: Tensor) -> np.ndarray:
    half: np.ndarray = weights.detach().half().numpy()
    return half


def _single(weights: Tensor) -> np.ndarray:
    single: np.ndarray = weights.detach().float().numpy()
    return single
