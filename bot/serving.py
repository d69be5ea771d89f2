"""Starting, running and ending: what runs beside what, and in which order it stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from bot import web
from bot.app import App
from bot.platforms.messenger.routes import messenger_routes
from bot.platforms.web.frames import FRAME_LIMIT
from bot.platforms.web.routes import routes as web_routes
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
from storage import lease, migrate, people, rooms
from storage.database import Clock

log = logging.getLogger(__name__)

_WATCH_EVERY_S = 5.0
_CHECK_EVERY_S = 1.0
_UPKEEP_EVERY_S = 30.0
_HEAL_WATCH_EVERY_S = 300.0


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
            async with _alone(app), _running(app, door):
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
    await _prepare(app)
    await app.reader.start()
    await app.links.start(app.keep)
    server = _Server(_http(app))
    loops = [
        asyncio.create_task(keep_going(app.worker.serve, "inbox"), name="inbox"),
        asyncio.create_task(keep_going(app.reports.serve, "reports"), name="reports"),
        asyncio.create_task(keep_going(app.delivery.serve, "delivery"), name="delivery"),
        asyncio.create_task(keep_going(app.dispatcher.serve, "dispatcher"), name="dispatcher"),
        asyncio.create_task(keep_going(app.healer.serve, "healer"), name="healer"),
        asyncio.create_task(keep_going(app.knowledge.serve, "knowledge"), name="knowledge"),
        asyncio.create_task(keep_going(app.knowledge.serve_learning, "learning"), name="learning"),
        asyncio.create_task(keep_going(app.knowledge.serve_nearness, "nearness"), name="nearness"),
        asyncio.create_task(keep_going(app.explaining.serve, "explaining"), name="explaining"),
        asyncio.create_task(keep_going(lambda: _watch_on_news(app), "watch"), name="watch"),
        asyncio.create_task(keep_going(lambda: _sign_on_news(app), "audit"), name="audit"),
    ]
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
        await app.dispatcher.drain()
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await app.knowledge.stop()
        await app.reader.stop()
        await _sign(app)


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
        web_routes(app.web, app.upkeep),
    ]
    if app.messenger is not None:
        routers.append(messenger_routes(app.messenger))
    return web.build(
        routers, app.ready, app.measure, app.slack, app.telegram, version("watchstander")
    )


def _http(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        application(app),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=16 * FRAME_LIMIT,
    )


async def _prepare(app: App) -> None:
    """Schema, people and rooms as configured, the audit chain signed, lost runs told."""
    await migrate.upgrade(app.db)
    await _sign(app)
    async with app.db.write() as tx:
        await people.sync(tx, list(app.settings.people))
        await rooms.sync(tx, list(app.settings.rooms))
    for action in await app.dispatcher.recover():
        log.warning("action %s was running when the last process ended: UNKNOWN", action)
    await app.watch.run_once()


async def _sign(app: App) -> None:
    async with app.db.read() as tx:
        try:
            await app.checkpointer.sign(tx)
        except CannotSign as refused:
            log.error("audit: not signed: %s; run `watchstander audit verify`", refused)


def _plan_ticks(app: App) -> None:
    app.schedule.every(app.settings.cycle.minutes * 60, "cycle", app.cycle.run_once)
    app.schedule.every(_WATCH_EVERY_S, "watch", app.watch.run_once)
    app.schedule.every(_CHECK_EVERY_S, "checks", app.checks.run_once)
    app.schedule.every(_HEAL_WATCH_EVERY_S, "heal watch", app.healer.keep_watch)
    app.schedule.every(_UPKEEP_EVERY_S, "upkeep", app.upkeep.run_once)
    app.schedule.start()


async def keep_going(loop: Callable[[], Awaitable[None]], name: str, pause_s: float = 1.0) -> None:
    """Run a loop that must never end; what breaks it is logged, and it begins again."""
    while True:
        try:
            await loop()
        # The boundary: a database that is away for a minute must not leave a deaf bot behind.
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
    if not settings.database.url.startswith("sqlite"):
        yield
        return
    import fcntl

    path = Path(settings.database.url.partition("///")[2] + ".lock")
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"{path}: another Watchstander runs on this database; stop it first"
            ) from None
        yield


@contextlib.asynccontextmanager
async def _alone(app: App) -> AsyncIterator[None]:
    """The same on PostgreSQL, where another machine may be the other one."""
    async with lease.sole(app.db) as alone:
        if not alone:
            raise CannotStart(
                "[database] url: another Watchstander runs on this database; stop it first"
            )
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
