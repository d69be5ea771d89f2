"""People, a room, and whatever a test puts on the shelves."""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.unit.knowledge.shelves import Shelves, furnish


@pytest.fixture
async def shelves(db: Database) -> Shelves:
    return await furnish(db)
