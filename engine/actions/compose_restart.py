"""Restart a service of a docker compose project, with every container that it has there."""

from __future__ import annotations

from engine.actions.action_type import ActionType, container, each
from engine.actions.slots import CONTAINER, is_plain, refuse
from engine.errors import GiveUp, Why
from engine.inventory import Asset
from prompts.texts import text


def _argv(asset: Asset) -> list[str]:
    if not asset.compose:
        raise GiveUp(Why.INVALID, text("plan_no_compose", asset=asset.code))
    if not is_plain(asset.compose):
        raise refuse(f"{asset.code}.compose", asset.compose, text("plan_rule_folder"))
    service = container(asset)
    if asset.compose_service:
        service = CONTAINER.read(asset.compose_service, f"{asset.code}.compose_service")
    folder = ["--project-directory", asset.compose]
    return ["docker", "compose", *folder, "restart", "--", service]


COMPOSE_RESTART = ActionType("compose_restart", each(_argv))
