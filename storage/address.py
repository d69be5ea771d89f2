"""Reading a database's address without connecting to it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

SQLITE = "sqlite+aiosqlite"
POSTGRESQL = "postgresql+psycopg"


def problem(url: str) -> str:
    """What is wrong with an address, and the mend; "" when it can be used."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return f"cannot be read; write {SQLITE}:///FILE or {POSTGRESQL}://USER:PASSWORD@HOST/NAME"
    if parsed.drivername not in (SQLITE, POSTGRESQL):
        return f"{parsed.drivername} is not supported; begin it with {SQLITE} or {POSTGRESQL}"
    if not parsed.database or parsed.database == ":memory:":
        what = "a file" if parsed.drivername == SQLITE else "a database"
        return f"names no {what.split()[1]}; put {what} behind the last slash"
    return ""


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite address; None for PostgreSQL."""
    parsed = sa.make_url(url)
    return Path(parsed.database or "") if parsed.drivername == SQLITE else None


def beside(url: str, folder: Path) -> str:
    """The address with a relative SQLite file taken as inside ``folder`` (absolute)."""
    file = sqlite_file(url)
    if file is None:
        return url
    parsed = sa.make_url(url).set(database=str(folder / file.expanduser()))
    return parsed.render_as_string(hide_password=False)
