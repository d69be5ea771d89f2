"""What a model is for; an instruct model is shown instructions, then examples as chat turns."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.language.contract import CHANGING, SCHEMA, Parse

_PROMPTS = Path(__file__).resolve().parents[2] / "prompts"

Turn = dict[str, str]
"""``role`` (system, user or assistant) and ``content``, as chat templates know them."""


@dataclass(frozen=True)
class Task:
    """What a model is for: what stands before each message, and how it answers."""

    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None
    """JSON schema of each answer; None = plain text."""
    kind: str = ""
    """The module of engine.language that runs the file; "" = as the file says, to read or write."""
    path_key: str = "[model] path"
    sum_key: str = "[model] sha256"
    """The settings that name the file and its SHA-256, for messages."""


def reading() -> Task:
    """Reading a message into the contract's JSON."""
    return Task(opening(), SCHEMA)


@cache
def opening() -> tuple[Turn, ...]:
    """Every turn before the person's message; the same for each message, so models keep it."""
    instructions = (_PROMPTS / "parse.j2").read_text(encoding="utf-8").strip()
    turns = [{"role": "system", "content": instructions}]
    for said, parse in examples():
        turns.append({"role": "user", "content": said})
        turns.append({"role": "assistant", "content": written(parse)})
    return tuple(turns)


@cache
def examples() -> tuple[tuple[str, Parse], ...]:
    """The examples of prompts/parse_examples.toml. Raises ContractError for one that is wrong."""
    raw = tomllib.loads((_PROMPTS / "parse_examples.toml").read_text(encoding="utf-8"))
    return tuple((example.pop("said"), _parse(example)) for example in raw["example"])


def written(parse: Parse) -> str:
    """A parse as the model shall write it: one line, without spaces."""
    return json.dumps(parse.to_json(), ensure_ascii=False, separators=(",", ":"))


def _parse(example: dict[str, Any]) -> Parse:
    intent = example["intent_type"]
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in example.items()}
    given.setdefault("action_sequence", (intent,))
    given["requires_approval"] = intent in CHANGING
    return Parse(**given)
