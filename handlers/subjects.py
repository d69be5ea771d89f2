"""What a card is about. One row here for each kind of thing that has a card."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from handlers import buttons
from handlers.action_card import action_card, verbs, view
from handlers.card import Card
from prompts.texts import LANGUAGES
from storage import actions
from storage.cards import CardCopy
from storage.database import Transaction


@dataclass(frozen=True)
class Drawing:
    """A card in every language, and what programs in the room may want to know about it."""

    cards: Mapping[str, Card]
    itsm: Mapping[str, str]
    """itsm_ticket_id, asset_code and severity of the message schema (requirements row A8)."""


async def draw(tx: Transaction, copy: CardCopy) -> Drawing | None:
    """The card of a subject for one room; None when the subject is gone."""
    kind, _, key = copy.subject.partition(":")
    return await _DRAW[kind](tx, copy, int(key))


async def _action(tx: Transaction, copy: CardCopy, key: int) -> Drawing | None:
    action = await actions.by_id(tx, key)
    if action is None:
        return None
    payload = {"action": action.id, "digest": action.digest}
    tokens = await buttons.issue_for_card(tx, copy, verbs(action), payload)
    shown = await view(tx, action)
    itsm = {
        "itsm_ticket_id": str(action.id),
        "asset_code": ",".join(action.targets),
        "severity": action.risk,
    }
    drawn = {language: action_card(shown, language, tokens) for language in LANGUAGES}
    return Drawing(drawn, itsm)


_DRAW: Mapping[str, Callable[[Transaction, CardCopy, int], Awaitable[Drawing | None]]] = {
    "action": _action,
}
