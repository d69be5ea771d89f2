"""What handlers work with: the engine's parts, built once in bot/app.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.approvals.proposals import Proposals
from engine.cycle import Cycle
from engine.inventory import Inventory
from engine.language.reader import Reader
from engine.requests.desk import Desk
from storage.database import Database


@dataclass(frozen=True)
class Link:
    """One thing that may be alive or not: the database, a room platform, the model."""

    name: str
    ok: bool
    detail: str
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
