"""What a step of an attempt stands on: the rows as they are now, and what a look has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.approvals.proposals import Proposals
from engine.healing.checks import Check
from engine.healing.playbooks import Playbook, Playbooks
from engine.healing.probes import Finding, Prober
from engine.healing.settings import HealSettings
from engine.healing.verdict import Verdict
from storage import attempts, incidents
from storage.attempts import Attempt
from storage.database import Database, Transaction
from storage.incidents import Incident
from storage.lifecycle import IncidentState

_CHECK = "check:"


@dataclass(frozen=True)
class Tools:
    """What the steps work with."""

    db: Database
    proposals: Proposals
    playbooks: Playbooks
    prober: Prober
    settings: HealSettings


@dataclass(frozen=True)
class Now:
    """An attempt and its incident as they stand in this transaction, and what a look has found."""

    tx: Transaction
    tools: Tools
    attempt: Attempt
    incident: Incident
    found: tuple[Finding, ...]

    @property
    def playbook(self) -> Playbook | None:
        """As it is now; None = it is no longer there."""
        return self.tools.playbooks.named(self.attempt.playbook)

    @property
    def settings(self) -> HealSettings:
        """The bounds of healing."""
        return self.tools.settings

    @property
    def over(self) -> bool:
        """A person or the source says that it is over."""
        return self.incident.cleared_at is not None or self.closed

    @property
    def closed(self) -> bool:
        """A person says that it is over."""
        return self.incident.state is IncidentState.RESOLVED

    @property
    def acted_at(self) -> int:
        """When its action had run, or when it began."""
        return self.attempt.acted_at or self.attempt.started_at


async def wait_on(now: Now) -> None:
    """Nothing to do yet: look again in a few seconds."""
    later = now.tx.now + round(now.settings.look_every_s * 1000)
    await attempts.postpone(now.tx, now.attempt, later)


async def wait_for_thaw(now: Now) -> None:
    """A freeze holds it up: look again after a while."""
    later = now.tx.now + round(now.settings.frozen_look_s * 1000)
    await attempts.postpone(now.tx, now.attempt, later)


async def look(tools: Tools, attempt: Attempt, incident: Incident) -> tuple[Finding, ...]:
    """Every probe of what is touched, and of what the incident names. Outside any transaction.

    What is touched and left the inventory since is "cannot be told", not left out.
    """
    named = [incident.asset] if incident.asset in tools.proposals.planner.inventory.assets else []
    found = await tools.prober.look(list(dict.fromkeys([*attempt.targets, *map(str, named)])))
    check = reporter(tools, incident)
    return (await tools.prober.check(check.name), *found) if check is not None else found


def reporter(tools: Tools, incident: Incident) -> Check | None:
    """The check that reported the incident; None where it was another source, or is no more."""
    if not incident.source.startswith(_CHECK):
        return None
    return tools.prober.checks.get(incident.source.removeprefix(_CHECK))


def check_passes(now: Now) -> bool:
    """The very check that reported it is well again; not so where it is configured no more."""
    known = reporter(now.tools, now.incident) is not None
    return known and bool(now.found) and now.found[0].ok is True


def kept(attempt: Attempt, **looks: Sequence[Finding]) -> dict[str, list[dict[str, Any]]]:
    """What was found so far, and now."""
    new = {name: [finding.to_json() for finding in found] for name, found in looks.items()}
    return {**attempt.findings, **new}


async def note(now: Now, when: str, verdict: Verdict) -> None:
    """Write a look and what it means into the timeline; ``when`` is "after" or "settled"."""
    detail = {
        "attempt": now.attempt.id,
        "when": when,
        "health": verdict.health.value,
        "text": verdict.why.to_json(),
        "findings": [finding.to_json() for finding in now.found],
    }
    await incidents.note(now.tx, now.attempt.incident_id, "probe", detail)
