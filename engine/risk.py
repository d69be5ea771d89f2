"""How risky an action is: a table and three rules, never a model.

The table is ``risk.toml`` beside this file; an operator's file of the same form overrides single
entries.  All rules only ever raise a level, so more targets, a harsher environment or a hint can
never lower it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from engine.inventory import ENVIRONMENTS
from prompts.texts import Text, text
from storage.people import Role

_SHIPPED = Path(__file__).with_name("risk.toml")
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_RULES = ("unlisted", "critical_environments", "critical_above_targets")


class Level(IntEnum):
    """What has to happen before an action runs."""

    LOW = 1  #: nothing
    MEDIUM = 2  #: the room is told
    HIGH = 3  #: an ENGINEER or an ADMIN says yes
    CRITICAL = 4  #: an ADMIN says yes


@dataclass(frozen=True)
class Risk:
    """The level and why, in the order in which the rules spoke."""

    level: Level
    reasons: tuple[Text, ...]


class PolicyError(Exception):
    """The table cannot be used. ``problems`` holds "where: what; the mend", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Policy:
    """The table in force."""

    levels: Mapping[str, Level]
    unlisted: Level = Level.HIGH
    critical_environments: tuple[str, ...] = ("PRD",)
    critical_above_targets: int = 5

    @property
    def version(self) -> str:
        """Eight hex digits over all that decides a level: another table, another version."""
        effective = {
            "levels": {name: level.name for name, level in self.levels.items()},
            "unlisted": self.unlisted.name,
            "critical_environments": sorted(self.critical_environments),
            "critical_above_targets": self.critical_above_targets,
        }
        canonical = json.dumps(effective, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:8]

    def least_role(self, level: Level) -> Role:
        """The role that may say yes to a level; for LOW and MEDIUM, the one that may ask."""
        return {Level.HIGH: Role.ENGINEER, Level.CRITICAL: Role.ADMIN}.get(level, Role.REQUESTER)

    def assess(
        self,
        action: str,
        targets: Sequence[str],
        environments: Sequence[str],
        requires_approval_hint: bool = False,
    ) -> Risk:
        """The risk of an action on targets.

        ``environments`` has one entry per target that has an environment.  The hint is the
        reader's opinion of the words: it lifts LOW and MEDIUM to HIGH and does nothing else.
        """
        listed = self.levels.get(action)
        level = self.unlisted if listed is None else listed
        key = "plan_reason_unlisted" if listed is None else "plan_reason_listed"
        reasons = [text(key, level=level.name, action=action)]
        if level is Level.HIGH:
            raised = self._raising(len(targets), environments)
            if raised:
                level = Level.CRITICAL
                reasons += raised
        if requires_approval_hint and level < Level.HIGH:
            level = Level.HIGH
            reasons.append(text("plan_reason_hint", level=level.name))
        reasons.append(text("plan_reason_policy", version=self.version))
        return Risk(level, tuple(reasons))

    def _raising(self, targets: int, environments: Sequence[str]) -> list[Text]:
        """Why HIGH becomes CRITICAL; empty when it does not."""
        critical = Level.CRITICAL.name
        reasons = []
        for environment in self.critical_environments:
            count = sum(1 for one in environments if one == environment)
            if count:
                reasons.append(
                    text(
                        "plan_reason_environment",
                        level=critical,
                        count=count,
                        environment=environment,
                    )
                )
        if targets > self.critical_above_targets:
            limit = self.critical_above_targets
            reasons.append(text("plan_reason_count", level=critical, count=targets, limit=limit))
        return reasons


def load_policy(override: Path | None = None) -> Policy:
    """The shipped table with the operator's file over it. Raises PolicyError with every problem."""
    shipped = _read(_SHIPPED)
    own = _read(override) if override is not None else {}
    problems = _problems(_SHIPPED, shipped)
    if override is not None:
        problems += _problems(override, own)
    if problems:
        raise PolicyError(problems)
    levels = {**shipped["levels"], **own.get("levels", {})}
    rules = {**shipped["rules"], **own.get("rules", {})}
    return Policy(
        {name: Level[level] for name, level in sorted(levels.items())},
        Level[rules["unlisted"]],
        tuple(rules["critical_environments"]),
        rules["critical_above_targets"],
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PolicyError([f"{path}: no such file; create it or mend the path"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError([f"{path}: cannot be read as TOML: {error}"]) from None


def _problems(path: Path, raw: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{key}: unknown table; use [levels] and [rules] only"
        for key in raw
        if key not in ("levels", "rules")
    ]
    for table in ("levels", "rules"):
        if not isinstance(raw.get(table, {}), dict):
            problems.append(f"{table}: must be a table; write [{table}] above its keys")
    if not problems:
        problems = _level_problems(raw.get("levels", {})) + _rule_problems(raw.get("rules", {}))
    return [f"{path}: {problem}" for problem in problems]


def _level_problems(levels: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, level in levels.items():
        if not _TYPE_NAME.fullmatch(name):
            problems.append(
                f"[levels] {name!r}: not an action type; use small letters, digits and _"
            )
        if not isinstance(level, str) or level not in Level.__members__:
            problems.append(f"[levels] {name} = {level!r}: use {_choices(Level.__members__)}")
    return problems


def _rule_problems(rules: Mapping[str, Any]) -> list[str]:
    problems = []
    for key in rules:
        if key not in _RULES:
            near = difflib.get_close_matches(key, _RULES, 1)
            meant = f"did you mean {near[0]}?" if near else f"use {_choices(_RULES)}"
            problems.append(f"[rules] {key}: unknown key; {meant}")
    unlisted = rules.get("unlisted", "HIGH")
    if unlisted not in ("HIGH", "CRITICAL"):
        problems.append(f"[rules] unlisted = {unlisted!r}: use HIGH or CRITICAL")
    places = rules.get("critical_environments", [])
    if not isinstance(places, list) or any(place not in ENVIRONMENTS for place in places):
        problems.append(
            f"[rules] critical_environments = {places!r}: a list of {_choices(ENVIRONMENTS)}"
        )
    above = rules.get("critical_above_targets", 5)
    if type(above) is not int or not 0 <= above <= 100:
        problems.append(f"[rules] critical_above_targets = {above!r}: a whole number from 0 to 100")
    return problems


def _choices(names: Mapping[str, Any] | Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"
