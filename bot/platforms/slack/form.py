"""The modal that asks one person for a reason or a code, and how its answer finds its way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.platforms.slack.drawing import SECTION, Block, draw
from bot.platforms.slack.plain import cut, visible
from handlers.card import Card
from prompts.texts import Text, say, text

CALLBACK = "watchstander_reason"
_BLOCK = "reason"
_FIELD = "line"
_TITLE = 24  # Slack's limit for the title and both buttons of a modal
_LABEL = 2000
_LONGEST = 2000


@dataclass(frozen=True)
class _Words:
    title: Text
    label: Text
    hint: Text


_REASON = _Words(text("slack_reason_title"), text("slack_reason_label"), text("slack_reason_hint"))
_CODE = _Words(text("slack_code_title"), text("slack_code_label"), text("slack_code_hint"))
_PLACE = ("channel", "team", "message", "thread", "direct")


def reason_view(token: str, place: Mapping[str, Any], card: Card, language: str) -> dict[str, Any]:
    """The modal. ``place`` says where the button was and what is asked for; the card's title and
    text head the form."""
    words = _CODE if place.get("asks") == "code" else _REASON
    known = {key: place[key] for key in _PLACE if key in place}
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": json.dumps({"token": token, **known}),
        "title": _plain(_word(words.title, language)),
        "submit": _plain(_word(text("slack_reason_submit"), language)),
        "close": _plain(_word(text("slack_reason_cancel"), language)),
        "blocks": [*_about(card, language), _input(words, language)],
    }


def _about(card: Card, language: str) -> list[Block]:
    said = Card(text="\n".join(part for part in (card.title, card.text) if part.strip()))
    if not said.text:
        return []
    return draw(said, language).blocks[:1]


def _input(words: _Words, language: str) -> Block:
    return {
        "type": "input",
        "block_id": _BLOCK,
        "label": _plain(cut(say(words.label, language), _LABEL)),
        "hint": _plain(cut(say(words.hint, language), _LABEL)),
        "element": {
            "type": "plain_text_input",
            "action_id": _FIELD,
            "multiline": words is _REASON,
            "min_length": 1,
            "max_length": _LONGEST,
        },
    }


def answer(view: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """What ``reason_view`` was told, and the text that was typed. None for somebody else's view."""
    if view.get("callback_id") != CALLBACK:
        return None
    place = json.loads(view["private_metadata"])
    typed = view["state"]["values"][_BLOCK][_FIELD].get("value") or ""
    return place, cut(typed, SECTION)


def _word(message: Text, language: str) -> str:
    return cut(visible(say(message, language)), _TITLE)


def _plain(body: str) -> Block:
    return {"type": "plain_text", "text": body, "emoji": False}
