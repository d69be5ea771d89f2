"""Endless examples, drawn and encoded by a second process while the network learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from tokenizers import Tokenizer

from engine.language.marks import ASK, parse_form, ticket_form
from engine.training.draw import draw, weigh
from engine.training.examples import Example
from engine.training.sentences import Sentence
from engine.training.vocabulary import Encoder


@dataclass(frozen=True)
class Encoded:
    """One example in numbers: tokens, and for each the weight of guessing it."""

    tokens: np.ndarray
    weights: np.ndarray


def encode(found: Example, encoder: Encoder, longest: int) -> Encoded | None:
    """The numbers of an example; None when it is too long."""
    prompt, answer = encoder.prompt(found.opening, found.pieces), encoder.answer(found)
    if len(prompt) + len(answer) > longest:
        return None
    form = parse_form(found.marked) if found.opening == ASK else ticket_form()
    weights = [0.0] * len(prompt) + weigh(found, form)
    return Encoded(np.array(prompt + answer, np.int16), np.array(weights, np.float16))


def _chunk(
    sentences: list[Sentence], tokenizer: str, seed: int, count: int, longest: int
) -> list[Encoded]:
    encoder = Encoder(Tokenizer.from_str(tokenizer))
    encoded = (encode(each, encoder, longest) for each in draw(sentences, seed, count))
    return [each for each in encoded if each is not None]


def chunks(
    sentences: list[Sentence], tokenizer: Tokenizer, seed: int, count: int, longest: int
) -> Iterator[list[Encoded]]:
    """Endless lists of ``count`` examples; the next is drawn while one is used."""
    spec = tokenizer.to_str()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:

        def order(number: int) -> Future[list[Encoded]]:
            return pool.submit(_chunk, sentences, spec, seed + number, count, longest)

        number, coming = 0, order(0)
        while True:
            ready = coming.result()
            number += 1
            coming = order(number)
            yield ready


def batched(
    examples: list[Encoded], tokens: int, shuffle: Callable[[list[list[Encoded]]], None]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of about so many tokens, of examples of a like length: tokens and weights."""
    ordered = sorted(examples, key=lambda each: len(each.tokens))
    groups: list[list[Encoded]] = [[]]
    for each in ordered:
        if len(each.tokens) * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(each)
    shuffle(groups)
    for group in groups:
        if group:
            length = max(len(each.tokens) for each in group)
            numbers = np.zeros((len(group), length), np.int64)
            weights = np.zeros((len(group), length), np.float32)
            for row, each in enumerate(group):
                numbers[row, : len(each.tokens)] = each.tokens
                weights[row, : len(each.tokens)] = each.weights
            yield numbers, weights
