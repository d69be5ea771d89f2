"""The scene, on a fresh database."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.database import Database
from tests.conftest import FakeClock
from tests.unit.insight.scene import Scene


@pytest.fixture
async def scene(db: Database, clock: FakeClock, tmp_path: Path) -> Scene:
    found = Scene(db, clock, tmp_path)
    await found.start()
    return found
