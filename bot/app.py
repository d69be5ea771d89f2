"""The one file that builds the parts and joins them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.delivery import Delivery, DeliverySettings
from bot.in_time import in_time
from bot.links import Links
from bot.metrics import ACTIONS, DISK_FREE, INCIDENTS, LINK_UP, OLDEST, WAITING
from bot.platforms.messenger.platform import MessengerPlatform
from bot.platforms.port import Platform, Turn
from bot.platforms.web.platform import WebPlatform
from bot.readiness import Readiness, folders
from bot.reports import ReportWorker
from bot.roles import Roles
from bot.schedule import Schedule
from bot.settings import Settings
from bot.settings_secrets import secrets_in
from bot.worker import InboxWorker, WorkerSettings
from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals
from engine.approvals.second_factor import SecondFactor
from engine.approvals.watch import ApprovalWatch
from engine.audit import Checkpointer
from engine.cycle import Cycle
from engine.execution.dispatch import Dispatch
from engine.execution.dispatcher import Dispatcher
from engine.execution.inside import RequestSteps
from engine.execution.runs import Runs
from engine.execution.ssh import SshRunner
from engine.healing.check_rounds import CheckRounds
from engine.healing.healer import Healer
from engine.healing.playbooks import load_playbooks
from engine.healing.probes import Prober
from engine.inventory import Inventory, load_inventory
from engine.knowledge.knowledge import Knowledge
from engine.language.reader import Reader
from engine.nudges import Nudges, load_rules
from engine.planning import Planner
from engine.requests.desk import Desk
from engine.risk import load_policy
from engine.upkeep.expiry import Upkeep
from handlers.commands import registry
from handlers.explaining import Explaining
from handlers.router import Router
from handlers.services import Link, Services
from prompts.texts import LANGUAGES, say, text
from storage import actions, address, inbox, incidents, outbox, redaction
from storage.database import Away, Clock, Database
from storage.lifecycle import IncidentState, State

if TYPE_CHECKING:
    from bot.platforms.slack.platform import SlackPlatform
    from bot.platforms.telegram.platform import TelegramPlatform

WORKS = (
    "inbox",
    "reports",
    "delivery",
    "healer",
    "learning",
    "answers",
    "ticks",
    "audit",
    "telegram",
)
"""What one process at a time does, of all that share a database."""

_KEEP_WITHIN_S = 2.5
"""Slack takes an acknowledgement within 3 seconds: what is not kept by then is refused."""


class App:
    """All parts, built from the settings; nothing runs yet."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        redaction.know(secrets_in(settings))
        self.db = Database.open(settings.database, clock)
        self.roles = Roles(self.db, settings.replica, WORKS)
        inventory = load_inventory(settings.inventory.file)
        policy = load_policy(settings.policy.file)
        scripts = Scripts(settings.plan.scripts)
        planner = Planner(inventory, policy, scripts, settings.plan)
        factor = SecondFactor(settings.approvals) if settings.approvals.coded else None
        proposals = Proposals(planner, settings.approvals, factor)
        desk = Desk(settings.sla)
        self.runner = runner = SshRunner(settings.ssh, inventory, scripts)
        prober = Prober(planner, runner, settings.checks)
        playbooks = load_playbooks(settings.heal.playbooks, settings.plan)
        self.healer = Healer(self.db, proposals, playbooks, prober, settings.heal)
        self.watch = ApprovalWatch(self.db, proposals, settings.approvals)
        self.reader = Reader(inventory, settings.model)
        self.links = Links(self._platforms(settings))
        self.knowledge = Knowledge(self.db, settings.knowledge, settings.model, desk)
        self.cycle = self._cycle(settings, desk)
        nudges = Nudges(load_rules(settings.nudge_rules, policy), planner, settings.nudges)
        self.upkeep = Upkeep(self.db, inventory.listed, settings.upkeep, settings.team.time_zone)
        self.explaining = Explaining(self.db, inventory, self.knowledge.writer)
        self.services = self._services(inventory, proposals, desk, nudges)
        self.checks = CheckRounds(self.db, prober, inventory, self.services.report_settings)
        self.worker = InboxWorker(self.db, Router(self.services), self.links, WorkerSettings())
        self.reports = ReportWorker(self.services)
        self.delivery = self._delivery()
        runs = Runs(self.db, proposals, runner, RequestSteps(self.db, desk), settings.runner)
        self.dispatcher = _dispatch(self.db, runs, settings.database.url)
        self.checkpointer = Checkpointer(settings.audit)
        self.schedule = Schedule()
        self.readiness = self._readiness(settings)

    def _services(
        self, inventory: Inventory, proposals: Proposals, desk: Desk, nudges: Nudges
    ) -> Services:
        return Services(
            db=self.db,
            inventory=inventory,
            reader=self.reader,
            proposals=proposals,
            desk=desk,
            cycle=self.cycle,
            links=self._states,
            healer=self.healer,
            report_settings=self.settings.incidents,
            checks=self.settings.checks,
            nudges=nudges,
            upkeep=self.upkeep,
            knowledge=self.knowledge,
            explaining=self.explaining,
        )

    def _cycle(self, settings: Settings, desk: Desk) -> Cycle:
        return Cycle(
            self.db,
            desk,
            self.watch.run_once,
            settings.cycle,
            answer=self.knowledge.answer,
            draft=self.knowledge.drafts.in_cycle,
        )

    def _platforms(self, settings: Settings) -> Sequence[Platform]:
        menu = command_menu()
        self.web = WebPlatform(settings.web, self.db, settings.rooms, menu)
        self.slack = self._slack(settings)
        self.telegram = self._telegram(settings, menu)
        self.messenger = (
            MessengerPlatform(settings.messenger, self.db) if settings.messenger else None
        )
        every = (self.web, self.slack, self.telegram, self.messenger)
        return [platform for platform in every if platform is not None]

    def _delivery(self) -> Delivery:
        ours = partial(self.roles.holds, "delivery")
        return Delivery(self.db, self.links, DeliverySettings(), ours)

    def _readiness(self, settings: Settings) -> Readiness:
        file = address.sqlite_file(settings.database.url)
        return Readiness(
            self.db,
            settings.health,
            folders(file, settings.audit.checkpoint_file),
            {"inbox": lambda: self.worker.turned, "delivery": lambda: self.delivery.turned},
            self.roles.holds,
        )

    # Imported where they are used: a fifth of the start, for libraries that many never need.

    def _slack(self, settings: Settings) -> SlackPlatform | None:
        if settings.slack is None:
            return None
        from bot.platforms.slack.platform import SlackPlatform

        return SlackPlatform(settings.slack)

    def _telegram(
        self, settings: Settings, menu: dict[str, list[tuple[str, str]]]
    ) -> TelegramPlatform | None:
        if settings.telegram is None:
            return None
        from bot.platforms.telegram.platform import TelegramPlatform

        turn = Turn(lambda: self.roles.holds("telegram"), self._keep_polled)
        return TelegramPlatform(settings.telegram, menu, turn)

    def _states(self) -> Sequence[Link]:
        links, roles = self.links.states(), self.roles.states()
        return [*self.readiness.troubles(), *links, *self._chain(), *roles]

    async def keep(self, source: str, delivery_id: str, raw: Mapping[str, Any], lane: str) -> bool:
        """The inbox row, committed before the platform acknowledges.

        Raises TimeoutError when that takes too long to be of use; a row that is committed all the
        same is known by its delivery id when the platform sends it again.
        """

        async def kept() -> bool:
            async with self.db.write(urgent=True) as tx:
                return await inbox.keep(tx, source, delivery_id, dict(raw), lane) is not None

        return await in_time(kept(), _KEEP_WITHIN_S, "the database")

    async def _keep_polled(
        self, source: str, delivery_id: str, raw: Mapping[str, Any], lane: str
    ) -> bool:
        """The same for what is fetched. Raises NotOurTurn: whoever took over fetches it, too."""

        async def kept() -> bool:
            async with self.db.write(urgent=True) as tx:
                await self.roles.require(tx, source)
                return await inbox.keep(tx, source, delivery_id, dict(raw), lane) is not None

        return await in_time(kept(), _KEEP_WITHIN_S, "the database")

    async def ready(self) -> Sequence[Link]:
        """For /readyz: the database is asked to write, the rest says how it is."""
        await self.readiness.look()
        return [*self.readiness.states(), *self.links.states(), *self._chain()]

    async def measure(self) -> None:
        """Set the gauges of /metrics. While the database is away, those of its rows stand still."""
        await self.readiness.look()
        with contextlib.suppress(TimeoutError, Away):
            await in_time(self._count(), self.settings.health.answer_s, "the database")
        OLDEST.labels("inbox").set(self.readiness.waits.inbox_ms / 1000)
        OLDEST.labels("outbox").set(self.readiness.waits.outbox_ms / 1000)
        for folder, free in self.readiness.free.items():
            DISK_FREE.labels(str(folder)).set(free)
        # A process that ended is no link any more; no await up to the end, so nobody reads half.
        LINK_UP.clear()
        for link in [*self._states(), *self.readiness.states()]:
            LINK_UP.labels(say(link.name, "en")).set(link.ok)

    async def _count(self) -> None:
        async with self.db.read() as tx:
            counts = await actions.counts(tx)
            happened = await incidents.counts(tx)
            WAITING.labels("inbox").set(await inbox.count_waiting(tx))
            WAITING.labels("outbox").set(await outbox.count_waiting(tx))
        for state in State:
            ACTIONS.labels(state.value).set(counts.get(state, 0))
        for stands in IncidentState:
            INCIDENTS.labels(stands.value).set(happened.get(stands, 0))

    def _chain(self) -> Sequence[Link]:
        """Who reads words, in the order they are asked. Models are a help, not a need."""
        chain = [
            Link(
                text("link_words", step=text(f"link_step_{name}")),
                ok,
                text("link_words_read", detail=detail, count=count),
                needed=False,
            )
            for name, ok, detail, count in self.reader.steps()
        ]
        near = self.knowledge.nearness
        if near is not None:
            chain.append(Link(text("link_embeddings"), near.ok, near.condition, needed=False))
        return chain


def _dispatch(db: Database, runs: Runs, url: str) -> Dispatch:
    if not db.is_shared:
        return Dispatcher(db, runs)
    # Loaded only here: one process on SQLite pays nothing for it.
    from engine.execution.queue import Queue

    return Queue(db, runs, url)


def command_menu() -> dict[str, list[tuple[str, str]]]:
    """Every command with its summary, by language: for Telegram's menu and the web room."""
    known = registry.commands().values()
    return {
        language: [(command.name, say(text(command.summary), language)) for command in known]
        for language in LANGUAGES
    }
