"""The one file that builds the parts and joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.delivery import Delivery, DeliverySettings
from bot.links import Links
from bot.metrics import ACTIONS, INCIDENTS, LINK_UP, WAITING
from bot.platforms.messenger.platform import MessengerPlatform
from bot.platforms.port import Platform
from bot.platforms.slack.platform import SlackPlatform
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.web.platform import WebPlatform
from bot.reports import ReportWorker
from bot.schedule import Schedule
from bot.settings import Settings
from bot.worker import InboxWorker, WorkerSettings
from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals
from engine.approvals.watch import ApprovalWatch
from engine.audit import Checkpointer
from engine.cycle import Cycle
from engine.execution.dispatcher import Dispatcher
from engine.execution.inside import RequestSteps
from engine.execution.ssh import SshRunner
from engine.healing.check_rounds import CheckRounds
from engine.healing.healer import Healer
from engine.healing.playbooks import load_playbooks
from engine.healing.probes import Prober
from engine.inventory import load_inventory
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
from storage import actions, inbox, incidents, outbox, people
from storage.database import Clock, Database
from storage.lifecycle import IncidentState, State


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
        runner = SshRunner(settings.ssh, inventory, scripts)
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
        self.services = Services(
            db=self.db,
            inventory=inventory,
            reader=self.reader,
            proposals=proposals,
            desk=desk,
            cycle=self.cycle,
            links=self._states,
            healer=self.healer,
            report_settings=settings.incidents,
            checks=settings.checks,
            nudges=nudges,
            upkeep=self.upkeep,
            knowledge=self.knowledge,
            explaining=self.explaining,
        )
        self.checks = CheckRounds(self.db, prober, inventory, self.services.report_settings)
        self.worker = InboxWorker(self.db, Router(self.services), self.links, WorkerSettings())
        self.reports = ReportWorker(self.services)
        self.delivery = Delivery(self.db, self.links, DeliverySettings())
        inside = RequestSteps(self.db, desk)
        self.dispatcher = Dispatcher(self.db, proposals, runner, inside, settings.runner)
        self.checkpointer = Checkpointer(settings.audit)
        self.schedule = Schedule()

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
            happened = await incidents.counts(tx)
            WAITING.labels("inbox").set(await inbox.count_waiting(tx))
            WAITING.labels("outbox").set(await outbox.count_waiting(tx))
        for state in State:
            ACTIONS.labels(state.value).set(counts.get(state, 0))
        for stands in IncidentState:
            INCIDENTS.labels(stands.value).set(happened.get(stands, 0))
        for link in self._states():
            LINK_UP.labels(say(link.name, "en")).set(link.ok)

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


def command_menu() -> dict[str, list[tuple[str, str]]]:
    """Every command with its summary, by language: for Telegram's menu and the web room."""
    known = registry.commands().values()
    return {
        language: [(command.name, say(text(command.summary), language)) for command in known]
        for language in LANGUAGES
    }
