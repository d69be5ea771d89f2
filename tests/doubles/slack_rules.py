"""Slack's documented limits, checked as Slack checks them: each breach has Slack's own error name.

Sources: docs.slack.dev/reference/block-kit, chat.postMessage, views.open, metadata.
"""

from __future__ import annotations

import json
import re
from typing import Any

MESSAGE_BLOCKS = 50
MODAL_BLOCKS = 100
MESSAGE_CHARACTERS = 13_000
TEXT_CHARACTERS = 40_000
_STYLES = {"primary", "danger"}
_MARKUP = re.compile(r"<[^>]*>|&(?!amp;|lt;|gt;)")
_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,255}")


class Breach(Exception):
    """What Slack would refuse: ``error`` is its name for it."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.detail = detail


def units(text: str) -> int:
    """UTF-16 units: the strictest reading of "characters"."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_message(arguments: dict[str, Any]) -> None:
    """The content of chat.postMessage, chat.postEphemeral or chat.update."""
    text, blocks = arguments.get("text") or "", arguments.get("blocks")
    if not text and not blocks:
        raise Breach("no_text", "neither text nor blocks")
    if blocks is not None:
        _need(text, "invalid_arguments", "blocks without a fallback text for notifications")
        check_blocks(blocks, MESSAGE_BLOCKS)
    _need(units(text) <= TEXT_CHARACTERS, "msg_too_long", "text over 40,000 characters")
    _need(not _MARKUP.search(text), "live_markup", f"the text would be read as markup: {text!r}")
    if arguments.get("metadata") is not None:
        check_metadata(arguments["metadata"])


def check_metadata(metadata: Any) -> None:
    """event_type and a flat-enough event_payload, not too big."""
    _need(isinstance(metadata, dict), "invalid_metadata_format", "not an object")
    _need(
        _EVENT_TYPE.fullmatch(str(metadata.get("event_type", ""))),
        "invalid_metadata_schema",
        "event_type",
    )
    _need(isinstance(metadata.get("event_payload"), dict), "invalid_metadata_schema", "payload")
    _need(len(json.dumps(metadata)) <= 8000, "metadata_too_large", "over 8000")


def check_blocks(blocks: Any, most: int) -> None:
    """Every block, and their number and sum."""
    _need(isinstance(blocks, list) and blocks, "invalid_blocks_format", "not a filled list")
    _need(len(blocks) <= most, "invalid_blocks", f"{len(blocks)} blocks, {most} allowed")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    _need(len(ids) == len(set(ids)), "invalid_blocks", "block_id twice")
    total = sum(check_block(block) for block in blocks)
    _need(total <= MESSAGE_CHARACTERS, "msg_blocks_too_long", f"{total} characters in blocks")


def check_block(block: dict[str, Any]) -> int:
    """One block; gives its characters."""
    checks = {
        "section": _section,
        "header": lambda b: _text(b["text"], 150, plain=True),
        "context": _context,
        "actions": _actions,
        "rich_text": _rich,
        "divider": lambda _: 0,
        "input": _input,
    }
    kind = block.get("type")
    _need(kind in checks, "invalid_blocks", f"unknown block {kind!r}")
    _need(units(block.get("block_id", "")) <= 255, "invalid_blocks", "block_id over 255")
    return int(checks[str(kind)](block))


def _section(block: dict[str, Any]) -> int:
    fields = block.get("fields")
    _need(block.get("text") or fields, "invalid_blocks", "section without text or fields")
    total = _text(block["text"], 3000) if block.get("text") else 0
    if fields is not None:
        _need(1 <= len(fields) <= 10, "invalid_blocks", f"{len(fields)} fields")
        total += sum(_text(field, 2000) for field in fields)
    return total


def _context(block: dict[str, Any]) -> int:
    elements = block.get("elements") or []
    _need(1 <= len(elements) <= 10, "invalid_blocks", f"{len(elements)} context elements")
    return sum(_text(element, 3000) for element in elements)


