"""Every playbook in force, which of them is for an incident, and what it would touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import GiveUp
from engine.healing.playbook import KINDS, Playbook, Step, Undo, at_least
from engine.healing.playbook_files import read_folder
from engine.incidents.reports import SEVERITIES
from engine.inventory import Inventory
from engine.plan import Plan
from engine.planning import Planner, PlanSettings

__all__ = [
    "KINDS",
    "SEVERITIES",
    "Playbook",
    "PlaybookError",
    "Playbooks",
    "Step",
    "Undo",
    "at_least",
    "choose",
    "load_playbooks",
    "plan_for",
    "targets_of",
]

SHIPPED = Path(__file__).with_name("playbooks")


class PlaybookError(Exception):
    """Playbooks cannot be used. ``problems`` holds "where: what; the mend", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Playbooks:
    """All playbooks, the team's own first, each lot in the order of its file names."""

    all: tuple[Playbook, ...]

    def __iter__(self) -> Iterator[Playbook]:
        return iter(self.all)

    def named(self, name: str) -> Playbook | None:
        """The playbook of that name."""
        return next((one for one in self.all if one.name == name), None)

    def find(self, kind: str, severity: str, text: str) -> Playbook | None:
        """The first playbook for an incident of this class, severity (P1, P2, P3) and text."""
        return next(self.matching(kind, severity, text), None)

    def matching(self, kind: str, severity: str, text: str) -> Iterator[Playbook]:
        """Every playbook for such an incident, in order."""
        return (one for one in self.all if one.is_for(kind, severity, text))


def load_playbooks(folder: Path | None = None, plan: PlanSettings | None = None) -> Playbooks:
    """The team's own playbooks before the shipped ones. Raises PlaybookError with every problem.

    An own one takes the place of the shipped one of the same name.  ``plan`` says which log
    folders parameters may name.
    """
    settings = plan or PlanSettings()
    own, problems = read_folder(folder, settings) if folder is not None else ([], [])
    shipped, faults = read_folder(SHIPPED, settings)
    if problems or faults:
        raise PlaybookError(problems + faults)
    taken = {one.name for one in own}
    return Playbooks((*own, *(one for one in shipped if one.name not in taken)))


def targets_of(playbook: Playbook, inventory: Inventory, asset: str) -> tuple[str, ...]:
    """Codes of the assets that the playbook would touch for an incident on an asset; () = none.

    The asset itself where it has the role.  Else, with reach "system", every asset of the role in
    its system and environment, in the inventory's order.  DOCKER_RESTART is for containers alone.
    """
    named = inventory.assets.get(asset)
    step = playbook.step
    if named is None or not step.role:
        return ()
    if named.role == step.role:
        found = [named]
    elif step.reach == "asset":
        found = []
    else:
        found = [
            one
            for one in inventory.assets.values()
            if (one.system, one.environment) == (named.system, named.environment)
            and one.role == step.role
        ]
    return tuple(one.code for one in found if one.container or step.kind != "DOCKER_RESTART")


def choose(
    playbooks: Playbooks,
    inventory: Inventory,
    kind: str,
    severity: str,
    words: str,
    asset: str | None,
) -> tuple[Playbook | None, tuple[str, ...]]:
    """The playbook for an incident, and the assets that it would touch.

    The first one that matches and finds something to touch; else the first one that matches, which
    can then only be told.  The role of the asset counts as one of the words.
    """
    named = inventory.assets.get(asset or "")
    if named is not None:
        words = f"{words}\n{named.role}"
    first: Playbook | None = None
    for playbook in playbooks.matching(kind, severity, words):
        targets = targets_of(playbook, inventory, named.code) if named is not None else ()
        if targets or not playbook.step.action:
            return playbook, targets
        first = first or playbook
    return first, ()


def plan_for(playbook: Playbook, planner: Planner, targets: Sequence[str]) -> Plan:
    """The plan of its action on targets, or of its second one where the first cannot be planned.

    Raises the first one's GiveUp when neither can.  Only for a playbook with an action.
    """
    step = playbook.step
    try:
        return planner.plan(step.action, targets, step.params)
    except GiveUp:
        if step.otherwise:
            with suppress(GiveUp):
                return planner.plan(step.otherwise, targets, step.params)
        raise
