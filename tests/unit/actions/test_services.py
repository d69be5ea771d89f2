"""Restart, stop, start and status of units and containers."""

from __future__ import annotations

import pytest

from tests.unit.actions.stage import argvs, plan, refusal


@pytest.mark.parametrize(
    ("action", "verb"),
    [("server_restart", "restart"), ("service_stop", "stop"), ("service_start", "start")],
)
def test_units_go_to_systemctl_and_containers_to_docker(action: str, verb: str) -> None:
    assert argvs(action, "WAS", "APP") == [f"systemctl {verb} -- tomcat", f"docker {verb} -- app"]
    assert plan(action, "WAS").risk == "HIGH"


def test_status_only_looks() -> None:
    unit, box = plan("service_status", "WAS", "APP").steps
    assert unit.argv[:3] == ("systemctl", "show", "--no-pager")
    assert unit.argv[-2:] == ("--", "tomcat")
    assert box.argv[:3] == ("docker", "inspect", "--type=container")
    assert box.argv[-2:] == ("--", "app")
    assert plan("service_status", "WAS").risk == "LOW"


def test_they_take_no_parameters() -> None:
    assert "It takes none" in refusal("server_restart", "WAS", force="true")


def test_a_compose_service_is_restarted_in_its_project() -> None:
    assert argvs("compose_restart", "CART", "PAY") == [
        "docker compose --project-directory /srv/shop restart -- shop-cart-1",
        "docker compose --project-directory /srv/shop restart -- pay",
    ]
    assert plan("compose_restart", "CART").risk == "HIGH"


@pytest.mark.parametrize("code", ["WAS", "APP"])
def test_what_is_in_no_project_is_refused(code: str) -> None:
    assert f"{code} is in no docker compose project" in refusal("compose_restart", code)
    assert f"{code} is in no docker compose project" in refusal("compose_restart", "CART", code)
