"""Which words call for a check, and which only look as if they did."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bot.commandline.check import problems_of
from bot.settings import Settings, SettingsError, load_settings
from engine.actions.scripts import Scripts
from engine.inventory import load_inventory
from engine.nudges import (
    MOST_OFFERED,
    NudgeError,
    NudgeRule,
    Nudges,
    NudgeSettings,
    load_rules,
    shipped,
)
from engine.planning import Planner, PlanSettings
from engine.risk import Policy, load_policy
from tests.unit.requests.parts import INVENTORY

DB = """
[[asset]]
code = "PAY-DB-01"
system = "PAY"
layer = "DB"
environment = "STG"
host = "pay-db-01"
service = "postgresql"
"""


def planner(folder: Path, policy: Policy, extra: str = DB) -> Planner:
    file = folder / "inventory.toml"
    file.write_text(INVENTORY + extra, encoding="utf-8")
    return Planner(load_inventory(file), policy, Scripts(None), PlanSettings())


@pytest.fixture
def nudges(tmp_path: Path) -> Nudges:
    return Nudges(shipped(), planner(tmp_path, load_policy(None)))


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("DB가 이상해요", "db_delay"),
        ("ＤＢ 확인 좀", "db_delay"),
        ("디비 누가 만졌나요", "db_delay"),
        ("결제 쿼리가 안 끝나요", "db_delay"),
        ("오늘 너무 느리네요", "db_delay"),
        ("화면이 느려요", "db_delay"),
        ("계속 타임아웃 납니다", "db_delay"),
        ("락이 걸린 것 같아요", "db_delay"),
        ("락 걸림", "db_delay"),
        ("資料庫好像怪怪的", "db_delay"),
        ("訂單查詢很慢", "db_delay"),
        ("一直逾時", "db_delay"),
        ("용량이 부족하대요", "disk_full"),
        ("디스크 꽉 찼어요", "disk_full"),
        ("로그가 너무 많아요", "disk_full"),
        ("파일이 쌓였어요", "disk_full"),
        ("磁碟快滿了", "disk_full"),
        ("日誌太多了", "disk_full"),
        ("the disk   is full again", "disk_full"),
        # The first rule of the list wins.
        ("디스크 때문에 DB가 멈췄어요", "db_delay"),
        # What only begins or ends alike.
        ("연락 주세요", None),
        ("락커룸 비밀번호 아시는 분", None),
        ("블로그 글 봤어요", None),
        ("프로그램 설치 부탁드려요", None),
        ("로그인이 안 돼요", None),
        ("로그인 기록 말고 로그 말이에요", "disk_full"),
        ("허리디스크로 휴가입니다", None),
        ("MDB 파일이에요", None),
        ("디비전 회의", None),
        ("pay-db-01 이전했습니다", None),
        ("점심 뭐 먹죠", None),
        ("帳號登入不了", None),
        # Quoted, not said.
        ("https://wiki.example.org/DB/디스크 보세요", None),
        ("www.example.org/?q=쿼리", None),
        ("`SELECT * FROM db` 이거요", None),
        ("```\n디스크 용량\n``` 이렇게 나와요", None),
        ("```\n디스크 용량", None),
        ("db@example.org 로 보내세요", None),
        ("`ls` 해 보니 디스크가 꽉 찼어요", "disk_full"),
        ("", None),
    ],
)
def test_what_calls_for_a_check(nudges: Nudges, said: str, rule: str | None) -> None:
    found = nudges.find(said)
    assert (found.name if found else None) == rule


def test_the_rules_are_those_of_the_requirements(nudges: Nudges) -> None:
    told = {rule.name: (rule.action, rule.command_code) for rule in nudges.rules}
    assert told == {
        "db_delay": ("db_lock_status", "FETCH_DB_LOCKS"),
        "disk_full": ("disk_status", "CHECK_DISK_SPACE"),
    }
    for name, words in {
        "db_delay": "DB 디비 쿼리 느리 타임아웃 락",
        "disk_full": "용량 디스크 로그 쌓였",
    }.items():
        for word in words.split():
            found = nudges.find(word)
            assert found is not None and found.name == name, word


def test_nothing_is_heard_when_it_is_switched_off(tmp_path: Path) -> None:
    off = Nudges(shipped(), planner(tmp_path, load_policy(None)), NudgeSettings(enabled=False))
    assert off.find("디스크") is None


@pytest.mark.parametrize(
    "said",
    ["a" * 4000, "a@" * 2000, "`" * 4000, "a." * 2000, "락" * 4000, "slow " * 800, "http" * 999],
)
def test_no_text_takes_long(nudges: Nudges, said: str) -> None:
    begun = time.perf_counter()
    nudges.find(said)
    assert time.perf_counter() - begun < 0.5


def test_the_teams_rules_come_first_and_replace_a_shipped_one() -> None:
    own = [
        NudgeRule("memory_low", ("메모리",), "memory_status"),
        NudgeRule("disk_full", ("꽉",), "disk_status"),
    ]
    rules = load_rules(own, load_policy(None))
    assert [rule.name for rule in rules] == ["memory_low", "disk_full", "db_delay"]
    assert rules[1].words == ("꽉",)
    assert rules[0].command_code == "MEMORY_STATUS"


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("server_restart", "server_restart is HIGH by the policy, not LOW"),
        ("log_collect", "log_collect is MEDIUM"),
        (
            "rm_rf",
            "'rm_rf' is no action type; use one that only looks: db_lock_status, disk_status",
        ),
        ("sr_classify", "no action type"),
    ],
)
def test_a_rule_may_only_look(action: str, says: str) -> None:
    with pytest.raises(NudgeError) as caught:
        load_rules([NudgeRule("mine", ("x",), action)], load_policy(None))
    assert any(says in problem for problem in caught.value.problems)


def test_a_policy_that_raises_the_check_silences_the_shipped_rule(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[levels]\ndisk_status = "MEDIUM"\n')
    policy = load_policy(file)
    nudges = Nudges(load_rules([], policy), planner(tmp_path, policy))
    rule = nudges.named("disk_full")
    assert rule is not None and not nudges.is_low(rule) and not nudges.can_look(rule, "PAY-STG-01")
    assert nudges.find("디스크") is None
    assert nudges.find("디비") is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Bad Name"},
        {"words": ()},
        {"words": ("",)},
        {"words": ("x" * 61,)},
        {"unless": (" ",)},
        {"code": "rm -rf"},
    ],
)
def test_a_rule_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    good = {"name": "mine", "words": ("x",), "action": "disk_status"}
    with pytest.raises(ValueError):
        NudgeRule(**(good | wrong))  # type: ignore[arg-type]


def test_only_assets_that_the_check_can_be_made_on_are_likely(nudges: Nudges) -> None:
    locks, disks = nudges.named("db_delay"), nudges.named("disk_full")
    assert locks is not None and disks is not None
    assert nudges.everywhere(locks) == ("PAY-DB-01",)
    assert nudges.everywhere(disks) == ("PAY-WAS-01", "PAY-STG-01", "PAY-DB-01")
    assert nudges.likely(locks, ["PAY-WAS-01", "PAY-STG-01"]) == ()


def test_of_many_there_is_one_more_than_can_be_shown(tmp_path: Path) -> None:
    more = "".join(DB.replace("01", f"{n:02}") for n in range(1, 20))
    nudges = Nudges(shipped(), planner(tmp_path, load_policy(None), more))
    rule = nudges.named("disk_full")
    assert rule is not None
    assert len(nudges.everywhere(rule)) == MOST_OFFERED + 1


RULE = '[[nudge]]\nname = "mine"\nwords = ["메모리"]\n'
CONFIG = f'[ssh]\nknown_hosts = "known_hosts"\n{RULE}'


def settings(folder: Path, text: str) -> Settings:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    (folder / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    return load_settings(folder / "config.toml", {})


def test_a_rule_of_the_configuration_is_read(tmp_path: Path) -> None:
    found = settings(tmp_path, CONFIG + 'action = "memory_status"\ncode = "CHECK_MEMORY"\n')
    assert found.nudge_rules == (
        NudgeRule("mine", ("메모리",), "memory_status", code="CHECK_MEMORY"),
    )


async def test_a_rule_that_does_more_than_look_keeps_the_bot_from_starting(tmp_path: Path) -> None:
    found = await problems_of(settings(tmp_path, CONFIG + 'action = "server_restart"\n'))
    assert any(
        line.startswith("config.toml: [[nudge]] mine action: server_restart is HIGH")
        for line in found
    ), found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nudge = 3", "[[nudge]]"),
        (CONFIG, "action: is missing"),
        (CONFIG + 'action = "x"\nword = "y"', "did you mean words?"),
        (CONFIG.replace('"mine"', '"Mine!"') + 'action = "x"', "small letters"),
        (f'{CONFIG}action = "x"\n{RULE}action = "x"', "is taken by"),
        ("[nudges]\ncooldown_minutes = 0", "out of range"),
    ],
)
def test_each_mistake_has_its_place_and_mend(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text)
    assert any(problem in line for line in caught.value.problems), caught.value.problems
