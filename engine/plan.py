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
    """user@address:port that the connection goes to, with " via user@address:port" for the
    bastion it goes through; "" for inside."""
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
    rolling: int = 0
    """Hosts in a wave: one host goes first and alone, then so many at a time, and the first that
    fails ends it. 0 = all hosts at once."""

    @property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Its hosts in the plan's order, those that are worked on together in one tuple."""
        hosts = tuple(dict.fromkeys(step.host for step in self.steps))
        if not self.rolling:
            return (hosts,)
        later = range(1, len(hosts), self.rolling)
        return (hosts[:1], *(hosts[start : start + self.rolling] for start in later))

    @property
    def digest(self) -> str:
        """SHA-256 over all that matters; cosmetic words (reasons, description) are left out."""
        covered: dict[str, Any] = {
            "action": self.action,
            "targets": list(self.targets),
            "params": dict(self.params),
            "steps": [asdict(step) for step in self.steps],
            "risk": self.risk,
            "policy_version": self.policy_version,
        }
        if self.rolling:
            covered["rolling"] = self.rolling
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
            rolling=raw.get("rolling", 0),  # rows of before there was such a thing
        )
