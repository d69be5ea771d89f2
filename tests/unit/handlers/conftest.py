"""The spine, running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.conftest import FakeClock
from tests.unit.handlers.stage import Stage


@pytest.fixture
async def stage(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Stage]:
    found = Stage(db, clock, tmp_path)
    await found.start()
    yield found
    await found.stop()
