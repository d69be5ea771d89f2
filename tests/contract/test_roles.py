"""Works that one process at a time does, and news between processes, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import sqlalchemy as sa

from bot.roles import NotOurTurn, ReplicaSettings, Roles
from storage.all_tables import metadata
from storage.database import Away, Database, DatabaseSettings
from storage.replica_tables import leases


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two processes' databases, with the database's own time."""
    both = tuple(Database.open(DatabaseSettings(postgres_url)) for _ in range(2))
    async with both[0].writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield both[0], both[1]
    for db in both:
        await db.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


class Work:
    """A loop that notes where it runs."""

    def __init__(self) -> None:
        self.running: list[str] = []

    def of(self, name: str) -> Callable[[], object]:
        async def loop() -> None:
            self.running.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.running.remove(name)

        return loop


async def test_a_work_moves_to_the_other_when_its_process_goes_silent(
    pair: tuple[Database, Database],
) -> None:
    settings = [ReplicaSettings(name, lease_s=1.0) for name in ("a", "b")]
    a, b = (Roles(db, one, ("inbox",)) for db, one in zip(pair, settings, strict=True))
    work = Work()
    await a.beat()
    tasks = [
        asyncio.create_task(one.while_held("inbox", work.of(one.me)))  # type: ignore[arg-type]
        for one in (a, b)
    ]
    beats_of_b = asyncio.create_task(b.serve())
    await until(lambda: work.running == ["a"])
    await asyncio.sleep(0.3)
    assert not b.holds("inbox")
    # a gives no more signs of life: it stops by its own clock, b goes on.
    await until(lambda: work.running == ["b"])
    async with pair[0].write() as tx:
        with pytest.raises(NotOurTurn):
            await a.require(tx, "inbox")
    async with pair[1].write() as tx:
        await b.require(tx, "inbox")
    await a.beat()
    assert not a.holds("inbox")
    beats_of_b.cancel()
    await asyncio.gather(beats_of_b, return_exceptions=True)
    await b.release()
    await a.beat()
    await until(lambda: work.running == ["a"])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert work.running == []


async def test_a_beat_under_way_gives_back_nothing_that_was_handed_over(
    pair: tuple[Database, Database],
) -> None:
    a = Roles(pair[0], ReplicaSettings("a"), ("inbox",))
    await a.beat()
    async with pair[1].write() as tx:
        await tx.execute(sa.select(leases).with_for_update())
        beat = asyncio.create_task(a.beat())
        await asyncio.sleep(0.2)
        stop = asyncio.create_task(a.release())
        await asyncio.sleep(0.1)
        assert not a.holds("inbox")
    await asyncio.gather(beat, stop)
    assert not a.holds("inbox")
    b = Roles(pair[1], ReplicaSettings("b"), ("inbox",))
    await b.beat()
    assert b.holds("inbox")


async def test_who_cannot_hand_over_takes_nothing_any_more_all_the_same(
    pair: tuple[Database, Database], postgres: str, postgres_url: str
) -> None:
    a = Roles(pair[0], ReplicaSettings("a", lease_s=1.0), ("inbox",))
    await a.beat()
    name = sa.make_url(postgres_url).database
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        with pytest.raises(Away):
            await a.release()
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    await a.beat()
    assert not a.holds("inbox")
    b = Roles(pair[1], ReplicaSettings("b"), ("inbox",))
    await asyncio.sleep(1.1)
    await b.beat()
    assert b.holds("inbox")


async def test_two_processes_of_one_name_are_two_all_the_same(
    pair: tuple[Database, Database],
) -> None:
    a, b = (Roles(db, ReplicaSettings("same"), ("inbox",)) for db in pair)
    await a.beat()
    await b.beat()
    assert (a.holds("inbox"), b.holds("inbox")) == (True, False)
    await b.release()
    other = Roles(pair[1], ReplicaSettings("other"), ("inbox",))
    await other.beat()
    assert (a.holds("inbox"), other.holds("inbox")) == (True, False)


async def test_what_breaks_in_a_work_is_told_to_whoever_runs_it(
    pair: tuple[Database, Database],
) -> None:
    roles = Roles(pair[0], ReplicaSettings("a", lease_s=1.0), ("inbox",))
    await roles.beat()

    async def broken() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await roles.while_held("inbox", broken)


async def test_status_tells_who_does_what(pair: tuple[Database, Database]) -> None:
    a, b = (Roles(db, ReplicaSettings(n), ("inbox",)) for db, n in zip(pair, "ab", strict=True))
    await a.beat()
    await b.beat()
    told = {str(one.name.values["name"]): one.detail.values for one in b.states()}  # type: ignore[union-attr]
    assert told == {"a": {"mine": False, "does": "inbox"}, "b": {"mine": True, "does": ""}}


async def test_alone_on_sqlite_every_work_is_ours_and_nothing_is_written(db: Database) -> None:
    roles = Roles(db, ReplicaSettings(), ("inbox",))
    assert roles.holds("inbox")
    assert roles.states() == []
    async with db.write() as tx:
        await roles.require(tx, "inbox")
    await roles.release()


async def test_a_commit_wakes_and_tells_the_other_process_and_nobody_before_it(
    pair: tuple[Database, Database],
) -> None:
    here, there = pair
    heard: list[str] = []
    there.hear("web", heard.append)
    listening = asyncio.create_task(there.serve_signals())
    await until(lambda: heard == [""])
    async with there.listen("inbox") as news:
        async with here.write() as tx:
            tx.wake("inbox")
            tx.tell("web", "MSG-1")
            await asyncio.sleep(0.1)
            assert heard == [""]
            assert not news.is_set()
        async with asyncio.timeout(5):
            await news.wait()
    await until(lambda: heard == ["", "MSG-1"])
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_broken_link_raises_and_the_next_one_takes_everything_for_new(
    pair: tuple[Database, Database],
) -> None:
    here, there = pair
    heard: list[str] = []
    there.hear("web", heard.append)
    listening = asyncio.create_task(there.serve_signals())
    await until(lambda: heard == [""])
    async with here.writer.begin() as connection:
        await connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query = 'LISTEN watchstander'"
            )
        )
    async with asyncio.timeout(5):
        assert isinstance((await asyncio.gather(listening, return_exceptions=True))[0], Exception)
    async with there.listen("inbox") as news:
        again = asyncio.create_task(there.serve_signals())
        await until(lambda: heard == ["", ""])
        assert news.is_set()
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
