"""docs/reference/actions.md: the policy table, and what each type with a runner runs."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.demo_folder import write_folder
from engine.actions.action_type import ActionType, Context, On
from engine.actions.names import action_name
from engine.actions.registry import BY_NAME
from engine.actions.scripts import Scripts
from engine.actions.slots import NEEDED, Slot
from engine.errors import GiveUp
from engine.inventory import load_inventory
from engine.planning import Planner, PlanSettings
from engine.risk import Policy, load_policy
from prompts.texts import Text, say
from tests.reference.markdown import page, table

_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "log_collect": {"path": "/var/log/tomcat/current", "lines": 100},
    "script_exec": {"script": "disk_report.sh"},
    "account_disable": {"account": "j.smith"},
    "bulk_sr_update": {"op": "close", "value": "done with the release"},
}
_EXAMPLE_TARGETS = {
    "bulk_sr_update": ["SR-20261120-0001", "SR-20261120-0002"],
    "db_lock_status": ["HB-LOAN-DB-01"],
    "compose_restart": ["YH-WMS-APP"],
}


def page_text() -> str:
    policy = load_policy()
    parts = [
        "# Action types",
        "The level comes from `engine/risk.toml`; a file named in `[policy]` overrides single"
        " entries. LOW runs now. MEDIUM runs and tells the rooms. HIGH waits for an ENGINEER or"
        " ADMIN, CRITICAL for an ADMIN; never for the person who asked. A type without a runner"
        " is in the table and refuses.",
        table(
            ("type", "level", "runner", "name"),
            [
                (f"`{name}`", level.name, "yes" if name in BY_NAME else "no", _spoken(name))
                for name, level in policy.levels.items()
            ],
        ),
        "## What raises a level",
        _raising(policy),
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "demo"
        write_folder(place, 8484)
        inventory, scripts = load_inventory(place / "inventory.toml"), Scripts(place / "scripts")
        settings = PlanSettings()
        planner = Planner(inventory, policy, scripts, settings)
        context = Context(inventory, scripts, settings.log_roots, settings.ssh_user)
        for kind in BY_NAME.values():
            parts += _action(kind, policy, planner, context)
    return page(parts)


def _raising(policy: Policy) -> str:
    places = ", ".join(policy.critical_environments)
    return (
        f"- HIGH becomes CRITICAL when a target is in {places}.\n"
        f"- HIGH becomes CRITICAL on more than {policy.critical_above_targets} targets.\n"
        "- LOW and MEDIUM become HIGH when the reader of the words says that approval is needed.\n"
        f"- A type that is in no table counts as {policy.unlisted.name}.\n\n"
        "Nothing lowers a level. The table has a version (eight hex digits), which is part of the"
        " digest of every plan: a change of the table voids the cards that wait."
    )


def _spoken(name: str) -> str:
    label = action_name(name)
    return say(label, "en") if isinstance(label, Text) else ""


def _action(kind: ActionType, policy: Policy, planner: Planner, context: Context) -> list[str]:
    what = "Keys of service requests" if kind.on is On.REQUESTS else "Asset codes"
    level = policy.levels[kind.name].name
    parts = [f"## {kind.name}", f"{level}. Targets: {what}, 1 to 100."]
    rows = [
        (
            f"`{name}`",
            "required"
            if default is NEEDED
            else "–"
            if default in (None, "", ())
            else f"`{default}`",
            _rule(slot, name),
        )
        for name, (slot, default) in kind.slots(context).items()
    ]
    if rows:
        parts.append(table(("parameter", "default", "what may stand there"), rows))
    targets = _EXAMPLE_TARGETS.get(kind.name, ["HB-LOAN-WAS-S1"])
    plans = [planner.plan(kind.name, targets, _EXAMPLES.get(kind.name, {}))]
    if kind.name not in _EXAMPLE_TARGETS and "YH-WMS-APP" in planner.inventory.assets:
        plans.append(planner.plan(kind.name, ["YH-WMS-APP"], _EXAMPLES.get(kind.name, {})))
    lines = [
        f"{step.endpoint or 'watchstander'}: {shlex.join(step.argv)}"
        for plan in plans
        for step in plan.steps
    ]
    parts.append("Example:\n\n```\n" + "\n".join(dict.fromkeys(lines)) + "\n```")
    return parts


def _default(default: Any) -> str:
    if default is NEEDED:
        return "required"
    return "–" if default in (None, "", ()) else f"`{default}`"


def _rule(slot: Slot, name: str) -> str:
    """What a slot says when it refuses: once for a wrong kind of value, once for a wrong word."""
    rules: dict[str, None] = {}
    for wrong in (object(), ["-"]):
        try:
            slot.read(wrong, name)
        except GiveUp as refusal:
            rule = refusal.text.values["rule"]
            assert isinstance(rule, Text)
            rules[say(rule, "en")] = None
    return " ".join(rules)
