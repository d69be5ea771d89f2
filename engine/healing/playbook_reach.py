"""What each playbook could touch in an inventory, for whoever sets it up."""

from __future__ import annotations

from engine.errors import GiveUp
from engine.healing.playbooks import Playbook, plan_for, targets_of
from engine.planning import Planner
from prompts.texts import say

_SHOWN = 8


def reach(playbook: Playbook, planner: Planner) -> list[str]:
    """Lines in English: the assets it could touch, and those it is for but could not act on."""
    step, inventory = playbook.step, planner.inventory
    if not step.action:
        return []
    place = f"{playbook.name} (role {step.role})"
    groups = {targets_of(playbook, inventory, code) for code in inventory.assets} - {()}
    if not groups:
        what = "container" if step.kind == "DOCKER_RESTART" else "asset"
        return [f"{place}: no {what} of the inventory has that role; it would call a person"]
    touched: set[str] = set()
    lines: list[str] = []
    for group in sorted(groups):
        try:
            plan_for(playbook, planner, group)
        except GiveUp as refusal:
            lines.append(f"{place}: not for {_few(group)}: {say(refusal.text, 'en')}")
        else:
            touched.update(group)
    if touched:
        lines.insert(0, f"{place} may touch {_few([c for c in inventory.assets if c in touched])}")
    return lines


def _few(codes: list[str] | tuple[str, ...]) -> str:
    more = len(codes) - _SHOWN
    return ", ".join(codes[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
