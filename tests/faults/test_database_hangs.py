"""F9 towards the database: a line that swallows everything, a server that stands still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.in_time import in_time
from bot.readiness import HealthSettings, Readiness
from storage import inbox, signals
from storage.all_tables import metadata
from storage.database import Away, Database, DatabaseSettings
from tests.contract.conftest import postgres, postgres_url  # noqa: F401 - fixtures
from tests.doubles.line import Line


@pytest.fixture
async def line(postgres_url: str) -> AsyncIterator[Line]:  # noqa: F811
    """A line to the real server that the test can cut."""
    url = sa.make_url(postgres_url)
    folder = str(url.query.get("host") or url.host)
    async with Line(str(Path(folder) / f".s.PGSQL.{url.port or 5432}")) as found:
        yield found


@pytest.fixture
async def far(line: Line, postgres_url: str) -> AsyncIterator[Database]:  # noqa: F811
    """The database at the other end of it."""
    url = sa.make_url(postgres_url)
    through = sa.URL.create(
        url.drivername, url.username, url.password, "127.0.0.1", line.port, url.database
    )
    database = Database.open(
        DatabaseSettings(through.render_as_string(hide_password=False), patience_s=1.0)
    )
    async with database.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


async def keep(db: Database, delivery: str) -> bool:
    async with db.write() as tx:
        return await inbox.keep(tx, "slack", delivery, {}) is not None


async def kept(db: Database) -> list[str]:
    async with db.read() as tx:
        return [one.delivery_id for one in await inbox.waiting(tx, 100)]


async def test_a_cut_line_ends_every_statement_and_a_mended_one_is_used(
    far: Database, line: Line
) -> None:
    assert await keep(far, "before")
    line.cut()
    begun = time.monotonic()
    # More at once than there are connections: nobody waits for ever, not even for a connection.
    results = await asyncio.gather(
        *(keep(far, f"during {number}") for number in range(20)), return_exceptions=True
    )
    assert all(isinstance(result, Away) for result in results), results
    assert time.monotonic() - begun < 20
    line.mend()
    assert await keep(far, "after")
    assert await kept(far) == ["before", "after"]


async def test_who_is_refused_in_time_waits_for_no_hung_server(far: Database, line: Line) -> None:
    assert await keep(far, "before")
    line.cut()
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer within"):
        await in_time(keep(far, "during"), 0.3, "the database")
    assert time.monotonic() - begun < 0.8
    line.mend()
    # The connection that was let go in the middle is not handed out as if it were well.
    async with asyncio.timeout(10):
        assert await keep(far, "after")


async def test_readiness_answers_at_once_and_tells_when_it_is_well_again(
    far: Database, line: Line
) -> None:
    ready = Readiness(far, HealthSettings(answer_s=0.3, grace_s=0.1), [], {}, lambda _: True)
    await ready.look()
    assert [link.ok for link in ready.states()] == [True, True]
    line.cut()
    await asyncio.sleep(1.01)  # a look is good for a second
    begun = time.monotonic()
    await ready.look()
    assert time.monotonic() - begun < 0.8
    assert not ready.states()[0].ok
    line.mend()
    async with asyncio.timeout(20):
        while not ready.states()[0].ok:
            await ready.look()
            await asyncio.sleep(0.05)


async def test_news_are_heard_again_after_a_cut(
    far: Database,
    line: Line,
    postgres_url: str,  # noqa: F811
) -> None:
    """The listener notices that nothing can come any more, although nothing was closed."""
    heard = asyncio.Event()
    listening = asyncio.Event()
    link = asyncio.create_task(
        signals.listen(
            far._writer.url, "me", listening.set, lambda *_: heard.set(),
            ask_every_s=0.2, answer_s=0.5,
        )
    )  # fmt: skip
    near = Database.open(DatabaseSettings(postgres_url))
    try:
        await asyncio.wait_for(listening.wait(), 5)
        await keep(near, "one")
        await asyncio.wait_for(heard.wait(), 5)
        line.cut()
        done, _ = await asyncio.wait({link}, timeout=5)
        assert done and link.exception() is not None
    finally:
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        await near.close()


async def test_one_that_stands_still_in_a_transaction_holds_up_nobody_for_long(
    postgres_url: str,  # noqa: F811
) -> None:
    """F17: a process that is stopped in the middle of a write loses its locks, and its write."""
    settings = DatabaseSettings(postgres_url, patience_s=1.0)
    paused, other = Database.open(settings), Database.open(settings)
    async with paused.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    try:
        with pytest.raises(Away):
            async with paused.write() as tx:
                await tx.alone(7)
                await inbox.keep(tx, "slack", "paused", {})
                begun = time.monotonic()
                async with asyncio.timeout(5):
                    while True:
                        try:
                            async with other.write() as second:
                                await second.alone(7)
                            break
                        except Away:  # waited for its whole patience
                            continue
                assert time.monotonic() - begun < 4
                await inbox.keep(tx, "slack", "too late", {})
        assert await kept(other) == []
    finally:
        await paused.close()
        await other.close()


async def test_a_server_that_only_reads_refuses_and_says_so(postgres_url: str) -> None:  # noqa: F811
    settings = DatabaseSettings(postgres_url)
    db = Database.open(settings)
    async with db.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    readers = Database.open(
        DatabaseSettings(postgres_url + "&options=-c%20default_transaction_read_only%3Don")
    )
    ready = Readiness(readers, HealthSettings(), [], {}, lambda _: True)
    try:
        with pytest.raises(Away, match="read-only"):
            await keep(readers, "refused")
        await ready.look()
        assert not ready.states()[0].ok
        assert await kept(db) == []
    finally:
        await db.close()
        await readers.close()
