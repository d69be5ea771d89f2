"""The risk table as required, the rules that raise it, and what is wrong with a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.risk import Level, Policy, PolicyError, load_policy
from prompts.texts import say
from storage.people import Role

TABLE = {
    Level.LOW: "sr_classify sr_assign kb_answer kb_draft health_notify sla_escalate vuln_notify "
    "batch_retry_notify report_generate anomaly_notify "
    "service_status disk_status memory_status db_lock_status",
    Level.MEDIUM: "sr_auto_close log_collect ssl_notify perf_report",
    Level.HIGH: "server_restart service_stop service_start deploy_stg bulk_sr_update "
    "account_disable script_exec compose_restart",
    Level.CRITICAL: "deploy_prd dr_failover db_schema_change security_policy_change bulk_delete "
    "network_change",
}
POLICY = load_policy()


def reasons(policy: Policy, *args: object, hint: bool = False) -> list[str]:
    risk = policy.assess(*args, requires_approval_hint=hint)  # type: ignore[arg-type]
    return [say(reason, "en") for reason in risk.reasons]


def test_the_shipped_table_is_the_required_one() -> None:
    required = {name: level for level, names in TABLE.items() for name in names.split()}
    assert dict(POLICY.levels) == required


@pytest.mark.parametrize(
    ("targets", "environments", "level"),
    [
        (1, ["DEV"], Level.HIGH),
        (5, ["STG"] * 5, Level.HIGH),
        (6, ["DEV"] * 6, Level.CRITICAL),
        (1, ["PRD"], Level.CRITICAL),
        (3, ["DEV", "PRD", "DEV"], Level.CRITICAL),
        (6, [], Level.CRITICAL),
    ],
)
def test_high_becomes_critical_in_prd_or_on_more_than_five(
    targets: int, environments: list[str], level: Level
) -> None:
    codes = [f"A{n}" for n in range(targets)]
    assert POLICY.assess("server_restart", codes, environments).level is level


def test_only_high_is_raised_by_place_and_number() -> None:
    many = [f"A{n}" for n in range(50)]
    assert POLICY.assess("disk_status", many, ["PRD"] * 50).level is Level.LOW
    assert POLICY.assess("log_collect", many, ["PRD"] * 50).level is Level.MEDIUM


def test_an_unlisted_type_is_high_and_rises_like_it() -> None:
    assert POLICY.assess("make_coffee", ["A"], ["DEV"]).level is Level.HIGH
    assert POLICY.assess("make_coffee", ["A"], ["PRD"]).level is Level.CRITICAL
    assert "make_coffee is not in the risk table" in reasons(POLICY, "make_coffee", ["A"], [])[0]


def test_the_reasons_name_rule_and_input() -> None:
    codes = [f"A{n}" for n in range(7)]
    assert reasons(POLICY, "server_restart", codes, ["PRD", "PRD", *["DEV"] * 5]) == [
        "HIGH: server_restart",
        "CRITICAL: 2 targets in PRD",
        "CRITICAL: 7 targets, more than 5",
        f"policy {POLICY.version}",
    ]
    assert reasons(POLICY, "server_restart", ["A"], ["PRD"])[1] == "CRITICAL: 1 target in PRD"


@pytest.mark.parametrize(
    ("action", "level"),
    [
        ("disk_status", Level.HIGH),
        ("log_collect", Level.HIGH),
        ("server_restart", Level.HIGH),
        ("deploy_prd", Level.CRITICAL),
    ],
)
def test_a_hint_raises_to_high_and_never_lowers(action: str, level: Level) -> None:
    assert POLICY.assess(action, ["A"], ["DEV"], requires_approval_hint=True).level is level


ACTIONS = st.sampled_from([*POLICY.levels, "unlisted"])
PLACES = st.lists(st.sampled_from(["PRD", "STG", "DEV"]), max_size=12)


@given(ACTIONS, PLACES, PLACES, st.booleans(), st.booleans())
def test_more_targets_or_a_hint_never_lower_the_level(
    action: str, some: list[str], more: list[str], hint: bool, further: bool
) -> None:
    def level(places: list[str], hinted: bool) -> Level:
        codes = [f"A{n}" for n in range(len(places))]
        return POLICY.assess(action, codes, places, requires_approval_hint=hinted).level

    assert level(some, hint) <= level(some + more, hint or further)
    assert level(some, hint) >= POLICY.levels.get(action, Level.HIGH)


def test_who_may_say_yes() -> None:
    assert POLICY.least_role(Level.HIGH) is Role.ENGINEER
    assert POLICY.least_role(Level.CRITICAL) is Role.ADMIN
    assert POLICY.least_role(Level.LOW) is Role.REQUESTER


def test_an_override_changes_what_it_names_and_the_version(tmp_path: Path) -> None:
    own = tmp_path / "policy.toml"
    own.write_text(
        '[levels]\nlog_collect = "HIGH"\nreboot_all = "CRITICAL"\n'
        '[rules]\ncritical_above_targets = 2\ncritical_environments = ["PRD", "STG"]\n'
    )
    policy = load_policy(own)
    assert policy.levels["log_collect"] is Level.HIGH
    assert policy.levels["reboot_all"] is Level.CRITICAL
    assert policy.levels["server_restart"] is Level.HIGH
    assert policy.assess("server_restart", ["A", "B", "C"], []).level is Level.CRITICAL
    assert policy.assess("server_restart", ["A"], ["STG"]).level is Level.CRITICAL
    assert policy.version != POLICY.version


def test_the_version_follows_the_table_and_not_its_spelling(tmp_path: Path) -> None:
    own = tmp_path / "policy.toml"
    own.write_text('# no change\n[levels]\nlog_collect   =   "MEDIUM"\n')
    assert load_policy(own).version == POLICY.version
    own.write_text('[rules]\nunlisted = "CRITICAL"\n')
    assert load_policy(own).version != POLICY.version


def test_every_problem_of_a_table_is_told_with_its_place(tmp_path: Path) -> None:
    own = tmp_path / "policy.toml"
    own.write_text(
        '[levels]\nlog_collect = "low"\n"Bad Name" = "HIGH"\nbroken = 3\nlist = ["HIGH"]\n'
        '[rules]\nunlistd = "HIGH"\nunlisted = "LOW"\ncritical_environments = ["PROD"]\n'
        "critical_above_targets = true\n"
    )
    with pytest.raises(PolicyError) as raised:
        load_policy(own)
    problems = raised.value.problems
    assert all(str(own) in problem for problem in problems)
    for words in (
        "log_collect = 'low': use LOW, MEDIUM, HIGH or CRITICAL",
        "'Bad Name': not an action type",
        "broken = 3",
        "list = ['HIGH']",
        "unlistd: unknown key; did you mean unlisted?",
        "unlisted = 'LOW': use HIGH or CRITICAL",
        "critical_environments = ['PROD']",
        "critical_above_targets = True",
    ):
        assert sum(words in problem for problem in problems) == 1, words
    assert len(problems) == 8


@pytest.mark.parametrize("content", ["[levels", "levels = 3\n", "[other]\n", "\udc80"])
def test_a_broken_table_is_refused(tmp_path: Path, content: str) -> None:
    own = tmp_path / "policy.toml"
    own.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(PolicyError, match=r"policy\.toml"):
        load_policy(own)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such file"):
        load_policy(tmp_path / "none.toml")
