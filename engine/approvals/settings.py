"""How long people have, and when they are reminded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ApprovalSettings:
    """Clocks of an approval."""

    escalate_minutes: int = 30
    """Minutes without an answer until the approvals rooms and the on-call people are told."""

    expire_hours: int = 24
    """Hours without an answer until the action is EXPIRED."""

    run_within_minutes: int = 30
    """Minutes in which an approved action must start; after that it is EXPIRED."""
