"""A service request by the small model: what it is asked, and what its answer suggests.

Where the model is not sure, the keywords' answer stands: for the type and the priority each alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.language.classify import PRIORITIES, TYPES, Suggestion
from engine.language.contract import INTENTS
from engine.language.marks import TICKET, ticket_pieces
from engine.language.prompt import LONGEST, Prompt
from engine.language.rules import Understood

UNSURE_BELOW = 0.6
"""Below this probability the keywords know better, as held-back requests show."""


def beginning(title: str, body: str) -> str:
    """What the model is shown of a request: what it is about stands at its beginning."""
    said = body if body.startswith(title) else f"{title}\n{body}"
    return said[:LONGEST]


def ticket_request(prompt: Prompt, rules: Understood, by_words: Suggestion) -> dict[str, Any]:
    """What the child is asked, with the rules' intent and the keywords' priority as the draft."""
    return {
        "opening": TICKET,
        "pieces": [[piece.text, piece.mark] for piece in prompt.pieces],
        "draft": ticket_pieces(rules.parse.intent_type, by_words.priority),
    }


def fused(reply: Mapping[str, Any], by_words: Suggestion) -> Suggestion:
    """The suggestion of a filled form. Raises ValueError where the reply is none."""
    try:
        intents, priorities = reply["chances"]
        kind, sure_kind = _likeliest(_types(intents))
        priority, sure_priority = _likeliest(_probabilities(priorities, PRIORITIES))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"the model's reply is no filled ticket: {error!r}") from None
    believed = [sure for sure in (sure_kind, sure_priority) if sure >= UNSURE_BELOW]
    if not believed:
        return by_words
    return Suggestion(
        kind if sure_kind >= UNSURE_BELOW else by_words.type,
        priority if sure_priority >= UNSURE_BELOW else by_words.priority,
        () if len(believed) == 2 else by_words.why,
        "model",
        round(min(believed), 4),
    )


def _types(intents: Mapping[str, float]) -> dict[str, float]:
    """The probability of each type; an intent that is no type of its own counts as OTHER."""
    found = dict.fromkeys(TYPES, 0.0)
    for intent, chance in _probabilities(intents, INTENTS).items():
        found[intent if intent in found else "OTHER"] += chance
    return found


def _probabilities(chances: Mapping[str, float], choices: tuple[str, ...]) -> dict[str, float]:
    if set(chances) != set(choices):
        raise ValueError("the model's reply is no filled ticket: its choices are others")
    found = {choice: math.exp(chance) for choice, chance in chances.items()}
    if not 0.99 < math.fsum(found.values()) < 1.01:
        raise ValueError("the model's reply is no filled ticket: its chances do not add up")
    return found


def _likeliest(found: Mapping[str, float]) -> tuple[str, float]:
    best = max(found, key=found.__getitem__)
    return best, min(1.0, found[best])
