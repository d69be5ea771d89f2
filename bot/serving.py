"""Starting, running and ending: what runs beside what, and in which order it stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI

from bot import web
from bot.app import App
from bot.platforms.messenger.routes import messenger_routes
from bot.platforms.web.frames import FRAME_LIMIT
from bot.platforms.web.routes import routes as web_routes
from bot.schedule import Tick
from bot.settings import Settings
from engine.audit import CannotSign
from handlers.api.anomalies import anomaly_routes
from handlers.api.auto import auto_routes
from handlers.api.checks import check_routes
from handlers.api.expiry import expiry_routes
from handlers.api.findings import finding_routes
from handlers.api.incidents import incident_routes
from handlers.api.kb import kb_routes
from handlers.api.playbooks import playbook_routes
from handlers.api.reference import reference_routes
from handlers.api.requests import request_routes
from handlers.webhooks.alertmanager import alertmanager_routes
from prompts.texts import show_times_in
from storage import clocks, job_tables, migrate, people, rooms, running
from storage.address import sqlite_file
from storage.database import Away, Clock

log = logging.getLogger(__name__)

_WATCH_EVERY_S = 5.0
_CHECK_EVERY_S = 1.0
_UPKEEP_EVERY_S = 30.0
_HEAL_WATCH_EVERY_S = 300.0
_COUNTED_S = 30.0
"""Ticks from this length on are done once per period also when the work changes hands."""
_START_LOCK = 0x57415445  # PostgreSQL advisory lock; audit.py and migrate.py have the two before it


class CannotStart(Exception):
    """The message is one line for the operator: what, where, the mend."""


Started = Callable[[App, str], Awaitable[None]]
"""Called once with the app and its address when everything answers."""


def run(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM; the exit status."""
    return asyncio.run(serve(settings, _settle))


async def _settle(_app: App, _address: str) -> None:
    """What was built so far stays: to look through it for rubbish would hold everybody up."""
    gc.collect()
    gc.freeze()


