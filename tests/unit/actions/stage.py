"""What the tests of single actions plan with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.actions.scripts import Scripts
from engine.errors import GiveUp
from engine.inventory import Asset, Inventory
from engine.plan import Plan
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from prompts.texts import say

ASSETS = (
    Asset("WAS", "S", "WAS", "DEV", "was-01", service="tomcat"),
    Asset("PG", "S", "DB", "DEV", "db-01", service="postgresql@15-main"),
    Asset("PG-BOX", "S", "DB", "DEV", "box", container="shop-postgres"),
    Asset("MY", "S", "DB", "DEV", "db-02", service="mariadb"),
    Asset("MY-BOX", "S", "DB", "DEV", "box", container="db", names=("shop MySQL",)),
    Asset("APP", "S", "WAS", "DEV", "box", container="app"),
    Asset("CART", "S", "WAS", "DEV", "box", container="shop-cart-1", compose="/srv/shop"),
    Asset(
        "PAY",
        "S",
        "WAS",
        "DEV",
        "box",
        container="pay-1",
        compose="/srv/shop",
        compose_service="pay",
    ),
    Asset("DB", "S", "DB", "DEV", "box", container="momo-db"),
)
INVENTORY = Inventory({}, {}, {asset.code: asset for asset in ASSETS})


def plan(action: str, *targets: str, scripts: Path | None = None, **params: Any) -> Plan:
    planner = Planner(INVENTORY, load_policy(), Scripts(scripts), PlanSettings())
    return planner.plan(action, list(targets), params)


def argvs(action: str, *targets: str, scripts: Path | None = None, **params: Any) -> list[str]:
    """The steps as single strings, for values without spaces."""
    steps = plan(action, *targets, scripts=scripts, **params).steps
    return [" ".join(step.argv) for step in steps]


def refusal(action: str, *targets: str, scripts: Path | None = None, **params: Any) -> str:
    with pytest.raises(GiveUp) as raised:
        plan(action, *targets, scripts=scripts, **params)
    return say(raised.value.text, "en")
