"""``python -m engine.training.train``: trains the model on the repository's own text.

It learns for the given minutes, keeps an average of its late weights, fits the calibration on
sentences held back, and reads the frozen test, which neither has seen.  Two cores are enough; a
GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import ctypes
import hashlib
import logging
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from engine.language.marks import PAD, SPECIAL
from engine.language.shipped import SHIPPED, SUM
from engine.training.batches import batched, chunks
from engine.training.calibrate import calibrate
from engine.training.draw import draw
from engine.training.examples import texts
from engine.training.export import write_gguf
from engine.training.network import Network, Shape
from engine.training.report import report
from engine.training.sentences import Sentence, load
from engine.training.split import part_of
from engine.training.vocabulary import learn

_log = logging.getLogger("watchstander.training")
RATE, LAST_RATE, WARM_STEPS = 2.5e-3, 5e-5, 300
BATCH_TOKENS = 6144
CHUNK = 12_000
LONGEST = 256
"""Tokens of prompt and answer of a training example."""
AVERAGE = 0.998
DROPOUT = 0.2
HIDDEN = 0.08
"""Share of a message's tokens that are hidden while it learns."""
SMOOTHING = 0.02
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
_WORDS_FROM = 20_000
"""Examples from which the vocabulary is learnt."""


def main(argv: list[str] | None = None) -> int:
    """Train a model; it takes the place of the shipped one when it reads the frozen test better."""
    parser = argparse.ArgumentParser(description="train the model that reads messages")
    parser.add_argument("--minutes", type=float, default=75.0, help="time to learn (default 75)")
    parser.add_argument("--work", type=Path, required=True, help="a folder for the new model")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    _keep_memory()
    args.work.mkdir(parents=True, exist_ok=True)
    made = make(args.work / "reader.gguf", args.minutes * 60, args.seed)
    frozen = [s for s in load() if part_of(s.text) == "test"]
    new = report(made, frozen)
    (args.work / "report.md").write_text(new.table() + "\n", encoding="utf-8")
    (args.work / "errors.txt").write_text("\n".join(new.errors) + "\n", encoding="utf-8")
    _log.info("the frozen test:\n%s", new.table())
    if SHIPPED.is_file() and report(SHIPPED, frozen).worth >= new.worth:
        _log.info("not better than %s, which stays; the new one is %s", SHIPPED, made)
        return 0
    SHIPPED.write_bytes(made.read_bytes())
    SUM.write_text(hashlib.sha256(made.read_bytes()).hexdigest() + "\n", encoding="ascii")
    _log.info("%s and %s written", SHIPPED, SUM)
    return 0


def make(path: Path, seconds: float, seed: int) -> Path:
    """Train and calibrate a model, and write it to ``path``."""
    everything = load()
    sentences = [s for s in everything if part_of(s.text) == "train"]
    _log.info("%d sentences to learn from", len(sentences))
    shape = Shape()
    words = texts(draw(sentences, seed, _WORDS_FROM))
    tokenizer = learn(words, shape.vocabulary)
    network = train(sentences, tokenizer, shape, seconds, seed)
    write_gguf(path, network, tokenizer)
    held_back = [s for s in everything if part_of(s.text) == "calibration"]
    calibration = calibrate(path, sentences, held_back)
    _log.info("asks below %.3f; weights %s", calibration.ask_below, calibration.weights)
    write_gguf(path, network, tokenizer, calibration)
    torch.save((network.state_dict(), tokenizer.to_str()), path.with_suffix(".pt"))
    _log.info("%s written, %.2f MB", path, path.stat().st_size / 1e6)
    return path


def train(
    sentences: list[Sentence], tokenizer: Tokenizer, shape: Shape, seconds: float, seed: int
) -> Network:
    """The network after learning for so many seconds: the average of its late weights."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network(shape, dropout=DROPOUT).to(device)
    average: Network = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.05
    )
    started, shown = time.monotonic(), 0.0
    for step, (tokens, weights) in enumerate(_batches(sentences, tokenizer, seed), 1):
        share = (time.monotonic() - started) / seconds
        if share >= 1:
            break
        rate = LAST_RATE + (RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / WARM_STEPS)
        seen = _blurred(tokens, weights)
        loss = _loss(network, seen.to(device), tokens.to(device), weights.to(device))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        _keep_average(average, network, step)
        shown += loss.item()
        if step % 100 == 0:
            _log.info("step %d, loss %.4f, %.0f %% of the time", step, shown / 100, share * 100)
            shown = 0.0
    average.cpu().eval()
    return average


def _batches(
    sentences: list[Sentence], tokenizer: Tokenizer, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    order = random.Random(seed)
    for chunk in chunks(sentences, tokenizer, seed * 1_000_003, CHUNK, LONGEST):
        for tokens, weights in batched(chunk, BATCH_TOKENS, order.shuffle):
            yield _tensor(tokens), _tensor(weights)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


def _blurred(tokens: Tensor, weights: Tensor) -> Tensor:
    """Some of the message's words are hidden, so that no single word decides. Names stay."""
    words = (weights == 0) & (tokens >= len(SPECIAL))
    hidden = words & (torch.rand(tokens.shape) < HIDDEN)
    return tokens.masked_fill(hidden, SPECIAL.index(PAD))


def _loss(network: Network, seen: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
    """The weighted cross-entropy of the answers' pieces."""
    with torch.autocast(tokens.device.type, torch.bfloat16):
        hidden = network(seen[:, :-1])
        counted = weights[:, 1:] > 0
        scores = network.scores(hidden[counted]).float()
    each = functional.cross_entropy(
        scores, tokens[:, 1:][counted], reduction="none", label_smoothing=SMOOTHING
    )
    weight = weights[:, 1:][counted]
    total: Tensor = (each * weight).sum() / weight.sum()
    return total


def _keep_memory() -> None:
    """Ask glibc to keep what is freed: giving pages back at every step costs more than half."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 512 << 20)


@torch.no_grad()
def _keep_average(average: Network, network: Network, step: int) -> None:
    keep = min(AVERAGE, step / (step + 20))
    for held, new in zip(average.parameters(), network.parameters(), strict=True):
        held.lerp_(new, 1 - keep)


if __name__ == "__main__":
    raise SystemExit(main())
