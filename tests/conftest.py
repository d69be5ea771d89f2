"""What every test may use: a fresh database with a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.all_tables import metadata
from storage.database import Database, DatabaseSettings


@dataclass
class FakeClock:
    """Milliseconds since 1970; starts at 2026-11-20 09:00 UTC."""

    now: int = 1_795_165_200_000

    def __call__(self) -> int:
        return self.now

    def forward(self, *, minutes: float = 0, seconds: float = 0) -> None:
        self.now += int((minutes * 60 + seconds) * 1000)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def db(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    database = Database.open(
        DatabaseSettings(f"sqlite+aiosqlite:///{tmp_path}/test.db", "NORMAL"), clock
    )
    async with database.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()
