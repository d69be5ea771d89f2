"""An embedding model in a GGUF file, as the child process asks it: a text in, its vector out."""

from __future__ import annotations

import base64
import math
import os
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llama_cpp

from engine.language.gguf_header import has_key
from engine.language.gguf_keys import READER_KEY

MOST_TOKENS = 512
"""Tokens of a text that count; what stands behind them is left out."""
_MOST_CHARACTERS = 8_192
_NICER = 10
"""How far it steps back behind everything else on the machine, as ``nice`` counts."""
_MEND = "name an embedding model in [knowledge] embeddings"


def load(order: dict[str, Any]) -> Embedder:
    """The model of the orders. Raises RuntimeError for a model of another kind, with the mend, and
    ValueError for a file that llama.cpp does not take."""
    if has_key(Path(order["path"]), READER_KEY):
        raise RuntimeError(f"it is the model that reads messages; {_MEND}")
    os.nice(_NICER)
    model = _opened(order, llama_cpp.LLAMA_POOLING_TYPE_UNSPECIFIED)
    pooling = model.pooling_type()
    if pooling == llama_cpp.LLAMA_POOLING_TYPE_RANK:
        raise RuntimeError(f"it compares two texts (a reranker) and gives no vectors; {_MEND}")
    if pooling == llama_cpp.LLAMA_POOLING_TYPE_NONE:
        if "tokenizer.chat_template" in model.metadata:
            raise RuntimeError(f"it is an instruct model; {_MEND}")
        model.close()
        model = _opened(order, llama_cpp.LLAMA_POOLING_TYPE_MEAN)
    return Embedder(model)


def _opened(order: dict[str, Any], pooling: int) -> Any:
    return llama_cpp.Llama(
        order["path"],
        n_ctx=MOST_TOKENS,
        # A model that reads in both directions needs the whole text at once.
        n_batch=MOST_TOKENS,
        n_ubatch=MOST_TOKENS,
        # One: of several that wait for each other, a busy machine keeps one waiting for long.
        n_threads=1,
        n_threads_batch=1,
        embedding=True,
        pooling_type=pooling,
        verbose=False,
    )


class Embedder:
    """One loaded model."""

    told: Mapping[str, Any] = {"kind": "embedder"}

    def __init__(self, model: Any) -> None:
        self._model = model
        trained = llama_cpp.llama_model_n_ctx_train(model.model)
        self._most = min(MOST_TOKENS, trained)

    def answer(self, said: str) -> str:
        """The vector of a text: numbers of 32 bits in this machine's order, in base64.

        Raises RuntimeError when there is none.
        """
        vector = array("f", self._model.embed(self._cut(said)))
        if not all(map(math.isfinite, vector)) or not any(vector):
            raise RuntimeError("the vector of a text is not a number, or zero")
        return base64.b64encode(vector.tobytes()).decode("ascii")

    def _cut(self, said: str) -> str:
        """The beginning of a text that the model can take."""
        text = said[:_MOST_CHARACTERS].encode("utf-8", "replace").decode().strip()
        while text:
            count = len(self._model.tokenize(text.encode()))
            if count <= self._most:
                break
            text = text[: min(len(text) - 1, len(text) * self._most // count)]
        if not text or not count:
            # llama.cpp writes past its memory when there is nothing to work on.
            raise RuntimeError("the text is empty")
        return text
