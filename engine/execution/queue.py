"""Hands out work between processes on one PostgreSQL, through Procrastinate.

The rows are the truth, and a job is only a hint that an action may run: the claim decides.  A job
that got lost is made again, one too many ends without a trace, and none is ever tried twice.  This
is the one module that knows Procrastinate; on SQLite it is not even loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from importlib.metadata import version

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from procrastinate.worker import Worker

from engine.execution.runs import Runs, lose
from storage import actions, beats, holds, job_tables
from storage.actions import Guard
from storage.beats import Beat
from storage.database import Away, Database

log = logging.getLogger(__name__)

_TASK = "carry"
_QUEUE = "actions"
_AHEAD = 100
"""Jobs made ahead: enough for many processes, and few to look through."""
_BREATH_S = 0.05
"""Between two looks, however much is announced."""
_GRACE_S = 1.0
"""What a worker that stops waits for its jobs. The runs behind them go on all the same."""
_KEEP_HOURS = 24
"""How long jobs that ended badly can be looked at."""
_CONNECTIONS = 4


class Queue:
    """The dispatch of a database that processes share."""

    def __init__(self, db: Database, runs: Runs, url: str) -> None:
        """``url`` is that of the database, as SQLAlchemy has it."""
        self._db = db
        self._runs = runs
        self._settings = runs.settings
        self._address = job_tables.address(url)
        self._worker: Worker | None = None
        self._seen: dict[Beat, float] = {}
        """The last sign of life of each run → since when, by our own clock, it is the last."""
        self._looked = 0.0
        self._closing = False
        # At INFO it tells of every job twice; our own log and audit tell of every action.
        logging.getLogger("procrastinate").setLevel(logging.WARNING)

    async def recover(self) -> list[int]:
        """Make the queue's tables. What other processes run is theirs: silence is noticed later."""
        await self._make_tables()
        async with self._db.write() as tx:
            await holds.free_stale(tx)
        return []

    async def serve(self) -> None:
        """Work until cancelled, or until the worker breaks; then it is to be begun again."""
        if self._closing:
            await asyncio.Event().wait()
        await self._make_tables()
        try:
            await self._work_together(self._app())
        except ConnectorException as error:
            raise Away(f"the queue cannot be used: {error.__cause__ or error}") from error
        if not self._closing:
            log.warning("the queue's worker stopped; it begins again")

    async def _work_together(self, app: App) -> None:
        """Feeder and worker side by side, until one of them ends."""
        async with app.open_async():
            self._worker = worker = self._make_worker(app)
            parts = [
                asyncio.create_task(_work(worker), name="queue worker"),
                asyncio.create_task(self._feed(app), name="queue feeder"),
            ]
            try:
                ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._worker = None
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)
        for part in ended:
            part.result()

    async def drain(self) -> None:
        """Take no more jobs, and wait for what runs. The other processes do the rest."""
        self._closing = True
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]
        await self._runs.drain()

    async def _make_tables(self) -> None:
        made = await job_tables.make(
            self._db, f"procrastinate {version('procrastinate')}", SchemaManager.get_schema()
        )
        if made:
            log.info("made the tables of the queue")

    def _app(self) -> App:
        app = App(
            connector=PsycopgConnector(
                conninfo=self._address,
                min_size=1,
                max_size=_CONNECTIONS,
                timeout=5.0,
                configure=_into_its_schema,
                kwargs={"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 15_000},
            )
        )
        runs = self._runs

        @app.task(name=_TASK, queue=_QUEUE)
        async def carry(action_id: int) -> None:
            await runs.carry(action_id)

        # Not only for tidiness: Procrastinate notices that a side task of its worker broke only
        # while none of them ended, and without periodic work one ends at once.
        @app.periodic(cron="7 * * * *")
        @app.task(name="tidy", queue=_QUEUE, queueing_lock="tidy")
        async def tidy(timestamp: int) -> None:  # noqa: ARG001 – the library hands it in
            await app.job_manager.delete_old_jobs(
                _KEEP_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
            )

        return app

    def _make_worker(self, app: App) -> Worker:
        settings = self._settings
        return Worker(
            app,
            queues=[_QUEUE],
            name=None,
            concurrency=settings.at_once,
            fetch_job_polling_interval=settings.look_every_s,
            shutdown_graceful_timeout=_GRACE_S,
            delete_jobs="successful",
            install_signal_handlers=False,
            update_heartbeat_interval=settings.lost_after_s / 3,
            stalled_worker_timeout=settings.lost_after_s,
        )

    async def _feed(self, app: App) -> None:
        """Make jobs of what may begin, and clear up after processes that went silent."""
        async with self._db.listen("actions") as news:
            while True:
                news.clear()
                await self._runs.tell_lost()
                now = time.monotonic()
                due = now >= self._looked + self._settings.look_every_s
                if due:
                    self._looked = now
                    await self._call_lost()
                await self._hand_out(app, stalled=due)
                await asyncio.sleep(_BREATH_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.look_every_s):
                        await news.wait()

    async def _call_lost(self) -> None:
        """Actions of other processes that gave no sign of life for too long are UNKNOWN.

        How long is measured by our own clock, so that a clock that jumps loses nothing.
        """
        async with self._db.read() as tx:
            found = await beats.last(tx)
        now = time.monotonic()
        self._seen = {beat: self._seen.get(beat, now) for beat in found}
        for beat, since in self._seen.items():
            silent = now - since >= self._settings.lost_after_s
            if not silent or self._runs.runs_here(beat.action_id):
                continue
            async with self._db.write() as tx:
                action = await actions.by_id(tx, beat.action_id)
                if action is not None and await beats.silent_since(tx, beat):
                    log.error("action %s: no sign of life: UNKNOWN", action.id)
                    why = "the process that ran it gave no more sign of life"
                    await lose(tx, action, why, Guard())

    async def _hand_out(self, app: App, *, stalled: bool) -> None:
        async with self._db.write() as tx:
            if not await holds.alone_feeding(tx):
                return  # whoever does it is woken by the same news
            if stalled:
                await self._finish_stalled(app)
            known = set()
            for status in ("todo", "doing"):
                jobs = await app.job_manager.list_jobs_async(queue=_QUEUE, status=status)
                known |= {job.queueing_lock for job in jobs}
            for waiting in await self._runs.next_up(_AHEAD):
                name = f"action:{waiting.id}"
                if name not in known:
                    await _defer(app, name, waiting)

    async def _finish_stalled(self, app: App) -> None:
        """Jobs of workers that went silent are over, whatever became of the actions."""
        jobs = await app.job_manager.get_stalled_jobs(
            queue=_QUEUE, seconds_since_heartbeat=self._settings.lost_after_s
        )
        for job in jobs:
            assert job.id is not None
            try:
                await app.job_manager.finish_job_by_id_async(
                    job.id, Status.FAILED, delete_job=False
                )
            except ConnectorException as gone:
                log.debug("job %s ended meanwhile: %s", job.id, gone)


async def _work(worker: Worker) -> None:
    await worker.run()  # type: ignore[no-untyped-call]


async def _defer(app: App, name: str, waiting: holds.InLine) -> None:
    """A job for an action; ``lock`` keeps two on one target from being fetched together."""
    job = app.configure_task(
        _TASK, queue=_QUEUE, queueing_lock=name, lock=min(waiting.targets, default=None)
    )
    try:
        await job.defer_async(action_id=waiting.id)
    except AlreadyEnqueued:
        log.debug("%s has a job already", name)


async def _into_its_schema(connection: psycopg.AsyncConnection[object]) -> None:
    await connection.execute(f"SET search_path TO {job_tables.SCHEMA}".encode())
    await connection.commit()
