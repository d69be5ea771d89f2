"""What a card is about. One row here for each kind of thing that has a card."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from handlers import buttons
from handlers.action_card import action_card, verbs, view
from handlers.card import Card
from prompts.texts import LANGUAGES
from storage import actions
from storage.cards import CardCopy
from storage.database import Transaction


async def draw(tx: Transaction, copy: CardCopy) -> Mapping[str, Card] | None:
    """The card of a subject for one room, in every language; None when the subject is gone."""
    kind, _, key = copy.subject.partition(":")
    return await _DRAW[kind](tx, copy, int(key))


async def _action(tx: Transaction, copy: CardCopy, key: int) -> Mapping[str, Card] | None:
    action = await actions.by_id(tx, key)
    if action is None:
        return None
    payload = {"action": action.id, "digest": action.digest}
    tokens = await buttons.issue_for_card(tx, copy, verbs(action), payload)
    shown = await view(tx, action)
    return {language: action_card(shown, language, tokens) for language in LANGUAGES}


_DRAW: Mapping[
    str, Callable[[Transaction, CardCopy, int], Awaitable[Mapping[str, Card] | None]]
] = {
    "action": _action,
}
