"""``watchstander parse``: what a message is understood to mean. Acts on nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.language.contract import Question, Reading


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("parse", help="show how words are understood, as JSON")
    parser.add_argument("--inventory", type=Path, required=True, metavar="FILE")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a GGUF; without it, by rules")
    parser.add_argument("text", help="the message")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the contract, the assets it selects and the question, if there is one."""
    import asyncio
    import json

    from bot.commandline.output import Failure, result
    from engine.inventory import InventoryError, load_inventory
    from engine.language.model import ModelSettings
    from engine.language.reader import Reader

    async def read() -> Reading:
        reader = Reader(inventory, ModelSettings(path=args.model))
        await reader.start()
        try:
            return await reader.read(args.text)
        finally:
            await reader.stop()

    try:
        inventory = load_inventory(args.inventory)
    except InventoryError as error:
        raise Failure(*error.problems) from None
    result(json.dumps(report(asyncio.run(read())), ensure_ascii=False, indent=2))
    return 0


def report(reading: Reading) -> dict[str, Any]:
    """A reading as plain JSON: the contract's fields, then what the inventory made of it."""
    return {
        **reading.parse.to_json(),
        "assets": list(reading.assets),
        "question": _question(reading.question) if reading.question else None,
        "confidence": reading.confidence,
        "source": reading.source,
    }


def _question(question: Question) -> dict[str, Any]:
    from prompts.texts import DEFAULT_LANGUAGE, say

    choices = [
        {
            "label": say(choice.label, DEFAULT_LANGUAGE),
            "intent": choice.intent,
            "assets": list(choice.assets),
        }
        for choice in question.choices
    ]
    return {"text": say(question.text, DEFAULT_LANGUAGE), "choices": choices}
