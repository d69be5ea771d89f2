"""A flood of hostile messages through the reader with the model that ships.

``make flood`` reads 100,000; a slice of them is in ``make test``.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.inventory import Inventory, load_inventory
from engine.language.contract import MAX_TEXT, TARGETLESS, UNKNOWN, Parse, Reading
from engine.language.fold import fold
from engine.language.model import ModelSettings
from engine.language.reader import Reader
from tests.attacks.flood import messages

COUNT = int(os.environ.get("WATCHSTANDER_FLOOD", "1000"))
INVENTORY = Path(__file__).parents[1] / "unit" / "language" / "inventory.toml"


async def test_a_flood_of_hostile_messages() -> None:
    inventory = load_inventory(INVENTORY)
    reader = Reader(inventory, ModelSettings(deadline_s=10))
    await reader.start()
    try:
        child, by_model = reader.model.pid, 0
        assert child is not None, reader.model.detail
        for said in messages(seed=20_26, count=COUNT):
            reading = await reader.read(said)
            by_model += reading.source == "model"
            check(reading, said, inventory)
        assert reader.model.pid == child, "the model's process was lost"
        assert by_model > COUNT / 2
    finally:
        await reader.stop()


def check(reading: Reading, said: str, inventory: Inventory) -> None:
    """The reading is a parse of the contract, and names nothing that was not said."""
    assert Parse.from_json(reading.parse.to_json()) == reading.parse, said
    assert list(reading.assets) == sorted(set(reading.assets)), said
    assert set(reading.assets) <= set(inventory.assets), said
    assert 0 <= reading.confidence <= 1, said
    if reading.question is not None or reading.parse.intent_type in TARGETLESS:
        assert reading.assets == (), said
    for choice in reading.question.choices if reading.question else ():
        assert set(choice.assets) <= set(inventory.assets), said
    words = _key(said[:MAX_TEXT])
    for name in (reading.parse.institution, reading.parse.system_name):
        assert name == UNKNOWN or _key(name) in words, (name, said)
    for name in reading.parse.deploy_artifacts:
        assert _key(name) in words, (name, said)


def _key(text: str) -> str:
    return "".join(fold(text).split())
