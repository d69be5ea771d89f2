"""From a wish to a plan: known targets, checked parameters, exact argv per host, risk, digest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rapidfuzz import process

from engine.actions.action_type import ActionType, Context, On
from engine.actions.registry import BY_NAME
from engine.actions.scripts import Scripts
from engine.actions.slots import REQUEST_KEY, is_plain, read_params, shown
from engine.errors import GiveUp, Why
from engine.execution.outcome import visible
from engine.inventory import Inventory, InventoryError, load_inventory
from engine.plan import Plan, Step
from engine.risk import Level, Policy, PolicyError, load_policy
from prompts.texts import Text, say, text

MOST_TARGETS = 100
_LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True)
class PlanSettings:
    """What plans are made with."""

    log_roots: tuple[str, ...] = (
        "/var/log",
        "/var/lib",
        "/opt",
        "/srv",
        "/data",
        "/u01",
        "/home",
    )
    """Folders on the hosts below which log files may be read. Absolute, without links or dots;
    writable only to services, see the note in engine/actions/log_collect.py."""

    ssh_user: str = "ops"
    """Login name on hosts whose asset names none. Not root: it should do no more than it must."""

    scripts: Path | None = None
    """Folder of registered scripts with its SHA256SUMS; without one script_exec is refused."""

    wave: int = 5
    """Hosts that a change is made on at a time, after one host alone; it ends at the first that
    fails. 0 = on all hosts at once. Part of each plan that it applies to, so another number makes
    new cards of those that wait."""

    def __post_init__(self) -> None:
        if not 0 <= self.wave <= MOST_TARGETS:
            raise ValueError(f"wave: {self.wave} must be a whole number from 0 to {MOST_TARGETS}")
        for root in self.log_roots:
            if not is_plain(root):
                raise ValueError(
                    f"log_roots: {root!r} must be an absolute path of ASCII names, such as /var/log"
                )


class Planner:
    """Makes plans. Never touches a host, and gives the same plan for the same input."""

    def __init__(
        self, inventory: Inventory, policy: Policy, scripts: Scripts, settings: PlanSettings
    ) -> None:
        self.inventory = inventory
        self.policy = policy
        self.scripts = scripts
        self._wave = settings.wave
        self._context = Context(
            inventory,
            scripts,
            tuple(settings.log_roots),
            settings.ssh_user,
        )

    def plan(
        self,
        action: str,
        targets: Sequence[str],
        params: Mapping[str, Any],
        hint: bool = False,
    ) -> Plan:
        """The plan of an action on targets, or GiveUp with what is wrong.

        Targets are asset codes (request keys for bulk_sr_update), at most 100; one that is named
        twice counts once.  ``hint`` may raise the risk to HIGH, never lower it.
        """
        kind = self._kind(action)
        unique = self._targets(kind, targets)
        if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
            raise GiveUp(Why.INVALID, text("plan_params_form", params=shown(params)))
        canonical = read_params(kind.name, kind.slots(self._context), params)
        steps = kind.build(unique, canonical, self._context)
        _prove(steps)
        risk = self.policy.assess(kind.name, unique, self._environments(kind, unique), hint)
        return Plan(
            kind.name,
            unique,
            canonical,
            steps,
            risk.level.name,
            tuple(reason.to_json() for reason in risk.reasons),
            self.policy.version,
            self._rolling(kind, steps),
        )

    def _rolling(self, kind: ActionType, steps: Sequence[Step]) -> int:
        """Hosts in a wave; 0 where nothing is changed, or no second host could be spared."""
        level = self.policy.levels.get(kind.name, self.policy.unlisted)
        several = len({step.host for step in steps}) > 1
        return self._wave if several and kind.changes and level > Level.LOW else 0

    def _kind(self, action: object) -> ActionType:
        if isinstance(action, str) and action in BY_NAME:
            return BY_NAME[action]
        name = shown(action)
        if isinstance(action, str) and action in self.policy.levels:
            raise GiveUp(Why.INVALID, text("plan_no_runner", action=name))
        known = ", ".join(BY_NAME)
        raise GiveUp(Why.INVALID, text("plan_unknown_action", action=name, known=known))

    def _targets(self, kind: ActionType, targets: object) -> tuple[str, ...]:
        if not isinstance(targets, list | tuple) or not all(isinstance(t, str) for t in targets):
            raise GiveUp(Why.INVALID, text("plan_targets_form", targets=shown(targets)))
        unique = tuple(dict.fromkeys(targets))
        if not unique:
            raise GiveUp(Why.INVALID, text("plan_no_targets", action=kind.name))
        if len(unique) > MOST_TARGETS:
            count = len(unique)
            raise GiveUp(
                Why.INVALID, text("plan_too_many_targets", count=count, limit=MOST_TARGETS)
            )
        if kind.on is On.REQUESTS:
            return tuple(REQUEST_KEY.read(key, "target") for key in unique)
        unknown = [code for code in unique if code not in self.inventory.assets]
        if unknown:
            raise GiveUp(Why.INVALID, self._unknown_targets(unknown))
        return unique

    def _unknown_targets(self, unknown: Sequence[str]) -> Text:
        names = [shown(code) for code in unknown[:5]]
        if len(unknown) > len(names):
            names.append("…")
        near: dict[str, None] = {}
        for code in unknown[:5]:
            found = process.extract(
                code[:64], self.inventory.assets.keys(), limit=3, score_cutoff=60
            )
            near.update(dict.fromkeys(match[0] for match in found))
        return text("plan_unknown_targets", names=", ".join(names), near=", ".join(list(near)[:5]))

    def _environments(self, kind: ActionType, targets: Sequence[str]) -> list[str]:
        if kind.on is On.REQUESTS:
            return []
        return [self.inventory.assets[code].environment for code in targets]


def _prove(steps: Sequence[Step]) -> None:
    """The last look at what goes to a host, whatever the slots were. Raises ValueError: a bug."""
    if not steps:
        raise ValueError("a plan without steps")
    for step in steps:
        if not step.host:
            continue
        for word in step.argv:
            if not word or not word.isascii() or not word.isprintable():
                raise ValueError(f"{step.asset}: {word!r} cannot stand in an argv")


def to_report(plan: Plan) -> dict[str, Any]:
    """The plan as the command line and REST show it: plain JSON, reasons in English.

    ``steps`` has every step in order; ``hosts`` maps a host to the argv it will get, in order;
    ``waves`` lists the hosts that are worked on together, and with ``rolling`` (not 0) the first
    that fails ends it.
    """
    hosts: dict[str, list[list[str]]] = {}
    for step in plan.steps:
        if step.host:
            hosts.setdefault(step.host, []).append(list(step.argv))
    return {
        "action": plan.action,
        "targets": list(plan.targets),
        "params": dict(plan.params),
        "risk": plan.risk,
        "reasons": [say(Text.from_json(reason), "en") for reason in plan.reasons],
        "policy_version": plan.policy_version,
        "digest": plan.digest,
        "steps": [_step_report(step) for step in plan.steps],
        "hosts": hosts,
        "rolling": plan.rolling,
        "waves": [list(wave) for wave in plan.waves] if hosts else [],
    }


def _step_report(step: Step) -> dict[str, Any]:
    report: dict[str, Any] = {
        "asset": step.asset,
        "host": step.host,
        "endpoint": step.endpoint,
        "argv": list(step.argv),
    }
    if step.under:
        report["under"] = list(step.under)
    if step.upload:
        report["upload"] = step.upload
    return report


def run_plan_command(
    inventory_path: Path,
    action: str,
    targets: Sequence[str],
    params: Mapping[str, Any],
    jsonl_path: Path | None,
    *,
    out: IO[str],
    settings: PlanSettings | None = None,
    policy_path: Path | None = None,
) -> int:
    """``watchstander plan``: writes the report, or the refusal, as JSON. Gives the exit status.

    0 with a plan; 2 with a refusal.  With ``jsonl_path`` every line of that file gets one line of
    answer, in order, a refusal too, and the status is 0; 2 only when the files cannot be read.
    """
    settings = settings or PlanSettings()
    try:
        inventory, policy = load_inventory(inventory_path), load_policy(policy_path)
        planner = Planner(inventory, policy, Scripts(settings.scripts), settings)
        if jsonl_path is not None:
            with jsonl_path.open("rb") as lines:
                for answer in _answers(planner, lines):
                    print(json.dumps(answer, ensure_ascii=False), file=out)
            return 0
        report = to_report(planner.plan(action, targets, params))
    except GiveUp as refusal:
        answer, status = _refusal(refusal), 2
    except (InventoryError, PolicyError) as error:
        answer, status = {"refused": Why.INVALID.value, "message": visible(str(error))}, 2
    except OSError as error:
        message = visible(f"{error.filename}: {error.strerror}; mend the path")
        answer, status = {"refused": Why.INVALID.value, "message": message}, 2
    else:
        answer, status = report, 0
    print(json.dumps(answer, ensure_ascii=False, indent=2), file=out)
    return status


def _answers(planner: Planner, lines: IO[bytes]) -> Iterator[dict[str, Any]]:
    number = 0
    while line := lines.readline(_LONGEST_LINE + 1):
        number += 1
        too_long = len(line) > _LONGEST_LINE
        while too_long and line and not line.endswith(b"\n"):
            line = lines.readline(_LONGEST_LINE)
        try:
            if too_long:
                raise GiveUp(Why.INVALID, text("plan_line_long", limit=_LONGEST_LINE))
            yield to_report(_plan_line(planner, line))
        except GiveUp as refusal:
            yield {"line": number, **_refusal(refusal)}


def _plan_line(planner: Planner, line: bytes) -> Plan:
    try:
        asked = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise GiveUp(Why.INVALID, text("plan_line_broken")) from None
    if not isinstance(asked, dict):
        raise GiveUp(Why.INVALID, text("plan_line_broken"))
    for key in asked:
        if key not in ("action", "targets", "params"):
            raise GiveUp(Why.INVALID, text("plan_line_key", key=shown(key)))
    return planner.plan(asked.get("action", ""), asked.get("targets", []), asked.get("params", {}))


def _refusal(refusal: GiveUp) -> dict[str, Any]:
    return {"refused": refusal.why.value, "message": say(refusal.text, "en")}
