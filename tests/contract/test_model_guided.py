"""A file of the shipped kind that is not what it says: refused in words, and the rules read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.inventory import Inventory
from engine.language.calibration import Calibration
from engine.language.gguf_keys import READER_VERSION
from engine.language.model import ModelSettings
from tests.contract.test_model_child import inventory, reading
from tests.contract.tiny_guided import write_ticket_model

__all__ = ["inventory"]

GOOD = {**vars(Calibration()), "weights": [0.0, 1.0, 1.0, 0.5, 0.5]}


@pytest.mark.parametrize(
    "calibration",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({**GOOD, "weights": [1.0]}),
        json.dumps({**GOOD, "weights": [0.0, 1.0, 1.0, 0.5, float("nan")]}),
        json.dumps({**GOOD, "rules": {"RESTART": {"STOP": "much"}}}),
        json.dumps({**GOOD, "rules": []}),
        json.dumps({**GOOD, "ask_below": "often"}),
        json.dumps({**GOOD, "ask_below": float("nan")}),
    ],
)
async def test_a_calibration_that_is_none_is_refused(
    inventory: Inventory, tmp_path: Path, calibration: str
) -> None:
    path = write_ticket_model(tmp_path / "m.gguf", "RESTART", "HIGH", calibration=calibration)
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        found = await reader.read("restart momo-db")
        assert found.source == "rules"
        assert "calibration" in reader.model.detail


async def test_a_file_of_another_version_is_refused(inventory: Inventory, tmp_path: Path) -> None:
    later = READER_VERSION + 1
    path = write_ticket_model(tmp_path / "m.gguf", "RESTART", "HIGH", version=later)
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        assert (await reader.read("restart momo-db")).source == "rules"
        assert f"version {later}" in reader.model.detail


async def test_a_good_one_reads(inventory: Inventory, tmp_path: Path) -> None:
    path = write_ticket_model(tmp_path / "m.gguf", "STOP", "HIGH", calibration=json.dumps(GOOD))
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        found = await reader.read("restart momo-db")
        assert (found.source, found.parse.intent_type) == ("model", "STOP")
