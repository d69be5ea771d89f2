"""A plan: exactly what will run, on which hosts, under one digest. Immutable once made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One argv on one host."""

    asset: str
    """Asset code, or the request key for steps inside Watchstander."""
    host: str
    """Inventory host name; "" = inside Watchstander, no host is touched."""
    endpoint: str
    """user@address:port that the connection goes to; "" for inside."""
    argv: tuple[str, ...]
    under: tuple[str, ...] = ()
    """If set, the step's output must be one path below one of these; else the run stops here."""
    upload: str = ""
    """SHA-256 of a registered script that is put on the host before the step."""


@dataclass(frozen=True)
class Plan:
    """What was shown is what is approved is what runs."""

    action: str
    targets: tuple[str, ...]
    params: Mapping[str, Any]
    steps: tuple[Step, ...]
    risk: str
    reasons: tuple[Mapping[str, Any], ...] = field(default=())
    """Why this risk, as JSON of Text; not part of the digest."""
    policy_version: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over all that matters; cosmetic words (reasons, description) are left out."""
        covered = {
            "action": self.action,
            "targets": list(self.targets),
            "params": dict(self.params),
            "steps": [asdict(step) for step in self.steps],
            "risk": self.risk,
            "policy_version": self.policy_version,
        }
        canonical = json.dumps(covered, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "digest": self.digest}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Plan:
        return Plan(
            action=raw["action"],
            targets=tuple(raw["targets"]),
            params=raw["params"],
            steps=tuple(
                Step(**{**s, "argv": tuple(s["argv"]), "under": tuple(s["under"])})
                for s in raw["steps"]
            ),
            risk=raw["risk"],
            reasons=tuple(raw["reasons"]),
            policy_version=raw["policy_version"],
        )