async def serve(
    settings: Settings,
    on_ready: Started | None = None,
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> int:
    """Start, run until a signal or ``stop``, and end in order. Raises CannotStart.

    ``clock`` (tests only) stands for the database's time.
    """
    stop = stop or asyncio.Event()
    show_times_in(settings.team.time_zone)
    door = _open_door(settings.web.host, settings.web.port)
    with _only_one(settings), contextlib.closing(door):
        app = App(settings, clock)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            async with _running(app, door):
                address = f"http://{settings.web.host}:{door.getsockname()[1]}"
                log.info("ready on %s", address)
                if on_ready is not None:
                    await on_ready(app, address)
                await stop.wait()
        finally:
            await app.db.close()
    return 0


@contextlib.asynccontextmanager
async def _running(app: App, door: socket.socket) -> AsyncIterator[None]:
    try:
        await _prepare(app)
    except (Away, migrate.WrongSchema, job_tables.NotOurs) as error:
        raise CannotStart(f"[database] url: {error}") from error
    app.runner.keep_connections()
    await app.reader.start()
    await app.links.start(app.keep)
    server = _Server(_http(app))
    loops = [asyncio.create_task(keep_going(loop, name), name=name) for name, loop in _loops(app)]
    http = asyncio.create_task(server.serve(sockets=[door]), name="http")
    _plan_ticks(app)
    try:
        await server.answering(http)
        yield
    finally:
        app.schedule.stop()
        await app.checks.stop()
        server.should_exit = True
        # While the rooms are still connected: what is on its way arrives, and that is written down.
        await app.delivery.drain()
        await app.links.stop()
        await asyncio.gather(http, return_exceptions=True)
        # Intake is closed: let what was taken in come to its end, then stop the loops.
        await app.worker.drain()
        # Commands that run may take a minute; the other processes need not wait for them.
        await _hand_over(app)
        await app.dispatcher.drain()
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await app.runner.close()
        await app.knowledge.stop()
        await app.reader.stop()
        if not app.db.is_shared:
            await _sign(app)


async def _hand_over(app: App) -> None:
    if not app.db.is_shared:
        return
    try:
        if app.roles.holds("audit"):
            await _sign(app)
        await app.roles.release()
    # The boundary: with the database away, the leases end by themselves.
    except Exception:
        log.exception("the work of this process could not be handed over; it is free in a moment")


def _loops(app: App) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    """What runs beside the rest: in every process, and in the one whose turn it is."""
    one_at_a_time: dict[str, Callable[[], Awaitable[None]]] = {
        "inbox": app.worker.serve,
        "reports": app.reports.serve,
        "delivery": app.delivery.serve,
        "healer": app.healer.serve,
        "learning": app.knowledge.serve_learning,
        "ticks": lambda: _watch_on_news(app),
        "audit": lambda: _sign_on_news(app),
    }
    return [
        ("roles", app.roles.serve),
        ("signals", app.db.serve_signals),
        ("health", app.readiness.serve),
        ("dispatcher", app.dispatcher.serve),
        ("answers", lambda: app.knowledge.serve(lambda: app.roles.holds("answers"))),
        ("nearness", app.knowledge.serve_nearness),
        ("explaining", app.explaining.serve),
        *(
            (work, partial(app.roles.while_held, work, loop))
            for work, loop in one_at_a_time.items()
        ),
    ]


def application(app: App) -> FastAPI:
    """Every route: the rooms' doors, REST, webhooks, health and metrics."""
    routers = [
        auto_routes(app.services),
        request_routes(app.services),
        anomaly_routes(app.services),
        incident_routes(app.services),
        finding_routes(app.services),
        alertmanager_routes(app.services),
        kb_routes(app.services),
        playbook_routes(app.services),
        check_routes(app.services),
        reference_routes(),
        expiry_routes(app.services),
        web_routes(app.web, app.upkeep, app.settings.approvals.coded),
    ]
    if app.messenger is not None:
        routers.append(messenger_routes(app.messenger))
    ceiling = app.settings.messenger.body_limit if app.settings.messenger else 0
    return web.build(
        routers, app.ready, app.measure, app.slack, app.telegram, version("watchstander"), ceiling
    )


def _http(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        application(app),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=16 * FRAME_LIMIT,
    )


async def _prepare(app: App) -> None:
    """Schema, people and rooms as configured, the audit chain signed, lost runs told."""
    await migrate.upgrade(app.db)
    if app.db.is_shared:
        # A slow database is no reason not to start: the leases are asked for again and again.
        with contextlib.suppress(TimeoutError):
            await app.roles.beat()
    if app.roles.holds("audit"):
        refused = await _sign(app)
        file = app.settings.audit.checkpoint_file
        if isinstance(refused, OSError) and not file.exists():
            # Later this file is only left behind; without the first one the chain has no beginning.
            raise CannotStart(f"[audit] checkpoint_file: cannot be written: {refused}; mend that")
    async with app.db.write() as tx:
        await tx.alone(_START_LOCK)
        await people.sync(tx, list(app.settings.people))
        await rooms.sync(tx, list(app.settings.rooms))
    for action in await app.dispatcher.recover():
        log.warning("action %s was running when the last process ended: UNKNOWN", action)
    await app.watch.run_once()


async def _sign(app: App) -> Exception | None:
    """Sign the chain; gives why it could not be, which /readyz and /status tell, too."""
    try:
        async with app.db.read() as tx:
            await app.checkpointer.sign(tx)
    except CannotSign as refused:
        log.error("audit: not signed: %s; run `watchstander audit verify`", refused)
        app.readiness.unsigned = str(refused)
        return refused
    except (OSError, Away) as error:
        # The rows are kept all the same: they are signed as soon as the file can be written.
        log.error("audit: not signed, tried again: %s", error)
        app.readiness.unsigned = str(error)
        return error
    app.readiness.unsigned = ""
    return None


def _plan_ticks(app: App) -> None:
    for seconds, name, tick in (
        (app.settings.cycle.minutes * 60, "cycle", app.cycle.run_once),
        (_WATCH_EVERY_S, "watch", app.watch.run_once),
        (_CHECK_EVERY_S, "checks", app.checks.run_once),
        (_HEAL_WATCH_EVERY_S, "heal watch", app.healer.keep_watch),
        (_UPKEEP_EVERY_S, "upkeep", app.upkeep.run_once),
    ):
        app.schedule.every(seconds, name, partial(_tick_once, app, seconds, name, tick))
    app.schedule.start()


async def _tick_once(app: App, seconds: float, name: str, tick: Tick) -> None:
    """Once per period, whichever process it is; the short ones just wherever the work is held."""
    if not app.roles.holds("ticks"):
        return
    if app.db.is_shared and seconds >= _COUNTED_S:
        async with app.db.write() as tx:
            # Not the whole period: two timers of one length are never quite in step.
            if not await clocks.due(tx, f"tick:{name}", round(seconds * 900)):
                return
    await tick()


async def keep_going(loop: Callable[[], Awaitable[None]], name: str, pause_s: float = 1.0) -> None:
    """Run a loop that must never end; what breaks it is logged, and it begins again."""
    while True:
        try:
            await loop()
        # The boundary: a database that is away for a minute must not leave a deaf bot behind.
        except Away as away:
            log.warning("%s: broke off: %s; it begins again in %s s", name, away, pause_s)
        except Exception:
            log.exception("%s: broke off; it begins again in %s s", name, pause_s)
        await asyncio.sleep(pause_s)


async def _sign_on_news(app: App) -> None:
    """Sign the audit chain soon after it grew, so that little of it is ever unsigned.

    It also looks without news: the command line writes to the same chain from its own process.
    """
    pause = app.settings.audit.sign_every_s
    async with app.db.listen("audit") as news:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await news.wait()
            news.clear()
            await _sign(app)
            await asyncio.sleep(pause)


async def _watch_on_news(app: App) -> None:
    """Somebody met a card whose plan had changed: void it now, not at the next tick."""
    async with app.db.listen("watch") as news:
        while True:
            await news.wait()
            news.clear()
            await app.watch.run_once()


def _open_door(host: str, port: int) -> socket.socket:
    try:
        door = socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise CannotStart(
            f"{host}:{port} cannot be opened ({error.strerror}): another program has the port; "
            "stop it, or set another port under [web]"
        ) from None
    # asyncio does this only for sockets that name their protocol; without it an answer in two
    # writes waits 40 ms for the other side's acknowledgement. Accepted sockets inherit it.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """One process per SQLite file: two would each think they are the runner."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(running.sole(sqlite_file(settings.database.url)))
        except running.Occupied as error:
            raise CannotStart(str(error)) from None
        except OSError as error:
            raise CannotStart(
                f"[database] url: {error.filename} cannot be written ({error.strerror}); "
                "mend that, or set another file"
            ) from None
        yield


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the app decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def answering(self, http: asyncio.Task[None]) -> None:
        """Wait until requests are answered. Raises what made it fail."""
        while not self.started:
            if http.done():
                http.result()
                raise CannotStart("the web server ended while it started; the log says why")
            await asyncio.sleep(0.01)
