"""What a card is about. One row here for each kind of thing that has a card."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from handlers import article_card, buttons, incident_card
from handlers.action_card import action_card, verbs, view
from handlers.card import Card
from prompts.texts import LANGUAGES
from storage import actions, answers, articles, incidents
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


async def _incident(tx: Transaction, copy: CardCopy, key: int) -> Drawing | None:
    incident = await incidents.by_id(tx, key)
    if incident is None:
        return None
    shown = await incident_card.view(tx, incident)
    payload = {"incident": incident.id}
    tokens = await buttons.issue_for_card(tx, copy, incident_card.verbs(shown), payload)
    itsm = {
        "itsm_ticket_id": incident.key,
        "asset_code": incident.asset or "",
        "severity": incident.severity,
    }
    drawn = {code: incident_card.incident_card(shown, code, tokens) for code in LANGUAGES}
    return Drawing(drawn, itsm)


async def _article(tx: Transaction, copy: CardCopy, key: int) -> Drawing | None:
    article = await articles.by_id(tx, key)
    if article is None:
        return None
    payload = {"article": article.id, "version": article.version}
    verbs = article_card.verbs(article)
    tokens = await buttons.issue_for_card(tx, copy, verbs, payload, buttons.KNOWLEDGE_LIFETIME_MS)
    shown = await article_card.view(tx, article)
    itsm = {"itsm_ticket_id": article.key}
    drawn = {code: article_card.article_card(shown, code, tokens) for code in LANGUAGES}
    return Drawing(drawn, itsm)


async def _answer(tx: Transaction, copy: CardCopy, key: int) -> Drawing | None:
    answer = await answers.by_id(tx, key)
    if answer is None:
        return None
    verbs = article_card.answer_verbs(answer)
    payload = {"answer": answer.id}
    tokens = await buttons.issue_for_card(tx, copy, verbs, payload, buttons.KNOWLEDGE_LIFETIME_MS)
    shown = await article_card.answer_view(tx, answer)
    itsm = {"itsm_ticket_id": shown.request}
    drawn = {code: article_card.answer_card(shown, code, tokens) for code in LANGUAGES}
    return Drawing(drawn, itsm)


_DRAW: Mapping[str, Callable[[Transaction, CardCopy, int], Awaitable[Drawing | None]]] = {
    "action": _action,
    "answer": _answer,
    "article": _article,
    "incident": _incident,
}
