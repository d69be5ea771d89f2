"""A message to a reading: the model file, the model server, then the rules."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from engine.inventory import Inventory
from engine.language import lexicon
from engine.language.calibration import Calibration
from engine.language.classify import Suggestion, classify
from engine.language.contract import MAX_TEXT, ContractError, Parse, Reading
from engine.language.grounding import ground
from engine.language.model import LocalModel, ModelSettings
from engine.language.names import NameIndex
from engine.language.prompt import make_prompt
from engine.language.rules import Understood, read_as, understand
from engine.language.server import ModelServer
from engine.language.ticket import beginning, fused, ticket_request
from engine.language.verdict import Named, judge, request_for, verdict
from prompts.texts import Text, text

_log = logging.getLogger(__name__)


class ChainStep(NamedTuple):
    """One link of the chain as /status and /readyz show it."""

    name: str
    ok: bool
    detail: Text | str
    answered: int
    """Messages that it read since the start."""


class Reader:
    """Reads messages against one inventory. Never raises for what a message holds."""

    def __init__(self, inventory: Inventory, settings: ModelSettings | None = None) -> None:
        self._inventory = inventory
        self._index = NameIndex(inventory)
        self._names = Named(inventory, self._index)
        self.model = LocalModel(settings or ModelSettings())
        self.server = ModelServer(settings or ModelSettings())
        self._answered: Counter[str] = Counter()
        lexicon.warm()
        understand("", inventory, self._index)

    async def start(self) -> None:
        """Start the models, if any is configured. One that fails leaves the others."""
        await asyncio.gather(self.model.start(), self.server.start())

    async def stop(self) -> None:
        """Stop the models."""
        await asyncio.gather(self.model.stop(), self.server.stop())

    async def read(self, said: str) -> Reading:
        """What a message means; the first 4,000 characters count."""
        said = said[:MAX_TEXT]
        rules = understand(said, self._inventory, self._index)
        reading = await self._by_models(said, rules) or _by_rules(rules)
        self._answered["unread" if reading.unread else reading.source] += 1
        return reading

    def by_rules(self, said: str, intent: str) -> Reading:
        """What the rules read where it is known what is asked for. Asks no model, counts nothing.

        Raises ValueError where ``intent`` is not one of the contract's.
        """
        found = understand(said[:MAX_TEXT], self._inventory, self._index)
        return _by_rules(read_as(found, intent, self._inventory, self._index))

    async def suggest(self, title: str, body: str = "") -> Suggestion:
        """A service request's type and priority: by the shipped model, else by keywords.

        Never raises for what a request holds. May take the model's deadline, so ask before a
        transaction opens.
        """
        by_words = classify(title, body)
        if not self.model.ok or self.model.told.get("kind") != "guided":
            return by_words
        rules = understand(beginning(title, body), self._inventory, self._index)
        asked = ticket_request(make_prompt(rules.scan), rules, by_words)
        answer = await self.model.complete(json.dumps(asked, ensure_ascii=False))
        if answer is None:
            return by_words
        try:
            return fused(json.loads(answer), by_words)
        except ValueError as error:
            _log.warning("model: its answer is no ticket: %s", error)
            return by_words

    async def _by_models(self, said: str, rules: Understood) -> Reading | None:
        """The reading of the first model with a usable answer."""
        if self.model.told.get("kind") == "guided":
            reading = await self._by_form(rules)
        else:
            reading = self._grounded("model", await self.model.complete(said), rules)
        if reading is None:
            reading = self._grounded("server", await self.server.complete(said), rules)
        return reading

    def _grounded(self, source: str, answer: str | None, rules: Understood) -> Reading | None:
        """The reading of a model that writes the contract's JSON."""
        if answer is None:
            return None
        try:
            reading = ground(Parse.from_json(answer), rules, self._inventory, self._index)
        except ContractError as error:
            _log.warning("%s: its answer is not a parse: %s", source, error)
            return None
        return replace(reading, source=source)

    async def _by_form(self, rules: Understood) -> Reading | None:
        """The reading of the shipped model, which fills in a form with the rules as its draft."""
        prompt = make_prompt(rules.scan)
        if not prompt.whole:
            return None
        stored = self.model.told.get("calibration")
        calibration = Calibration.from_json(stored) if stored else Calibration()
        said = json.dumps(request_for(rules, prompt, calibration), ensure_ascii=False)
        answer = await self.model.complete(said)
        if answer is None:
            return None
        try:
            judged = judge(json.loads(answer), rules, prompt, self._names, calibration)
        except ValueError as error:
            _log.warning("model: its answer is no filled form: %s", error)
            return None
        return verdict(judged, rules, self._names, calibration)

    def steps(self) -> tuple[ChainStep, ...]:
        """The chain, in the order it is asked."""
        count, names = self._answered, len(self._index.entries)
        return (
            ChainStep("model", self.model.ok, self.model.condition, count["model"]),
            ChainStep("server", self.server.ok, self.server.condition, count["server"]),
            ChainStep("rules", True, text("link_rules_ready", count=names), count["rules"]),
            ChainStep("unread", True, text("link_unread"), count["unread"]),
        )


def _by_rules(rules: Understood) -> Reading:
    return Reading(rules.parse, rules.assets, rules.question, rules.confidence, "rules")
