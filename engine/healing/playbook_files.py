"""Playbooks from a folder of TOML files, one file each. Every problem is told, not the first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.actions.action_type import Context, On
from engine.actions.registry import BY_NAME
from engine.actions.scripts import Scripts
from engine.actions.slots import read_params
from engine.errors import GiveUp
from engine.healing.playbook import KINDS, REACHES, Playbook, Step, Undo
from engine.healing.playbook_table import Table
from engine.incidents.classify import CLASSES
from engine.incidents.reports import SEVERITIES
from engine.inventory import Inventory
from engine.planning import PlanSettings
from engine.risk import load_policy
from prompts.texts import LANGUAGES, say

NAME = re.compile(r"[a-z][a-z0-9-]{0,47}", re.ASCII)
ROLE = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_GUIDE = re.compile(
    r"https://[a-z0-9][a-z0-9.-]{0,251}(?::[0-9]{1,5})?(?:[/?#][!-~]{0,1000})?", re.I
)

#: What somebody would call a command line of their own.
_COMMANDS = ("command", "commands", "cmd", "argv", "args", "shell", "exec", "run", "script")

_LARGEST = 64 * 1024
_MOST_FILES = 500
_RESTART = "server_restart"
_MINUTE_MS = 60_000
_DAY_MINUTES = 24 * 60


def read_folder(folder: Path, plan: PlanSettings) -> tuple[list[Playbook], list[str]]:
    """The playbooks of a folder by file name, and every problem as "file: key: what; the mend".

    Only files that end in ``.toml`` are read, none below another folder.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        return [], [f"{folder}: {error.strerror}; mend the path of the playbooks' folder"]
    if len(paths) > _MOST_FILES:
        return [], [f"{folder}: more than {_MOST_FILES} playbooks; take some away"]
    context = Context(Inventory({}, {}, {}), Scripts(plan.scripts), plan.log_roots, plan.ssh_user)
    found: list[Playbook] = []
    places: dict[str, str] = {}
    problems: list[str] = []
    for path in paths:
        faults: list[str] = []
        playbook = _read(path, context, faults)
        problems += [f"{path}: {fault}" for fault in faults]
        if playbook is None or faults:
            continue
        first = places.setdefault(playbook.name, path.name)
        if first != path.name:
            problems.append(f"{path}: name: {playbook.name} is also in {first}; give it its own")
        found.append(playbook)
    return found, problems


def _read(path: Path, context: Context, faults: list[str]) -> Playbook | None:
    if not path.is_file():
        faults.append("is no plain file; take it away or mend the link")
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            faults.append(f"larger than {_LARGEST // 1024} KB; a playbook is a page at most")
            return None
        raw = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        faults.append(f"cannot be read: {error.strerror}; mend the file or take it away")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        faults.append(f"not TOML: {error}; mend that line")
    else:
        return _playbook(Table(raw, "", faults), context)
    return None


def _playbook(table: Table, context: Context) -> Playbook:
    """What stands in the file; only to be used when it has no faults."""
    match = table.table("match", needed=True)
    classes = match.words("classes", needed=True)
    for one in classes:
        if one not in CLASSES:
            match.blame("classes", f"{one!r} is no class; use {', '.join(CLASSES)}")
    playbook = Playbook(
        name=table.word("name", NAME, "small letters, digits and -", needed=True),
        title=table.translated("title", LANGUAGES, needed=True),
        classes=classes,
        keywords=match.words("keywords"),
        unless=match.words("unless"),
        minimum=table.choice("minimum", SEVERITIES, needed=True),
        cooldown_ms=table.number("cooldown_minutes", 1, 7 * _DAY_MINUTES) * _MINUTE_MS,
        max_retries=table.number("max_retries", 1, 20),
        settle_ms=table.number("settle_seconds", 10, 3600, default=120) * 1000,
        step=_step(table.table("step", needed=True), context),
        undo=_undo(table, context),
    )
    match.end()
    table.end()
    return playbook


def _step(table: Table, context: Context) -> Step:
    kind = table.choice("kind", KINDS, needed=True)
    acts = kind in ("DOCKER_RESTART", "SSH_CMD") or (kind == "WAIT_RETRY" and "action" in table)
    action = _action_of(table, kind)
    params = _params(table, action, context) if acts else {}
    otherwise = ""
    if kind == "SSH_CMD" and "otherwise" in table:
        otherwise = _action(table, "otherwise")
        _try_params(table, otherwise, params, context)
    step = Step(
        kind=kind,
        action=action,
        otherwise=otherwise,
        role=_role(table) if acts else "",
        reach=table.choice("reach", REACHES) or REACHES[0] if acts else REACHES[0],
        params=params,
        wait_ms=_wait(table) if kind == "WAIT_RETRY" else 0,
        message=table.translated("message", LANGUAGES, needed=kind == "ALERT_ONLY"),
        guide=_guide(table),
    )
    table.refuse(_COMMANDS, "no command can be written here; name an action type in action")
    table.end(f" with kind {kind}" if kind else "")
    return step


def _action_of(table: Table, kind: str) -> str:
    """The action type that a step of this kind proposes; "" = none."""
    if kind == "DOCKER_RESTART":
        return _RESTART
    if kind == "SSH_CMD":
        return _action(table, "action")
    if kind == "WAIT_RETRY" and "action" in table:
        return _action(table, "action")
    return ""


def _role(table: Table) -> str:
    return table.word("role", ROLE, "small letters, digits, _ and -", needed=True)


def _wait(table: Table) -> int:
    return table.number("wait_minutes", 1, _DAY_MINUTES) * _MINUTE_MS


def _guide(table: Table) -> str:
    return table.word("guide", _GUIDE, "a link that begins with https://")


def _undo(table: Table, context: Context) -> Undo | None:
    if "undo" not in table:
        return None
    inner = table.table("undo")
    action = _action(inner, "action")
    undo = Undo(action, _params(inner, action, context))
    inner.refuse(_COMMANDS, "no command can be written here; name an action type in action")
    inner.end()
    return undo


def _action(table: Table, key: str) -> str:
    """An action type with a runner that is for assets; a command of one's own has no place."""
    name = table.text(key, needed=True)
    if not name:
        return ""
    if name in BY_NAME:
        if BY_NAME[name].on is On.ASSETS:
            return name
        table.blame(key, f"{name} acts on service requests; choose one that acts on assets")
        return ""
    known = ", ".join(one for one, kind in BY_NAME.items() if kind.on is On.ASSETS)
    if name in load_policy().levels:
        table.blame(key, f"{name} has no runner; use one of {known}")
    else:
        table.blame(key, f"{name!r} is no action type; use one of {known}")
    return ""


def _params(table: Table, action: str, context: Context) -> Mapping[str, Any]:
    """The parameters in the one form that a plan will have; as given where they are wrong."""
    given = table.mapping("params")
    return _try_params(table, action, given, context) if action else given


def _try_params(
    table: Table, action: str, given: Mapping[str, Any], context: Context
) -> Mapping[str, Any]:
    if not action:
        return given
    try:
        return read_params(action, BY_NAME[action].slots(context), given)
    except GiveUp as refusal:
        table.blame("params", f"{say(refusal.text, 'en')} Mend it for {action}")
        return given
