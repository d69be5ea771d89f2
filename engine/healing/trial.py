"""A dry run: what would be done about an alert's text, and what stands in its way."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import GiveUp
from engine.healing import guards
from engine.healing.consider import Considering
from engine.healing.guards import Repair, Weighed
from engine.healing.playbooks import Playbook, choose, plan_for
from engine.incidents.classify import classify
from engine.incidents.symptom import symptom_hash
from engine.plan import Plan
from prompts.texts import Text
from storage.database import Transaction


@dataclass(frozen=True)
class Trial:
    """What would happen."""

    kind: str
    """The class."""
    symptom: str
    playbook: Playbook | None = None
    targets: tuple[str, ...] = ()
    plan: Plan | None = None
    """None where nothing would be run, or where it cannot be planned."""
    refused: Text | None = None
    """Why it cannot be planned."""
    weighed: Weighed | None = None
    """What the guards say; None where it does not come to that."""


async def try_text(
    tx: Transaction, known: Considering, words: str, severity: str, asset: str | None
) -> Trial:
    """A text as if it were reported now; its first line is the summary. Reads rows, writes none."""
    kind = classify(words)
    symptom = symptom_hash(kind, asset or "", words.strip().partition("\n")[0])
    playbook, targets = choose(
        known.playbooks, known.planner.inventory, kind, severity, words, asset
    )
    if playbook is None:
        return Trial(kind, symptom)
    if playbook.step.action and not targets:
        return Trial(kind, symptom, playbook)
    plan = None
    if playbook.step.action:
        try:
            plan = plan_for(playbook, known.planner, targets)
        except GiveUp as refusal:
            return Trial(kind, symptom, playbook, targets, refused=refusal.text)
    repair = Repair(playbook, symptom, targets, plan.action if plan else "")
    weighed = await guards.weigh(tx, known.settings, repair)
    return Trial(kind, symptom, playbook, targets, plan, weighed=weighed)
