"""The vocabulary: byte-level pairs learnt from the examples' own words, and the special tokens."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.language.marks import ANSWER, SPECIAL
from engine.language.prompt import Piece
from engine.training.examples import Example


def learn(words: Iterable[str], size: int) -> Tokenizer:
    """Learn the pairs. The special tokens come first; together there are ``size`` tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(words, trainer)
    return tokenizer


class Encoder:
    """Turns pieces and answers into token numbers."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.numbers: dict[str, int] = tokenizer.get_vocab()
        # A piece of text never becomes a special token, whatever it spells.
        self._plain = Tokenizer.from_str(tokenizer.to_str())
        self._plain.encode_special_tokens = True
        self._text = lru_cache(maxsize=200_000)(self._encode_text)

    def _encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(self._plain.encode(text, add_special_tokens=False).ids)

    def prompt(self, opening: str, pieces: Iterable[Piece]) -> list[int]:
        """The tokens of a prompt, its opening and ANSWER included."""
        tokens = [self.numbers[opening]]
        for piece in pieces:
            if piece.mark:
                tokens.append(self.numbers[piece.text])
            else:
                tokens.extend(self._text(piece.text))
        return [*tokens, self.numbers[ANSWER]]

    def answer(self, example: Example) -> list[int]:
        """The tokens of an answer. Each piece is one token."""
        return [self.numbers[piece] for piece in example.answer]
