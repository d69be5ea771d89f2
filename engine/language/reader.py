"""A message to a reading: the local model first, the rules whenever it has no usable answer."""

from __future__ import annotations

import logging
from typing import NamedTuple

from engine.inventory import Inventory
from engine.language import lexicon
from engine.language.contract import MAX_TEXT, ContractError, Parse, Reading
from engine.language.grounding import ground
from engine.language.model import LocalModel, ModelSettings
from engine.language.names import NameIndex
from engine.language.rules import Understood, understand

_log = logging.getLogger(__name__)


class ChainStep(NamedTuple):
    """One link of the chain as /status and /readyz show it."""

    name: str
    ok: bool
    detail: str


class Reader:
    """Reads messages against one inventory. Never raises for what a message holds."""

    def __init__(self, inventory: Inventory, settings: ModelSettings | None = None) -> None:
        self._inventory = inventory
        self._index = NameIndex(inventory)
        self.model = LocalModel(settings or ModelSettings())
        lexicon.warm()
        understand("", inventory, self._index)

    async def start(self) -> None:
        """Start the model, if one is configured. A model that fails leaves the rules."""
        await self.model.start()

    async def stop(self) -> None:
        """Stop the model."""
        await self.model.stop()

    async def read(self, said: str) -> Reading:
        """What a message means; the first 4,000 characters count."""
        said = said[:MAX_TEXT]
        rules = understand(said, self._inventory, self._index)
        answer = await self.model.complete(said)
        if answer is not None:
            try:
                return ground(Parse.from_json(answer), rules, self._inventory, self._index)
            except ContractError as error:
                _log.warning("model: its answer is not a parse: %s", error)
        return _by_rules(rules)

    def steps(self) -> tuple[ChainStep, ...]:
        """The chain, in the order it is asked."""
        return (
            ChainStep("model", self.model.ok, self.model.detail),
            ChainStep("rules", True, f"ready, {len(self._index.entries)} names"),
        )


def _by_rules(rules: Understood) -> Reading:
    return Reading(rules.parse, rules.assets, rules.question, rules.confidence, "rules")
