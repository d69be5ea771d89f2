"""LEAD'S TEMPORARY PLACEHOLDER: overwrite this file whole."""

from typing import NamedTuple

from engine.inventory import Inventory
from engine.language.contract import Parse, Reading
from engine.language.model import ModelSettings


class ChainStep(NamedTuple):
    name: str
    ok: bool
    detail: str


class Reader:
    def __init__(self, inventory: Inventory, settings: ModelSettings) -> None:
        self.inventory = inventory

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def steps(self) -> tuple[ChainStep, ...]:
        return (ChainStep("rules", True, "ready"),)

    async def read(self, said: str) -> Reading:
        assets = tuple(a.code for a in self.inventory.assets.values() if a.host in said)
        return Reading(
            Parse.from_json(
                {
                    "intent_type": "RESTART",
                    "institution": "UNKNOWN",
                    "system_name": "UNKNOWN",
                    "infrastructure_layer": "UNKNOWN",
                    "target_nodes": [],
                    "action_sequence": ["RESTART"],
                    "deploy_artifacts": [],
                    "requires_approval": True,
                }
            ),
            assets,
            None,
            1.0,
            "rules",
        )
