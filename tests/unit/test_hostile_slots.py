"""Every hostile value in every slot of every action: none becomes a plan."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import engine.actions
from engine.actions.registry import ACTION_TYPES
from engine.actions.scripts import Scripts
from engine.actions.slots import is_plain
from engine.errors import GiveUp, Why
from engine.inventory import Asset, Inventory
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from prompts.texts import LANGUAGES, say
from tests.unit.hostile_values import HOSTILE, UNSEEN_IN_PROSE, WRONG_TYPES

UNIT_ASSET = Asset("WAS-01", "S", "WAS", "DEV", "was-01", service="tomcat")
BOX_ASSET = Asset("APP-DB", "S", "DB", "DEV", "box", container="shop-postgres", compose="/srv/shop")
KEY = "SR-20261120-0001"

#: Each action with parameters that make a plan; the tests swap one of them at a time.
GOOD: dict[str, dict[str, Any]] = {
    "server_restart": {},
    "compose_restart": {},
    "service_stop": {},
    "service_start": {},
    "service_status": {},
    "log_collect": {"lines": 200, "path": "/var/log/app.log"},
    "disk_status": {},
    "memory_status": {},
    "db_lock_status": {},
    "script_exec": {"script": "rotate.sh", "args": ["nightly"]},
    "bulk_sr_update": {"op": "assign", "value": "Kim Minsu"},
    "account_disable": {"account": "jh.chen"},
}
#: Values of the corpus that a slot takes rightly.
LEGAL_SOMEWHERE: dict[tuple[str, str], set[str]] = {
    # A name is a name in any script, if its letters are of one.
    ("bulk_sr_update", "value"): {"x y", "x'y", "\u00e9", "\u00df", "\u0130", "\u4e00", "\u0131d"},
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Scripts:
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "rotate.sh").write_bytes(b"#!/bin/sh\n")
    digest = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  rotate.sh\n")
    return Scripts(folder)


@pytest.fixture(scope="module")
def planner(scripts: Scripts) -> Planner:
    return _planner(scripts, UNIT_ASSET, BOX_ASSET)


def _planner(scripts: Scripts, *assets: Asset) -> Planner:
    inventory = Inventory({}, {}, {asset.code: asset for asset in assets})
    return Planner(inventory, load_policy(), scripts, PlanSettings())


def _targets(action: str) -> list[str]:
    if action == "bulk_sr_update":
        return [KEY]
    return ["APP-DB"] if action in ("compose_restart", "db_lock_status") else ["WAS-01"]


def _refused(planner: Planner, action: str, targets: Any, params: Any) -> None:
    with pytest.raises(GiveUp) as raised:
        planner.plan(action, targets, params)
    assert raised.value.why is Why.INVALID
    for language in LANGUAGES:
        message = say(raised.value.text, language)
        assert len(message) < 1500
        assert all(c.isprintable() for c in message), "a refusal shows nothing unseen"


SLOTS = [(action, name) for action, params in GOOD.items() for name in params]


def test_the_corpus_and_the_table_are_whole() -> None:
    assert len(HOSTILE) >= 250
    assert set(GOOD) == {action.name for action in ACTION_TYPES}


@pytest.mark.parametrize("action", GOOD)
def test_the_good_parameters_do_make_a_plan(planner: Planner, action: str) -> None:
    assert planner.plan(action, _targets(action), GOOD[action]).steps


@pytest.mark.parametrize(("action", "name"), SLOTS)
def test_no_hostile_value_of_a_parameter_makes_a_plan(
    planner: Planner, action: str, name: str
) -> None:
    legal = LEGAL_SOMEWHERE.get((action, name), set())
    for value in HOSTILE:
        if value not in legal:
            _refused(planner, action, _targets(action), {**GOOD[action], name: value})
        if name == "args":
            _refused(planner, action, _targets(action), {**GOOD[action], name: [value]})
            _refused(planner, action, _targets(action), {**GOOD[action], name: ["ok", value]})


@pytest.mark.parametrize(("action", "name"), SLOTS)
def test_no_wrong_type_makes_a_plan(planner: Planner, action: str, name: str) -> None:
    for value in WRONG_TYPES:
        if name == "args" and value == []:
            continue
        _refused(planner, action, _targets(action), {**GOOD[action], name: value})


@pytest.mark.parametrize("action", GOOD)
def test_no_hostile_target_makes_a_plan(planner: Planner, action: str) -> None:
    good = _targets(action)
    for value in HOSTILE:
        _refused(planner, action, [value], GOOD[action])
        _refused(planner, action, [*good, value], GOOD[action])
        _refused(planner, action, [good[0] + value] if value else [], GOOD[action])
    for wrong in WRONG_TYPES:
        _refused(planner, action, wrong, GOOD[action])
        _refused(planner, action, [wrong], GOOD[action])


@pytest.mark.parametrize("action", GOOD)
def test_no_hostile_parameter_name_makes_a_plan(planner: Planner, action: str) -> None:
    for value in (*HOSTILE, "shell", "command", "argv", "host", "user", "env", "Lines", "path "):
        _refused(planner, action, _targets(action), {**GOOD[action], value: "x"})
    for wrong in WRONG_TYPES:
        if wrong != {}:
            _refused(planner, action, _targets(action), wrong)


def test_no_hostile_action_makes_a_plan(planner: Planner) -> None:
    for value in (*HOSTILE, *WRONG_TYPES, "SERVER_RESTART", "server_restart ", "__class__"):
        _refused(planner, value, ["WAS-01"], {})  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ["server_restart", "service_status", "log_collect"])
def test_a_hostile_inventory_makes_no_plan(scripts: Scripts, action: str) -> None:
    """The loader refuses these as well; the slot does not rely on it."""
    for value in HOSTILE:
        if value:
            unit = _planner(scripts, Asset("A", "S", "WAS", "DEV", "h", service=value))
            _refused(unit, action, ["A"], {})
            box = _planner(scripts, Asset("A", "S", "WAS", "DEV", "h", container=value))
            _refused(box, action, ["A"], {})


def test_a_hostile_compose_project_makes_no_plan(scripts: Scripts) -> None:
    box = Asset("A", "S", "WAS", "DEV", "h", container="app", compose="/srv/shop")
    for value in HOSTILE:
        if not value:
            continue
        # A path of the corpus may be plain and lead nowhere good: the inventory's word counts.
        if not is_plain(value):
            _refused(_planner(scripts, replace(box, compose=value)), "compose_restart", ["A"], {})
        service = replace(box, compose_service=value)
        _refused(_planner(scripts, service), "compose_restart", ["A"], {})
        climbing = replace(box, compose=f"/srv/{value}")
        if not is_plain(climbing.compose):
            _refused(_planner(scripts, climbing), "compose_restart", ["A"], {})


@pytest.mark.parametrize("operation", ["close", "comment"])
def test_prose_takes_any_language_and_nothing_unseen(planner: Planner, operation: str) -> None:
    for value in UNSEEN_IN_PROSE:
        _refused(planner, "bulk_sr_update", [KEY], {"op": operation, "value": f"끝 {value} 끝"})
    _refused(planner, "bulk_sr_update", [KEY], {"op": operation, "value": "x" * 501})
    for value in (
        "재기동 후 정상 확인했습니다.",
        "已重啟（正常）；謝謝！",
        "done; it's $5 & <b>fine</b>",
    ):
        plan = planner.plan("bulk_sr_update", [KEY], {"op": operation, "value": value})
        assert plan.steps[0].argv == ("request", operation, KEY, value)
        assert plan.steps[0].host == ""


@pytest.mark.parametrize("account", ["root", "daemon", "www-data", "postgres", "ops", "sshd"])
def test_system_accounts_and_our_own_are_not_disabled(planner: Planner, account: str) -> None:
    _refused(planner, "account_disable", ["WAS-01"], {"account": account})


def test_validators_match_whole_strings_of_ascii() -> None:
    """re.match and ``$`` let a trailing newline through; without re.ASCII ``\\d`` is any digit."""
    folder = Path(engine.actions.__file__).parent
    found = [problem for path in folder.glob("*.py") for problem in _pattern_problems(path)]
    assert found == []
    assert sum("re.compile" in path.read_text() for path in folder.glob("*.py")) >= 2


def _pattern_problems(path: Path) -> list[str]:
    problems = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        place = f"{path.name}:{node.lineno}"
        if node.func.attr in ("match", "search", "findall", "finditer", "isdigit", "isnumeric"):
            problems.append(f"{place}: .{node.func.attr} does not look at the whole value")
        if node.func.attr == "compile":
            source = ast.unparse(node)
            if "re.ASCII" not in source:
                problems.append(f"{place}: no re.ASCII")
            if "$" in source or "\\\\d" in source or "\\\\w" in source:
                problems.append(f"{place}: no $, \\d or \\w in a pattern")
    return problems


@pytest.mark.parametrize(
    "line",
    ['P = re.compile(r"a$", re.ASCII)', 'P = re.compile(r"a")', 'ok = P.match("a")',
     'P = re.compile(r"\\d", re.ASCII)', 'ok = "1".isdigit()'],
)  # fmt: skip
def test_the_look_at_validators_finds_what_it_looks_for(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.py").write_text(line)
    assert _pattern_problems(tmp_path / "bad.py")
