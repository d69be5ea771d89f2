"""What handlers work with: the engine's parts, built once in bot/app.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.approvals.proposals import Proposals
from engine.cycle import Cycle
from engine.healing.checks import Check
from engine.healing.healer import Healer
from engine.incidents.reports import ReportSettings
from engine.inventory import Inventory
from engine.knowledge.knowledge import Knowledge
from engine.language.reader import Reader
from engine.nudges import Nudges
from engine.requests.desk import Desk
from engine.upkeep.expiry import Upkeep
from handlers.api.wrong_tokens import WrongTokens
from handlers.explaining import Explaining
from prompts.texts import Text
from storage.database import Database


@dataclass(frozen=True)
class Link:
    """One thing that may be alive or not: the database, a room platform, the model."""

    name: Text | str
    ok: bool
    detail: Text | str
    needed: bool = True
    """Without it the bot is not ready; the model is a help, not a need."""


@dataclass(frozen=True)
class Services:
    """The parts by name."""

    db: Database
    inventory: Inventory
    reader: Reader
    """Words → contract (engine/language)."""
    proposals: Proposals
    """Propose and decide (engine/approvals)."""
    desk: Desk
    """Service requests (engine/requests)."""
    cycle: Cycle
    """The five-minute round (engine/cycle)."""
    links: Callable[[], Sequence[Link]]
    """How things are, for /status and /readyz."""
    healer: Healer
    """Playbooks, and what is tried when (engine/healing)."""
    nudges: Nudges
    """Checks that are offered when people talk about trouble (engine/nudges)."""
    upkeep: Upkeep
    """Certificates, licences and domains that end (engine/upkeep)."""
    knowledge: Knowledge
    """Articles, answers and what fills them (engine/knowledge)."""
    explaining: Explaining
    """A model words root causes, when there is one (handlers/explaining)."""
    checks: Sequence[Check] = field(default=(), kw_only=True)
    """The configured health checks (engine/healing/checks)."""
    report_settings: ReportSettings = field(default=ReportSettings(), kw_only=True)
    """How reports become incidents (engine/incidents/reports)."""
    wrong_tokens: WrongTokens = field(default_factory=WrongTokens, kw_only=True)
    """Wrong bearer tokens by address (handlers/api/wrong_tokens)."""
