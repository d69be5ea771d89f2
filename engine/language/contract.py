"""The parse contract: what a message may mean, and nothing beyond it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from prompts.texts import Text

INTENTS = (
    "RESTART",
    "START",
    "STOP",
    "DEPLOY",
    "ROLLBACK",
    "LOG",
    "STATUS",
    "SCRIPT",
    "ACCOUNT",
    "NETWORK",
    "SECURITY",
    "FAILOVER",
    "DB_CHANGE",
    "INQUIRY",
    "OTHER",
)
CHANGING = frozenset(INTENTS) - {"LOG", "STATUS", "INQUIRY", "OTHER"}
"""The intents that change something, so ``requires_approval`` is true."""
TARGETLESS = frozenset({"INQUIRY", "OTHER"})
"""The intents that never select an asset."""

UNKNOWN = "UNKNOWN"
LAYERS = ("WAS", "WEB", "DB")
LAYER_CHOICES = (
    UNKNOWN,
    *(
        "|".join(layer for bit, layer in enumerate(LAYERS) if mask >> bit & 1)
        for mask in range(1, 8)
    ),
)

MAX_TEXT = 4000
"""Characters of a message that are read; the rest is left out."""
MAX_NAME = 200
MAX_LIST = 200
MAX_STEPS = 12
MAX_CHOICES = 8
UNREAD = 0.3
"""Confidence of an OTHER that only says that nothing was understood."""


class ContractError(ValueError):
    """Not a parse: names the field and what is wrong with it."""


@dataclass(frozen=True)
class Parse:
    """What a message says, in the person's own words. Raises ContractError on anything else."""

    intent_type: str
    institution: str = UNKNOWN
    system_name: str = UNKNOWN
    infrastructure_layer: str = UNKNOWN
    target_nodes: tuple[str, ...] = ()
    action_sequence: tuple[str, ...] = ()
    deploy_artifacts: tuple[str, ...] = ()
    requires_approval: bool = False
    """Advice: it can raise the risk level, never lower it."""

    def __post_init__(self) -> None:
        _one_of("intent_type", self.intent_type, INTENTS)
        _one_of("infrastructure_layer", self.infrastructure_layer, LAYER_CHOICES)
        for field in ("institution", "system_name"):
            _name(field, getattr(self, field))
        for field in ("target_nodes", "deploy_artifacts"):
            _names(field, getattr(self, field))
        if not isinstance(self.action_sequence, tuple) or len(self.action_sequence) > MAX_STEPS:
            raise ContractError(f"action_sequence: not a list of at most {MAX_STEPS}")
        for step in self.action_sequence:
            _one_of("action_sequence", step, INTENTS)
        if not isinstance(self.requires_approval, bool):
            raise ContractError("requires_approval: not true or false")
        if self.intent_type in CHANGING and not self.requires_approval:
            raise ContractError(f"requires_approval: must be true for {self.intent_type}")

    def to_json(self) -> dict[str, Any]:
        """The fields in the contract's order; lists for tuples."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_json(raw: object) -> Parse:
        """A parse from JSON text or a decoded object.

        Raises ContractError for a missing or unknown field, a wrong type or a value that the
        contract does not know.
        """
        if isinstance(raw, str | bytes):
            try:
                raw = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise ContractError(f"not JSON: {error}") from None
        if not isinstance(raw, Mapping):
            raise ContractError("not a JSON object")
        names = {field.name for field in fields(Parse)}
        if raw.keys() != names:
            odd = sorted(str(key) for key in raw.keys() ^ names)
            raise ContractError(f"fields missing or unknown: {', '.join(odd)[:200]}")
        return Parse(**{key: _tuple(value) for key, value in raw.items()})


@dataclass(frozen=True)
class Choice:
    """One button: what would be meant, and on what."""

    label: Text | str
    intent: str
    assets: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is missing, and at most eight answers to choose from."""

    text: Text
    choices: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        if len(self.choices) > MAX_CHOICES:
            raise ValueError(f"a question has at most {MAX_CHOICES} choices")


@dataclass(frozen=True)
class Reading:
    """What was understood. ``assets`` is sorted, and empty when there is a question."""

    parse: Parse
    assets: tuple[str, ...] = ()
    question: Question | None = None
    confidence: float = 1.0
    """0 to 1: how sure the reader is of the intent."""
    source: str = "rules"
    """``model``, ``server`` or ``rules``: who read it."""

    @property
    def unread(self) -> bool:
        """Whether it is plainly a request, and yet nobody could say for what."""
        return self.parse.intent_type == "OTHER" and self.confidence <= UNREAD


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ContractError(f"{field}: {str(value)[:60]!r} is not in the contract")


def _name(field: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        raise ContractError(f"{field}: not a text of 1 to {MAX_NAME} characters")
    if any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in value):
        raise ContractError(f"{field}: holds a control character")


def _names(field: str, value: object) -> None:
    if not isinstance(value, tuple) or len(value) > MAX_LIST:
        raise ContractError(f"{field}: not a list of at most {MAX_LIST} names")
    for item in value:
        _name(field, item)


_STRING = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "intent_type": {"type": "string", "enum": list(INTENTS)},
        "institution": _STRING,
        "system_name": _STRING,
        "infrastructure_layer": {"type": "string", "enum": list(LAYER_CHOICES)},
        "target_nodes": {"type": "array", "items": _STRING},
        "action_sequence": {
            "type": "array",
            "items": {"type": "string", "enum": list(INTENTS)},
        },
        "deploy_artifacts": {"type": "array", "items": _STRING},
        "requires_approval": {"type": "boolean"},
    },
    "required": [field.name for field in fields(Parse)],
    "additionalProperties": False,
}
"""JSON schema of a parse, for models that are guided by a grammar."""
