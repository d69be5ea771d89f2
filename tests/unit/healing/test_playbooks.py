"""Which playbook is for which text, and what it would touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.actions.scripts import Scripts
from engine.errors import GiveUp
from engine.healing.playbook_reach import reach
from engine.healing.playbooks import Playbook, Playbooks, load_playbooks, plan_for, targets_of
from engine.incidents.classify import classify
from engine.inventory import Inventory, load_inventory
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy

SHIPPED = load_playbooks()

#: Text → the playbook for it as P1; "" = a person.
TEXTS = {
    'psycopg.OperationalError: could not translate host name "db" to address': "dns-failure",
    "getaddrinfo ENOTFOUND loan-db": "dns-failure",
    "DB 호스트 이름을 찾을 수 없습니다": "dns-failure",
    "無法解析資料庫主機名稱": "dns-failure",
    "connection to server at 10.0.0.5, port 5432 failed: Connection refused": "db-refused",
    "Redis connection to cache:6379 failed - connect ECONNREFUSED": "db-refused",
    "ORA-12541: TNS:no listener": "db-refused",
    "데이터베이스 연결이 거부되었습니다": "db-refused",
    "資料庫連線失敗，請檢查": "db-refused",
    "FATAL: sorry, too many clients already: connection to server at db, port 5432 failed": "",
    "connection to server at db failed: FATAL: the database system is starting up": "",
    "MongoServerError: NotWritablePrimary: not primary": "",
    "java.lang.OutOfMemoryError: Java heap space": "app-oom",
    "Memory cgroup out of memory: Killed process 4411 (java)": "app-oom",
    "container loan-was exited with code 137": "app-oom",
    "메모리 부족으로 WAS가 종료되었습니다": "app-oom",
    "應用程式記憶體不足": "app-oom",
    "the nightly synchronous import hit java.lang.OutOfMemoryError": "app-oom",
    "airflow-scheduler: OOMKilled": "scheduler-oom",
    "com.shop.BatchScheduler - java.lang.OutOfMemoryError: GC overhead limit": "scheduler-oom",
    "Killed process 812 (celery-beat): out of memory": "scheduler-oom",
    "배치 스케줄러가 메모리 부족으로 종료됨": "scheduler-oom",
    "排程服務記憶體不足": "scheduler-oom",
    "psycopg2.OperationalError: SSL connection has been closed unexpectedly": "postgres-ssl",
    "PostgreSQL: SSL error: decryption failed or bad record mac": "postgres-ssl",
    "LOG: SSL SYSCALL error: EOF detected": "postgres-ssl",
    "PostgreSQL SSL 연결이 끊어졌습니다": "postgres-ssl",
    "PostgreSQL SSL 連線中斷": "postgres-ssl",
    "postgres: SSL error: certificate verify failed": "",
    "TLS handshake failed with api.example.com": "",
    "postgres 서버 인증서 만료": "",
    "google.auth.exceptions.RefreshError: ('invalid_grant: Token has been expired or revoked.')": (
        "gdrive-token"
    ),
    "Google Drive upload: 401 Unauthorized": "gdrive-token",
    "구글 드라이브 토큰이 만료되었습니다": "gdrive-token",
    "Google 雲端硬碟 token 已過期": "gdrive-token",
    "Failed password for root from 10.0.0.9 port 22": "",
    "GET https://api.example.com/items: HTTP 429 Too Many Requests": "http-429",
    "응답 코드 429: 요청이 너무 많습니다": "http-429",
    "請求過多 429，請稍後再試": "http-429",
    "No space left on device": "",
    "504 Gateway Time-out": "",
    "all is well": "",
    "": "",
}

INVENTORY = """
[[institution]]
code = "KR"
names = ["한국"]
[[system]]
code = "SHOP"
institution = "KR"
names = ["쇼핑"]
[[system]]
code = "WMS"
institution = "KR"
names = ["물류"]
"""


def asset(code: str, system: str, layer: str, environment: str = "PRD", more: str = "") -> str:
    place = f'environment = "{environment}"\nhost = "{code.lower()}"'
    what = more or f'container = "{code.lower()}"'
    return f'[[asset]]\ncode = "{code}"\nsystem = "{system}"\nlayer = "{layer}"\n{place}\n{what}\n'


ASSETS = [
    asset("SHOP-WAS-1", "SHOP", "WAS"),
    asset("SHOP-WAS-2", "SHOP", "WAS"),
    asset("SHOP-JOBS", "SHOP", "WAS", more='service = "jobs"\nrole = "scheduler"'),
    asset("SHOP-DB", "SHOP", "DB", more='container = "pg"\ncompose = "/srv/shop"'),
    asset("SHOP-DB-STG", "SHOP", "DB", "STG"),
    asset("WMS-WAS", "WMS", "WAS"),
    asset("WMS-DB", "WMS", "DB", more='service = "postgresql"'),
]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    path = tmp_path / "inventory.toml"
    path.write_text(INVENTORY + "".join(ASSETS), encoding="utf-8")
    return load_inventory(path)


@pytest.fixture
def planner(inventory: Inventory) -> Planner:
    return Planner(inventory, load_policy(None), Scripts(None), PlanSettings())


def shipped(name: str) -> Playbook:
    found = SHIPPED.named(name)
    assert found is not None
    return found


def test_the_seven_as_agreed() -> None:
    """Minimum, cooldown in minutes and tries of requirements row F6, in the order of matching."""
    found = [(p.name, p.minimum, p.cooldown_ms // 60_000, p.max_retries) for p in SHIPPED]
    assert found == [
        ("dns-failure", "P2", 30, 3),
        ("db-refused", "P2", 30, 3),
        ("scheduler-oom", "P1", 60, 2),
        ("app-oom", "P1", 60, 2),
        ("postgres-ssl", "P2", 15, 3),
        ("gdrive-token", "P2", 240, 1),
        ("http-429", "P3", 30, 2),
    ]
    assert shipped("http-429").step.wait_ms == 30 * 60_000
    assert {p.step.kind for p in SHIPPED} == {
        "DOCKER_RESTART",
        "SSH_CMD",
        "ALERT_ONLY",
        "WAIT_RETRY",
    }


@pytest.mark.parametrize("words", TEXTS, ids=lambda words: words[:40] or "nothing")
def test_a_text_has_its_playbook(words: str) -> None:
    found = SHIPPED.find(classify(words), "P1", words)
    assert (found.name if found else "") == TEXTS[words]


@pytest.mark.parametrize(
    ("name", "severities"),
    [("app-oom", "P1"), ("db-refused", "P1 P2"), ("http-429", "P1 P2 P3")],
)
def test_the_minimum_severity(name: str, severities: str) -> None:
    words = next(words for words, found in TEXTS.items() if found == name)
    good = [s for s in ("P1", "P2", "P3") if SHIPPED.find(classify(words), s, words)]
    assert good == severities.split()


def test_words_match_where_a_word_begins() -> None:
    scheduler = shipped("scheduler-oom")
    for words in ("cron", "anacron: /cron", "myapp.JobScheduler", "SCHEDULER", "celery \n beat"):
        assert scheduler.is_for("OOM", "P1", words), words
    for words in ("synchronous", "synccron", "acronym", "celery worker, heartbeat"):
        assert not scheduler.is_for("OOM", "P1", words), words
    ssl = shipped("postgres-ssl")
    assert ssl.is_for("SSL_FAIL", "P1", "db:5432")
    assert not ssl.is_for("SSL_FAIL", "P1", "id 54321, 15432")


def test_wide_letters_and_the_ends_of_a_long_text() -> None:
    scheduler = shipped("scheduler-oom")
    assert scheduler.is_for("OOM", "P1", "ｓｃｈｅｄｕｌｅｒ")
    assert scheduler.is_for("OOM", "P1", "x" * 1_000_000 + " scheduler")
    assert not scheduler.is_for("OOM", "P1", "x" * 500_000 + " scheduler " + "x" * 500_000)


@pytest.mark.parametrize(
    ("name", "named", "targets"),
    [
        # The asset itself where it has the role: never its neighbours.
        ("app-oom", "SHOP-WAS-2", ["SHOP-WAS-2"]),
        ("postgres-ssl", "SHOP-WAS-1", ["SHOP-WAS-1"]),
        # Else those of the role in its system and environment.
        ("postgres-ssl", "SHOP-DB", ["SHOP-WAS-1", "SHOP-WAS-2"]),
        ("db-refused", "SHOP-WAS-1", ["SHOP-DB"]),
        ("db-refused", "WMS-WAS", ["WMS-DB"]),
        ("db-refused", "SHOP-DB-STG", ["SHOP-DB-STG"]),
        ("scheduler-oom", "SHOP-WAS-1", ["SHOP-JOBS"]),
        # A scheduler is no application, and an application's memory is its own affair.
        ("app-oom", "SHOP-JOBS", []),
        ("app-oom", "SHOP-DB", []),
        ("scheduler-oom", "WMS-WAS", []),
        # Only containers.
        ("dns-failure", "SHOP-WAS-1", ["SHOP-DB"]),
        ("dns-failure", "WMS-WAS", []),
        # What nobody knows.
        ("db-refused", "SHOP", []),
        ("db-refused", "", []),
        ("http-429", "SHOP-WAS-1", []),
        ("gdrive-token", "SHOP-WAS-1", []),
    ],
)
def test_targets_by_role(inventory: Inventory, name: str, named: str, targets: list[str]) -> None:
    assert list(targets_of(shipped(name), inventory, named)) == targets


def test_the_second_action_where_the_first_cannot_be_planned(planner: Planner) -> None:
    database = shipped("db-refused")
    first = plan_for(database, planner, ["SHOP-DB"])
    assert first.action == "compose_restart"
    assert first.steps[0].argv[:3] == ("docker", "compose", "--project-directory")
    second = plan_for(database, planner, ["WMS-DB"])
    assert (second.action, second.steps[0].argv[0]) == ("server_restart", "systemctl")
    # One of them is in no project: all go the second way, in one action.
    assert plan_for(database, planner, ["SHOP-DB", "WMS-DB"]).action == "server_restart"
    assert (first.risk, second.risk) == ("CRITICAL", "CRITICAL")
    with pytest.raises(GiveUp):
        plan_for(database, planner, ["NOWHERE"])


def test_what_each_could_touch(planner: Planner) -> None:
    assert reach(shipped("app-oom"), planner) == [
        "app-oom (role app) may touch SHOP-WAS-1, SHOP-WAS-2, WMS-WAS"
    ]
    assert reach(shipped("dns-failure"), planner) == [
        "dns-failure (role db) may touch SHOP-DB, SHOP-DB-STG"
    ]
    assert reach(shipped("http-429"), planner) == []


def test_the_digest_is_of_all_of_it() -> None:
    one, again = shipped("app-oom"), load_playbooks().named("app-oom")
    assert again is not None
    assert one.digest == again.digest
    assert len({playbook.digest for playbook in SHIPPED}) == 7
    assert len(one.digest) == 64


def test_unknown_names() -> None:
    assert SHIPPED.named("nothing") is None
    assert Playbooks(()).find("OOM", "P1", "oom") is None