def _actions(block: dict[str, Any]) -> int:
    elements = block.get("elements") or []
    _need(1 <= len(elements) <= 25, "invalid_blocks", f"{len(elements)} elements in actions")
    ids = [element.get("action_id") for element in elements]
    _need(len(ids) == len(set(ids)), "invalid_blocks", "action_id twice in one block")
    return sum(_button(element) for element in elements)


def _button(button: dict[str, Any]) -> int:
    _need(button.get("type") == "button", "invalid_blocks", f"element {button.get('type')!r}")
    _need(1 <= units(button.get("action_id", "")) <= 255, "invalid_blocks", "action_id length")
    _need(units(button.get("value", "")) <= 2000, "invalid_blocks", "value over 2000")
    _need(units(button.get("url", "")) <= 3000, "invalid_blocks", "url over 3000")
    _need(button.get("style", "primary") in _STYLES, "invalid_blocks", "button style")
    confirm = button.get("confirm")
    if confirm is not None:
        _text(confirm["title"], 100, plain=True)
        _text(confirm["text"], 300)
    return _text(button["text"], 75, plain=True)


def _rich(block: dict[str, Any]) -> int:
    total = 0
    _need(block.get("elements"), "invalid_blocks", "empty rich_text")
    for element in block["elements"]:
        known = {"rich_text_section", "rich_text_preformatted", "rich_text_quote"}
        _need(element.get("type") in known, "invalid_blocks", f"rich {element.get('type')!r}")
        for leaf in element["elements"]:
            _need(leaf.get("type") == "text", "invalid_blocks", f"rich leaf {leaf.get('type')!r}")
            _need(leaf.get("text"), "invalid_blocks", "empty rich leaf")
            total += units(leaf["text"])
    return total


def _input(block: dict[str, Any]) -> int:
    total = _text(block["label"], 2000, plain=True)
    if block.get("hint"):
        total += _text(block["hint"], 2000, plain=True)
    element = block["element"]
    _need(element.get("type") == "plain_text_input", "invalid_blocks", "input element")
    _need(units(element.get("action_id", "x")) <= 255, "invalid_blocks", "action_id length")
    _need(0 <= element.get("min_length", 0) <= 3000, "invalid_blocks", "min_length")
    _need(1 <= element.get("max_length", 3000) <= 3000, "invalid_blocks", "max_length")
    return total


def _text(item: Any, most: int, *, plain: bool = False) -> int:
    _need(isinstance(item, dict), "invalid_blocks", f"text object is {type(item).__name__}")
    kind, text = item.get("type"), item.get("text")
    _need(kind in ("plain_text", "mrkdwn"), "invalid_blocks", f"text type {kind!r}")
    _need(kind == "plain_text" or not plain, "invalid_blocks", "must be plain_text here")
    _need(isinstance(text, str) and text.strip(), "invalid_blocks", "empty text")
    _need(units(text) <= most, "invalid_blocks", f"{units(text)} characters, {most} allowed")
    if kind == "mrkdwn":
        _need(not _MARKUP.search(text), "live_markup", f"markup in a text: {text!r}")
    else:
        # With emoji on, ":skull:" in somebody's name would become a picture.
        _need(item.get("emoji") is False, "live_markup", "plain_text with emoji on")
    return units(text)


def check_view(view: dict[str, Any]) -> None:
    """A modal, as views.open and views.update take it."""
    _need(view.get("type") == "modal", "invalid_arguments", "not a modal")
    for part in ("title", "submit", "close"):
        if part in view or part == "title":
            _text(view.get(part), 24, plain=True)
    _need(units(view.get("private_metadata", "")) <= 3000, "invalid_arguments", "metadata")
    _need(units(view.get("callback_id", "")) <= 255, "invalid_arguments", "callback_id")
    check_blocks(view.get("blocks"), MODAL_BLOCKS)
    if any(block["type"] == "input" for block in view["blocks"]):
        _need(view.get("submit"), "invalid_arguments", "an input needs a submit button")


def _need(condition: object, error: str, detail: str) -> None:
    if not condition:
        raise Breach(error, detail)
