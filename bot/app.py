"""The one file that builds the parts and joins them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import uvicorn

from bot import web
from bot.delivery import Delivery, DeliverySettings
from bot.links import Links
from bot.metrics import ACTIONS, LINK_UP, WAITING
from bot.platforms.messenger.platform import MessengerPlatform
from bot.platforms.messenger.routes import messenger_routes
from bot.platforms.port import Platform
from bot.platforms.slack.platform import SlackPlatform
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.web.frames import FRAME_LIMIT
from bot.platforms.web.platform import WebPlatform
from bot.platforms.web.routes import routes as web_routes
from bot.schedule import Schedule
from bot.settings import Settings
from bot.worker import InboxWorker, WorkerSettings
from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals
from engine.approvals.watch import ApprovalWatch
from engine.audit import CannotSign, Checkpointer
from engine.cycle import Cycle
from engine.execution.dispatcher import Dispatcher
from engine.execution.inside import RequestSteps
from engine.execution.ssh import SshRunner
from engine.inventory import load_inventory
from engine.language.reader import Reader
from engine.planning import Planner
from engine.requests.desk import Desk
from engine.risk import load_policy
from handlers.api.anomalies import anomaly_routes
from handlers.api.auto import auto_routes
from handlers.api.reference import reference_routes
from handlers.api.requests import request_routes
from handlers.commands import registry
from handlers.router import Router
from handlers.services import Link, Services
from prompts.texts import LANGUAGES, say, show_times_in, text
from storage import actions, inbox, lease, migrate, outbox, people, rooms
from storage.database import Clock, Database
from storage.lifecycle import State

log = logging.getLogger(__name__)

_WATCH_EVERY_S = 5.0


class CannotStart(Exception):
    """The message is one line for the operator: what, where, the mend."""


class App:
    """All parts, built from the settings; nothing runs yet."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.db = Database.open(settings.database, clock)
        inventory = load_inventory(settings.inventory.file)
        policy = load_policy(settings.policy.file)
        scripts = Scripts(settings.plan.scripts)
        planner = Planner(inventory, policy, scripts, settings.plan)
        proposals = Proposals(planner, settings.approvals)
        desk = Desk(settings.sla)
        self.watch = ApprovalWatch(self.db, proposals, settings.approvals)
        self.reader = Reader(inventory, settings.model)
        self.links = Links(self._platforms(settings))
        self.cycle = Cycle(self.db, desk, self.watch.run_once, settings.cycle)
        self.services = Services(
            self.db, inventory, self.reader, proposals, desk, self.cycle, self._states
        )
        self.worker = InboxWorker(self.db, Router(self.services), self.links, WorkerSettings())
        self.delivery = Delivery(self.db, self.links, DeliverySettings())
        self.dispatcher = Dispatcher(
            self.db,
            proposals,
            SshRunner(settings.ssh, inventory, scripts),
            RequestSteps(self.db, desk),
            settings.runner,
        )
        self.checkpointer = Checkpointer(settings.audit)
        self.schedule = Schedule()

    def _platforms(self, settings: Settings) -> Sequence[Platform]:
        menu = command_menu()
        self.web = WebPlatform(settings.web, self.db, settings.rooms, menu)
        self.slack = SlackPlatform(settings.slack) if settings.slack else None
        self.telegram = TelegramPlatform(settings.telegram, menu) if settings.telegram else None
        self.messenger = (
            MessengerPlatform(settings.messenger, self.db) if settings.messenger else None
        )
        every = (self.web, self.slack, self.telegram, self.messenger)
        return [platform for platform in every if platform is not None]

    def _states(self) -> Sequence[Link]:
        return [*self.links.states(), *self._chain()]

    async def keep(self, source: str, delivery_id: str, raw: Mapping[str, Any], lane: str) -> bool:
        """The inbox row, committed before the platform acknowledges."""
        async with self.db.write() as tx:
            return await inbox.keep(tx, source, delivery_id, dict(raw), lane) is not None

    async def ready(self) -> Sequence[Link]:
        """For /readyz: the database is asked, the rest says how it is."""
        async with self.db.read() as tx:
            await people.everyone(tx)
        return [Link("database", True, "answers"), *self.links.states(), *self._chain()]

    async def measure(self) -> None:
        """Set the gauges of /metrics."""
        async with self.db.read() as tx:
            counts = await actions.counts(tx)
            WAITING.labels("inbox").set(await inbox.count_waiting(tx))
            WAITING.labels("outbox").set(await outbox.count_waiting(tx))
        for state in State:
            ACTIONS.labels(state.value).set(counts.get(state, 0))
        for link in self._states():
            LINK_UP.labels(link.name).set(link.ok)

    def _chain(self) -> Sequence[Link]:
        """Who reads words, in the order they are asked. Models are a help, not a need."""
        return [
            Link(f"words: {name}", ok, f"{detail}; messages read: {count}", needed=False)
            for name, ok, detail, count in self.reader.steps()
        ]


def command_menu() -> dict[str, list[tuple[str, str]]]:
    """Every command with its summary, by language: for Telegram's menu and the web room."""
    known = registry.commands().values()
    return {
        language: [(command.name, say(text(command.summary), language)) for command in known]
        for language in LANGUAGES
    }


Started = Callable[["App", str], Awaitable[None]]
"""Called once with the app and its address when everything answers."""


def run(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM; the exit status."""
    return asyncio.run(serve(settings))


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
        asyncio.create_task(keep_going(app.delivery.serve, "delivery"), name="delivery"),
        asyncio.create_task(keep_going(app.dispatcher.serve, "dispatcher"), name="dispatcher"),
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
        await app.reader.stop()
        await _sign(app)


def _http(app: App) -> uvicorn.Config:
    routers = [
        auto_routes(app.services),
        request_routes(app.services),
        anomaly_routes(app.services),
        reference_routes(),
        web_routes(app.web),
    ]
    if app.messenger is not None:
        routers.append(messenger_routes(app.messenger))
    served = web.build(
        routers, app.ready, app.measure, app.slack, app.telegram, version("watchstander")
    )
    return uvicorn.Config(
        served,
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

    path = settings.database.url.partition("///")[2] + ".lock"
    with open(path, "w") as held:  # noqa: PTH123
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
