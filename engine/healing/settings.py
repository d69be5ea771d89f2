"""How healing is kept within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HealSettings:
    """When Watchstander repairs by itself, and when it stops trying."""

    enabled: bool = True
    """false = incidents are kept and shown, and a person is called; nothing is tried."""

    playbooks: Path | None = None
    """Folder of the team's own playbooks (TOML); they come before the shipped ones."""

    look_every_s: float = 5.0
    """Seconds between looks when nothing was announced."""

    frozen_look_s: float = 30.0
    """Seconds until an incident is looked at again that a freeze or another repair holds up."""

    retry_hours: int = 24
    """Hours in which the tries of a playbook on a target are counted against its max_retries."""

    start_s: float = 120.0
    """Seconds after a command in which a service may still be starting; broken then is broken."""

    clear_minutes: int = 15
    """Minutes after a repair in which its source has to say that the alert is over, or a host that
    cannot be looked at has to answer; after that the repair counts as failed."""

    per_target: int = 3
    """Attempts an hour on one target; one more opens its breaker until a person closes it."""

    per_symptom: int = 3
    """Attempts an hour for one symptom."""

    per_hour: int = 10
    """Attempts an hour in all."""

    block_days: int = 7
    """Days in which a repair that failed is not tried again by itself for the same symptom."""

    clean_runs: int = 3
    """Good manual runs of the same action on the same targets that lift such a block."""

    remind_hours: int = 24
    """Hours until an open breaker is told again."""
