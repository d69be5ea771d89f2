"""Variations of hand-written sentences: other targets, greetings, typing slips, lost spaces."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from engine.language.contract import TARGETLESS
from engine.training.sentences import Sentence, slots_of

_UNKNOWN_ASIDE = 0.35
"""Where nothing is to be done, a name may as well be one that the inventory does not have."""
_KEYS = re.compile(r"[a-z가-힣\u4e00-\u9fff]")
_PHRASES = Path(__file__).resolve().parents[2] / "prompts" / "training" / "phrases.toml"
_ONE_TARGET = re.compile(
    r"(?:the )?(?:\{i\}(?:의|的|'s)? ?)?(?:\{s\}|\{n\})(?: ?\{(?:WAS|WEB|DB)\})?"
)


@cache
def _phrases(kind: str) -> dict[str, list[str]]:
    """By language."""
    found: dict[str, list[str]] = tomllib.loads(_PHRASES.read_text(encoding="utf-8"))[kind]
    return found


class Variation:
    """Draws a variation of a sentence. ``asides``: sentences that ask for nothing, by language."""

    def __init__(self, draw: random.Random, asides: dict[str, list[Sentence]]) -> None:
        self.draw = draw
        self._asides = asides

    def of(self, sentence: Sentence) -> str:
        """The sentence's text, changed here and there; its label stays true."""
        text = sentence.text
        if sentence.intent in TARGETLESS and self.draw.random() < _UNKNOWN_ASIDE:
            text = text.replace("{~", "{?")
        for chance, change in self._changes():
            if self.draw.random() < chance:
                text = change(text, sentence)
        return text

    def _changes(self) -> tuple[tuple[float, Callable[[str, Sentence], str]], ...]:
        return (
            (0.45, self._other_target),
            (0.12, self._rule_out),
            (0.25, self._before),
            (0.3, self._after),
            (0.1, self._aside),
            (0.15, self._slip),
            (0.15, self._spaces),
        )

    def _other_target(self, text: str, sentence: Sentence) -> str:
        """The one thing that is meant becomes another."""
        meant = [m for m in slots_of(text) if m["role"] in ("", "?") and m["kind"] in "isn"]
        found = list(_ONE_TARGET.finditer(text))
        if sentence.intent in TARGETLESS or len(found) != 1:
            return text
        inside = [m for m in meant if found[0].start() <= m.start() < found[0].end()]
        layers = any(m["kind"] in ("WAS", "WEB", "DB") for m in slots_of(text))
        if len(inside) != len(meant) or len(sentence.steps) > 1:
            return text
        pool = _phrases("strange") if self.draw.random() < 0.3 else _phrases("targets")
        phrases = [p for p in pool[sentence.language] if not layers or not set("WD") & set(p)]
        return text[: found[0].start()] + self.draw.choice(phrases) + text[found[0].end() :]

    def _rule_out(self, text: str, sentence: Sentence) -> str:
        meant = [m for m in slots_of(text) if m["role"] == "" and m["kind"] in "sn"]
        if (
            len(meant) != 1
            or "{-" in text
            or sentence.intent in TARGETLESS
            or len(sentence.steps) > 1
        ):
            return text
        phrase = self.draw.choice(_phrases("ruled_out")[sentence.language])
        if sentence.language == "ko":
            at = meant[0].start()
            return text[:at] + phrase.strip(" ,") + " " + text[at:] if phrase[0] in " ," else text
        return text.rstrip(".!。！ ") + phrase

    def _before(self, text: str, sentence: Sentence) -> str:
        return self.draw.choice(_phrases("before")[sentence.language]) + text

    def _after(self, text: str, sentence: Sentence) -> str:
        return text.rstrip(".。") + self.draw.choice(_phrases("after")[sentence.language])

    def _aside(self, text: str, sentence: Sentence) -> str:
        """A sentence that asks for nothing stands before or after."""
        pool = self._asides.get(sentence.language)
        if not pool or len(text) > 200:
            return text
        aside = self.draw.choice(pool).text
        gap = self.draw.choice([". ", "\n", " ", "! "])
        return aside.rstrip(".") + gap + text if self.draw.random() < 0.6 else text + gap + aside

    def _slip(self, text: str, _: Sentence) -> str:
        """One slip of the keys in the words, never in a slot."""
        spots = [m.start() for m in _KEYS.finditer(self._hidden(text))]
        if len(spots) < 4:
            return text
        at = self.draw.choice(spots)
        roll = self.draw.random()
        if roll < 0.35:
            return text[:at] + text[at + 1 :]
        if roll < 0.6:
            return text[:at] + text[at] + text[at:]
        if at + 1 in spots:
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        return text

    def _spaces(self, text: str, sentence: Sentence) -> str:
        """Spaces are lost or added, as people do in Korean and around Latin words in Chinese."""
        if sentence.language == "en":
            return (
                text.replace(", ", ",", 1)
                if self.draw.random() < 0.5
                else text.replace(" ", "  ", 1)
            )
        share = self.draw.choice([0.2, 0.5, 1.0]) if sentence.language == "ko" else 0.5
        return re.sub(" ", lambda _: "" if self.draw.random() < share else " ", text)

    @staticmethod
    def _hidden(text: str) -> str:
        """The text with its slots and choices blanked out, at the same length."""
        return re.sub(r"\{[^{}]*\}|<[^<>]*>", lambda m: "\0" * len(m[0]), text)
