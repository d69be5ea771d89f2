"""A team's own playbooks: where they stand, and every way in which a file can be wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from engine.healing.playbooks import PlaybookError, load_playbooks
from engine.planning import PlanSettings

GOOD = """
name = "web-logs"
minimum = "P3"
cooldown_minutes = 10
max_retries = 2
[title]
en = "Fetch the log"
ko = "로그 수집"
"zh-TW" = "收集記錄"
[match]
classes = ["TIMEOUT", "UNKNOWN"]
keywords = ["nginx"]
[step]
kind = "SSH_CMD"
action = "log_collect"
role = "web"
params = { path = "/var/log/nginx/error.log", lines = 50 }
"""


def problems(folder: Path, content: str | bytes, name: str = "one.toml") -> list[str]:
    """What is wrong with a folder of this one file, without the file's own path."""
    raw = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(raw)
    with pytest.raises(PlaybookError) as caught:
        load_playbooks(folder)
    place = f"{folder / name}: "
    assert all(problem.startswith(place) for problem in caught.value.problems)
    return [problem.removeprefix(place) for problem in caught.value.problems]


def test_own_ones_come_first_and_by_file_name(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(GOOD)
    (tmp_path / "a.toml").write_text(GOOD.replace("web-logs", "early"))
    (tmp_path / "notes.md").write_text("not one")
    found = load_playbooks(tmp_path)
    assert [one.name for one in found][:3] == ["early", "web-logs", "dns-failure"]
    assert len(found.all) == 9
    own = found.find("TIMEOUT", "P3", "nginx: upstream timed out")
    assert own is not None
    assert own.name == "early"
    assert own.settle_ms == 120_000
    # In the form that the plan will have.
    assert own.step.params == {"path": "/var/log/nginx/error.log", "lines": 50}


def test_an_own_one_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace("web-logs", "app-oom"))
    found = load_playbooks(tmp_path)
    assert [one.name for one in found].count("app-oom") == 1
    own = found.named("app-oom")
    assert own is not None
    assert own.classes == ("TIMEOUT", "UNKNOWN")
    assert found.find("OOM", "P1", "java.lang.OutOfMemoryError") is None


