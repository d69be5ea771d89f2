"""Plans: what is refused and why, what a plan holds, and the command line's reports."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from engine.actions.scripts import Scripts
from engine.errors import GiveUp, Why
from engine.inventory import Asset, Inventory
from engine.plan import Plan
from engine.planning import Planner, PlanSettings, run_plan_command, to_report
from engine.risk import load_policy
from prompts.texts import say

ASSETS = (
    Asset("MOF-WAS-01", "S", "WAS", "PRD", "budget-was-01", service="tomcat"),
    Asset("MOF-WAS-02", "S", "WAS", "DEV", "budget-was-02", service="tomcat", user="deploy"),
    Asset("MOMO-APP", "S", "WAS", "DEV", "momo", "", "momo-app", "10.0.0.7", 2222),
    Asset("MOMO-DB", "S", "DB", "DEV", "momo", container="momo-db", address="fd00::7"),
)  # fmt: skip
INVENTORY = Inventory({}, {}, {asset.code: asset for asset in ASSETS})
PLANNER = Planner(INVENTORY, load_policy(), Scripts(None), PlanSettings())

INVENTORY_TOML = """
[[institution]]
code = "MOF"
names = ["기재부"]
[[system]]
code = "BUDGET"
institution = "MOF"
names = ["예산"]
[[asset]]
code = "MOF-WAS-01"
system = "BUDGET"
layer = "WAS"
environment = "PRD"
host = "budget-was-01"
service = "tomcat"
"""


def refusal(action: Any, targets: Any, params: Any = None) -> str:
    with pytest.raises(GiveUp) as raised:
        PLANNER.plan(action, targets, params or {})
    assert raised.value.why is Why.INVALID
    return say(raised.value.text, "en")


def test_a_plan_says_exactly_what_runs_where() -> None:
    plan = PLANNER.plan("server_restart", ["MOF-WAS-02", "MOMO-APP", "MOMO-DB"], {})
    assert [(s.asset, s.host, s.endpoint, s.argv) for s in plan.steps] == [
        (
            "MOF-WAS-02",
            "budget-was-02",
            "deploy@budget-was-02:22",
            ("systemctl", "restart", "--", "tomcat"),
        ),
        ("MOMO-APP", "momo", "ops@10.0.0.7:2222", ("docker", "restart", "--", "momo-app")),
        ("MOMO-DB", "momo", "ops@[fd00::7]:22", ("docker", "restart", "--", "momo-db")),
    ]
    assert plan.risk == "HIGH"


def test_the_same_wish_gives_the_same_digest_and_survives_storage() -> None:
    plan = PLANNER.plan("log_collect", ["MOF-WAS-01"], {"lines": "50"})
    again = PLANNER.plan("log_collect", ["MOF-WAS-01"], {"lines": 50})
    assert plan.digest == again.digest
    stored = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert stored.digest == plan.digest
    replanned = PLANNER.plan(stored.action, stored.targets, stored.params)
    assert replanned.digest == plan.digest


@pytest.mark.parametrize(
    ("action", "targets", "params"),
    [
        ("service_stop", ["MOF-WAS-01"], {}),
        ("server_restart", ["MOF-WAS-02"], {}),
        ("server_restart", ["MOF-WAS-01", "MOF-WAS-02"], {}),
    ],
)
def test_any_difference_changes_the_digest(
    action: str, targets: list[str], params: dict[str, Any]
) -> None:
    plan = PLANNER.plan("server_restart", ["MOF-WAS-01"], {})
    assert PLANNER.plan(action, targets, params).digest != plan.digest


def test_another_policy_or_port_is_another_digest(tmp_path: Path) -> None:
    plan = PLANNER.plan("server_restart", ["MOF-WAS-01"], {})
    own = tmp_path / "policy.toml"
    own.write_text("[rules]\ncritical_above_targets = 4\n")
    stricter = Planner(INVENTORY, load_policy(own), Scripts(None), PlanSettings())
    assert stricter.plan("server_restart", ["MOF-WAS-01"], {}).digest != plan.digest
    other_login = Planner(INVENTORY, load_policy(), Scripts(None), PlanSettings(ssh_user="x"))
    assert other_login.plan("server_restart", ["MOF-WAS-01"], {}).digest != plan.digest


def test_prd_makes_it_critical_with_reasons_in_three_languages() -> None:
    plan = PLANNER.plan("server_restart", ["MOF-WAS-01"], {})
    assert plan.risk == "CRITICAL"
    report = to_report(plan)
    assert report["reasons"][:2] == ["HIGH: server_restart", "CRITICAL: 1 target in PRD"]
    assert report["policy_version"] in report["reasons"][2]


def test_a_hint_raises_a_look_to_high() -> None:
    assert PLANNER.plan("disk_status", ["MOF-WAS-01"], {}).risk == "LOW"
    assert PLANNER.plan("disk_status", ["MOF-WAS-01"], {}, hint=True).risk == "HIGH"


def test_a_target_named_twice_counts_once() -> None:
    plan = PLANNER.plan("server_restart", ["MOF-WAS-02", "MOF-WAS-02"], {})
    assert plan.targets == ("MOF-WAS-02",)
    assert len(plan.steps) == 1


def test_an_unknown_target_is_named_with_the_nearest() -> None:
    words = refusal("server_restart", ["MOF-WAS-1", "MOF-WAS-02", "zzzzzz"])
    assert "Not in the inventory: MOF-WAS-1, zzzzzz." in words
    assert "MOF-WAS-01" in words
    assert "Check the asset code." in refusal("server_restart", ["zzzzzz"])


def test_codes_are_not_folded() -> None:
    assert "Not in the inventory: mof-was-01." in refusal("server_restart", ["mof-was-01"])


def test_no_and_too_many_targets() -> None:
    assert "at least one target" in refusal("server_restart", [])
    many = [f"SR-20261120-{n:04d}" for n in range(101)]
    assert "101 targets are too many" in refusal("bulk_sr_update", many, {"op": "close"})
    assert len(PLANNER.plan("bulk_sr_update", many[:100], {"op": "close"}).steps) == 100


def test_a_listed_type_without_a_runner_says_so() -> None:
    assert "no runner for this type yet" in refusal("deploy_prd", ["MOF-WAS-01"])


def test_an_unknown_type_lists_the_known_ones() -> None:
    words = refusal("reboot", ["MOF-WAS-01"])
    assert "There is no action type reboot" in words
    assert "server_restart" in words


def test_unknown_and_missing_parameters_are_named() -> None:
    assert "no parameter force. It takes none." in refusal(
        "server_restart", ["MOF-WAS-01"], {"force": "yes"}
    )
    assert "It takes: lines, path." in refusal("log_collect", ["MOF-WAS-01"], {"line": 5})
    assert "needs the parameter account" in refusal("account_disable", ["MOF-WAS-01"])


@pytest.mark.parametrize("root", ["/", "var/log", "/var/log/", "/var/../etc", "", "/var/.x"])
def test_log_roots_that_would_open_too_much_are_refused(root: str) -> None:
    with pytest.raises(ValueError, match="log_roots"):
        PlanSettings(log_roots=(root,))


def test_the_report_groups_argv_by_host() -> None:
    report = to_report(PLANNER.plan("server_restart", ["MOMO-DB", "MOF-WAS-02", "MOMO-APP"], {}))
    assert report["hosts"] == {
        "momo": [["docker", "restart", "--", "momo-db"], ["docker", "restart", "--", "momo-app"]],
        "budget-was-02": [["systemctl", "restart", "--", "tomcat"]],
    }
    assert set(report) == {
        "action", "targets", "params", "risk", "reasons", "policy_version", "digest", "steps",
        "hosts", "rolling", "waves",
    }  # fmt: skip
    assert (report["rolling"], report["waves"]) == (5, [["momo"], ["budget-was-02"]])
    assert json.loads(json.dumps(report)) == report


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.toml"
    path.write_text(INVENTORY_TOML, encoding="utf-8")
    return path


def command(
    inventory: Path,
    action: str = "",
    targets: Any = (),
    params: Any = None,
    lines: Path | None = None,
) -> tuple[int, str]:
    out = io.StringIO()
    status = run_plan_command(inventory, action, list(targets), params or {}, lines, out=out)
    return status, out.getvalue()


def test_the_command_prints_the_report(inventory: Path) -> None:
    status, printed = command(inventory, "server_restart", ["MOF-WAS-01"])
    assert status == 0
    assert json.loads(printed)["hosts"] == {
        "budget-was-01": [["systemctl", "restart", "--", "tomcat"]]
    }


def test_the_command_prints_a_refusal_and_ends_with_2(inventory: Path) -> None:
    status, printed = command(inventory, "server_restart", ["MOF-WAS-01;id"])
    assert status == 2
    answer = json.loads(printed)
    assert answer["refused"] == "invalid"
    assert "MOF-WAS-01;id" in answer["message"]


def test_files_that_cannot_be_read_are_refusals(inventory: Path, tmp_path: Path) -> None:
    for arguments in (
        {"inventory": tmp_path / "none.toml"},
        {"inventory": inventory, "lines": tmp_path / "none.jsonl"},
        {"inventory": inventory, "lines": tmp_path},
    ):
        status, printed = command(**arguments)
        assert status == 2
        assert json.loads(printed)["refused"] == "invalid"


def test_every_line_gets_one_answer_in_order(inventory: Path, tmp_path: Path) -> None:
    good = {"action": "server_restart", "targets": ["MOF-WAS-01"], "params": {}}
    asked = [
        json.dumps(good).encode(),
        b'{"action": "server_restart"',
        b"",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({**good, "sudo": True}).encode(),
        json.dumps({**good, "targets": "MOF-WAS-01"}).encode(),
        json.dumps({**good, "params": None}).encode(),
        b'{"action": "server_restart", "targets": ["\\ud800"]}',
        '{"action": "server_restart", "targets": ["a\u2028b"]}'.encode(),
        b'"' + b"x" * 3_000_000 + b'"',
        json.dumps({"action": "disk_status", "targets": ["MOF-WAS-01"]}).encode(),
    ]
    lines = tmp_path / "wishes.jsonl"
    lines.write_bytes(b"\n".join(asked))
    status, printed = command(inventory, lines=lines)
    assert status == 0
    answers = [json.loads(line) for line in printed.encode().split(b"\n")[:-1]]
    assert len(answers) == len(asked)
    assert answers[0]["risk"] == "CRITICAL"
    assert answers[-1]["risk"] == "LOW"
    assert [answer["line"] for answer in answers[1:-1]] == list(range(2, len(asked)))
    assert all(answer["refused"] == "invalid" for answer in answers[1:-1])
    assert "sudo" in answers[6]["message"]
