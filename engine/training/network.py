"""The small model: a Llama-architecture network, in PyTorch for its training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of the network. With these it has 3.7 million parameters."""

    vocabulary: int = 4096
    width: int = 256
    layers: int = 4
    heads: int = 8
    inner: int = 512
    """Width of the gated part of a layer."""
    context: int = 512
    """Tokens of prompt and answer together."""
    norm_epsilon: float = 1e-5
    rope_base: float = 10000.0


class Layer(nn.Module):
    """One layer: attention, then the gated part."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, inner = shape.width, shape.inner
        self.heads = shape.heads
        self.attn_norm = nn.RMSNorm(width, eps=shape.norm_epsilon)
        self.ffn_norm = nn.RMSNorm(width, eps=shape.norm_epsilon)
        self.attn_qkv = nn.Linear(width, 3 * width, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.ffn_down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, dropout: float) -> Tensor:
        """x: batch, length, width."""
        batch, length, width = x.shape
        qkv = self.attn_qkv(self.attn_norm(x))
        q, k, v = qkv.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(
            _rotate(q, cos, sin), _rotate(k, cos, sin), v, is_causal=True
        )
        out = self.attn_output(mixed.transpose(1, 2).reshape(batch, length, width))
        x = x + functional.dropout(out, dropout, self.training)
        gate, up = self.ffn_gate_up(self.ffn_norm(x)).chunk(2, dim=-1)
        out = self.ffn_down(functional.silu(gate) * up)
        return x + functional.dropout(out, dropout, self.training)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on neighbouring pairs, as llama.cpp has them for this architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Network(nn.Module):
    """The whole network; the output shares its weights with the input."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        half = torch.arange(0, shape.width // shape.heads, 2).float()
        turns = shape.rope_base ** (-half / (shape.width // shape.heads))
        angles = torch.outer(torch.arange(shape.context).float(), turns)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                last = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weights, std=0.03 / (2 * shape.layers) ** 0.5 if last else 0.03)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: batch, length. Gives the last hidden state: batch, length, width."""
        length = tokens.shape[1]
        x = functional.dropout(self.token_embd(tokens), self.dropout, self.training)
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin, self.dropout)
        normed: Tensor = self.output_norm(x)
        return normed

    def scores(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary for hidden states."""
        return functional.linear(hidden, self.token_embd.weight)