def test_the_inverse(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(
        GOOD.replace('"log_collect"', '"service_stop"')
        .replace('params = { path = "/var/log/nginx/error.log", lines = 50 }', "")
        .replace("minimum", "settle_seconds = 30\nminimum")
        + '[undo]\naction = "service_start"\n'
    )
    own = load_playbooks(tmp_path).named("web-logs")
    assert own is not None
    assert own.undo is not None
    assert (own.step.action, own.undo.action, own.settle_ms) == (
        "service_stop",
        "service_start",
        30_000,
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"TIMEOUT"', '"SLOW"', "[match] classes: 'SLOW' is no class; use DNS_FAIL"),
        ('["TIMEOUT", "UNKNOWN"]', "[]", "[match] classes: is empty; name at least one"),
        ('["TIMEOUT", "UNKNOWN"]', '"OOM"', "[match] classes: must be a list of at most 200"),
        ('["nginx"]', '["nginx", ""]', "[match] keywords: must be a list of at most 200"),
        ('["nginx"]', '[" "]', "[match] keywords: must be a list of at most 200"),
        ('["nginx"]', '["\\u200b"]', "[match] keywords: must be a list of at most 200"),
        ('"log_collect"', '"reboot"', "[step] action: 'reboot' is no action type; use one of"),
        ('"log_collect"', '"deploy_prd"', "[step] action: deploy_prd has no runner; use one of"),
        ('"log_collect"', '"bulk_sr_update"', "acts on service requests; choose one"),
        ("lines = 50", "lines = 50000000", "[step] params:"),
        ("lines = 50", "depth = 5", "[step] params:"),
        ("/var/log/nginx", "/etc/../root", "[step] params:"),
        ("params = {", "params = 5 #", "[step] params: must be a table; write [step.params]"),
        ('"web"', '"Web Server"', "[step] role: 'Web Server' cannot be used; write small"),
        ('role = "web"', "", "[step] role: is missing; add it"),
        ('role = "web"', 'role = "web"\nreach = "all"', "[step] reach: 'all' is not known"),
        ('"SSH_CMD"', '"SHELL"', "[step] kind: 'SHELL' is not known; use DOCKER_RESTART"),
        ('"SSH_CMD"', '"WAIT_RETRY"', "[step] wait_minutes: is missing; add it"),
        ('"SSH_CMD"', '"ALERT_ONLY"', "[step] message: is missing; add it"),
        ('"SSH_CMD"', '"ALERT_ONLY"', "[step] action: unknown key with kind ALERT_ONLY"),
        ('"SSH_CMD"', '"DOCKER_RESTART"', "[step] action: unknown key with kind DOCKER_RESTART"),
        ("role =", 'command = "rm -rf /"\nrole =', "[step] command: no command can be written"),
        ("role =", 'argv = ["sh", "-c"]\nrole =', "[step] argv: no command can be written here"),
        ("role =", "shell = true\nrole =", "[step] shell: no command can be written here"),
        ("role =", 'rol = "web"\nrole =', "[step] rol: unknown key with kind SSH_CMD; did you"),
        ("role =", 'otherwise = "x"\nrole =', "[step] otherwise: 'x' is no action type"),
        ("role =", 'guide = "http://wiki"\nrole =', "[step] guide: 'http://wiki' cannot be used"),
        ("role =", 'guide = "https://w/ x"\nrole =', "a link that begins with https://"),
        ('"web-logs"', '"Web Logs"', "name: 'Web Logs' cannot be used; write small letters"),
        ('name = "web-logs"', "", "name: is missing; add it"),
        ('name = "web-logs"', "name = 5", "name: must be a text of 1 to 1000 signs in one line"),
        ('"P3"', '"HIGH"', "minimum: 'HIGH' is not known; use P1, P2, P3"),
        ("= 10\n", "= 0\n", "cooldown_minutes: 0 must be a whole number from 1 to 10080"),
        ("= 10\n", "= true\n", "cooldown_minutes: True must be a whole number"),
        ("= 10\n", "= 1.5\n", "cooldown_minutes: 1.5 must be a whole number"),
        ("max_retries = 2", "max_retries = 99", "max_retries: 99 must be a whole number"),
        ("max_retries = 2", "", "max_retries: is missing; add it"),
        ("max_retries", "settle_seconds = 5\nmax_retries", "settle_seconds: 5 must be a whole"),
        ('ko = "로그 수집"', "", "[title] ko: is missing; add it"),
        ('ko = "로그 수집"', 'ko = ""', "[title] ko: must be a text of 1 to 1000 signs"),
        ('ko = "로그 수집"', 'ko = "a\\nb"', "[title] ko: must be a text of 1 to 1000 signs"),
        ('ko = "로그 수집"', 'ko = "로그"\nja = "ログ"', "[title] ja: unknown key; use en, ko"),
        ("[match]", "[undo]\naction = 'nothing'\n[match]", "[undo] action: 'nothing' is no action"),
        ("[match]", "[undo]\ncmd = 'x'\n[match]", "[undo] cmd: no command can be written here"),
        ("[match]", "[retry]\n[match]", "retry: unknown key; use match, name"),
        ("[match]", "[match", "not TOML: "),
    ],
)
def test_each_fault_is_told_with_its_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(told in problem for problem in found), found


def test_every_fault_at_once(tmp_path: Path) -> None:
    bad = GOOD.replace("web-logs", "!").replace("TIMEOUT", "SLOW").replace("= 2", "= 0")
    assert len(problems(tmp_path, bad)) == 3


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 5_000, b"# " + b"x" * 70_000])
def test_what_is_no_playbook(tmp_path: Path, content: bytes) -> None:
    assert len(problems(tmp_path, content)) == 1


def test_an_empty_file_lacks_everything(tmp_path: Path) -> None:
    lacks = [problem.partition(":")[0] for problem in problems(tmp_path, "")]
    assert {"name", "title", "match", "step", "minimum", "max_retries"} <= set(lacks)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    found = problems(tmp_path, GOOD, "b.toml")
    assert found == ["name: web-logs is also in a.toml; give it its own"]


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError) as caught:
        load_playbooks(tmp_path / "nowhere")
    assert caught.value.problems == [
        f"{tmp_path / 'nowhere'}: No such file or directory; mend the path of the playbooks' folder"
    ]
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlaybookError) as caught:
        load_playbooks(tmp_path)
    assert len(caught.value.problems) == 3


def test_every_playbook_shown_in_the_docs_can_be_used(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/playbooks.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?ms)^```\n(name = .*?)^```$", page)
    for number, content in enumerate(shown):
        (tmp_path / f"{number}.toml").write_text(content, encoding="utf-8")
    found = load_playbooks(tmp_path)
    assert [one.name for one in found][:2] == ["nginx-stuck", "drain-web"]
    own = found.named("drain-web")
    assert own is not None
    assert own.undo is not None


def test_log_folders_are_those_of_the_plans(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(GOOD)
    with pytest.raises(PlaybookError, match="params"):
        load_playbooks(tmp_path, PlanSettings(log_roots=("/srv/logs",)))
