"""Logs: streams, files below the roots, and how many lines."""

from __future__ import annotations

import pytest

from engine.planning import PlanSettings
from tests.unit.actions.stage import argvs, plan, refusal


def test_streams_have_200_lines_unless_told() -> None:
    assert argvs("log_collect", "WAS", "APP") == [
        "journalctl -u tomcat -n 200 --no-pager",
        "docker logs --tail 200 -- app",
    ]
    assert plan("log_collect", "WAS").risk == "MEDIUM"


@pytest.mark.parametrize("lines", [1, 10_000, "1", "10000"])
def test_one_to_ten_thousand_lines(lines: object) -> None:
    assert argvs("log_collect", "WAS", lines=lines) == [
        f"journalctl -u tomcat -n {lines} --no-pager"
    ]


@pytest.mark.parametrize("lines", [0, 10_001, -5, "0", "007", "+5", "1e3", "5.0", 5.0, True])
def test_other_numbers_are_refused(lines: object) -> None:
    assert "from 1 to 10000" in refusal("log_collect", "WAS", lines=lines)


@pytest.mark.parametrize("root", PlanSettings().log_roots)
def test_a_file_is_resolved_before_it_is_read(root: str) -> None:
    path = f"{root}/app/app-1.log"
    resolve, read = plan("log_collect", "WAS", path=path, lines=7).steps
    assert resolve.argv == ("realpath", "-e", "--", path)
    assert resolve.under == PlanSettings().log_roots
    assert read.argv == ("tail", "-n", "7", "--", path)
    assert read.under == ()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/var/log", "/var/logs/x", "/var/log/", "var/log/x", "/var/log/../x",
     "/var/log//x", "/var/log/.x", "/home/ops/.ssh/id_rsa", "/var/log/-x", "/var/log/a b"],
)  # fmt: skip
def test_other_paths_are_refused(path: str) -> None:
    assert "absolute path" in refusal("log_collect", "WAS", path=path)
