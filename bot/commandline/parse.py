"""``watchstander parse``: what messages are understood to mean. Acts on nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.inventory import Inventory
    from engine.language.contract import Question, Reading
    from engine.language.model import ModelSettings


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("parse", help="show how words are understood, as JSON")
    parser.add_argument("--inventory", type=Path, required=True, metavar="FILE")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--model", type=Path, metavar="FILE", help="a GGUF, not the default model")
    who.add_argument("--rules", action="store_true", help="read by rules alone, without a model")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?", help="one message")
    what.add_argument(
        "--jsonl",
        type=Path,
        metavar="FILE",
        help='many messages: one {"text"} a line, one answer a line; - is standard input',
    )
    what.add_argument(
        "--eval",
        type=Path,
        metavar="FILE",
        help='measure: one {"text","expected"} a line, a table at the end; - is standard input',
    )
    parser.add_argument(
        "--errors", action="store_true", help="with --eval: list each one that is not right"
    )
    parser.add_argument("--json", action="store_true", help="with --eval: the figures as JSON")
    parser.set_defaults(run=run, misused=parser.error)


def run(args: argparse.Namespace) -> int:
    """Read one message, a file of them, or a file of them with what they should come to."""
    from bot.commandline import parse_batch, parse_eval
    from bot.commandline.output import Failure, leave
    from engine.inventory import InventoryError, load_inventory

    if (args.errors or args.json) and not args.eval:
        args.misused("--errors and --json belong to --eval FILE")
    try:
        inventory = load_inventory(args.inventory)
    except InventoryError as error:
        raise Failure(*error.problems) from None
    settings = _model_settings(args)
    try:
        if args.jsonl:
            return parse_batch.run(args.jsonl, inventory, settings)
        if args.eval:
            return parse_eval.run(
                args.eval, inventory, settings, errors=args.errors, in_json=args.json
            )
        return _one(args.text, inventory, settings)
    except BrokenPipeError:
        return leave()


def report(reading: Reading) -> dict[str, Any]:
    """A reading as plain JSON: the contract's fields, then what the inventory made of it."""
    return {
        **reading.parse.to_json(),
        "assets": list(reading.assets),
        "question": _question(reading.question) if reading.question else None,
        "confidence": reading.confidence,
        "source": reading.source,
    }


def _one(text: str, inventory: Inventory, settings: ModelSettings) -> int:
    from bot.commandline.output import as_json, result
    from bot.commandline.parse_reading import readings

    with readings(inventory, settings) as read:
        result(as_json(report(read(text).reading), indent=2))
    return 0


def _model_settings(args: argparse.Namespace) -> ModelSettings:
    from engine.language.model import ModelSettings

    if args.rules:
        return ModelSettings(shipped=False)
    return ModelSettings(path=args.model, sha256="") if args.model else ModelSettings()


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
