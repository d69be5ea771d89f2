"""``watchstander parse --jsonl``: one answer a line, in the order of the messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.commandline.output import Failure, as_json, remark, result
from bot.commandline.parse_lines import lines, opened
from bot.commandline.parse_reading import Timed, readings
from engine.inventory import Inventory
from engine.language.model import ModelSettings


def run(path: Path, inventory: Inventory, settings: ModelSettings) -> int:
    """Answer each line as soon as it is read: 0, or 1 when a line could not be used."""
    bad = answered = 0
    with opened(path) as file, readings(inventory, settings) as read:
        for line in lines(file):
            if line.problem:
                bad += 1
                result(as_json({"line": line.number, "error": line.problem}))
            else:
                answered += 1
                result(as_json(answer(line.text, read(line.text))))
    if not bad and not answered:
        raise Failure(f'{path}: holds no message; write one {{"text": "…"}} a line')
    if bad:
        remark(f"{path}: {bad} of {bad + answered} lines could not be used; see their error")
    return 1 if bad else 0


def answer(text: str, timed: Timed) -> dict[str, Any]:
    """One line of answer."""
    reading = timed.reading
    return {
        "text": text,
        "intent_type": reading.parse.intent_type,
        "assets": list(reading.assets),
        "deploy_artifacts": list(reading.parse.deploy_artifacts),
        "requires_approval": reading.parse.requires_approval,
        "confidence": reading.confidence,
        "question": reading.question is not None,
        "source": reading.source,
        "ms": round(timed.ms, 3),
    }
