"""Fixtures of the healer's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.healing.settings import HealSettings
from tests.unit.execution.conftest import Yard
from tests.unit.execution.conftest import yard as yard  # noqa: PLC0414 - a fixture by its name
from tests.unit.healing.ward import RESTART, Ward


@pytest.fixture
async def ward(yard: Yard, tmp_path: Path) -> Ward:
    """A healer with a playbook that may try twice."""
    playbooks = Ward.folder(tmp_path / "playbooks", RESTART.format(tries=2))
    return Ward(yard, playbooks, HealSettings(look_every_s=1))
