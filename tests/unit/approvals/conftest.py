"""A small team, a small inventory, and the real planner and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals
from engine.approvals.settings import ApprovalSettings
from engine.approvals.watch import ApprovalWatch
from engine.inventory import Inventory, load_inventory
from engine.planning import Planner, PlanSettings
from engine.risk import load_policy
from storage import people, rooms
from storage.database import Database
from storage.people import Listing, Person, Role
from storage.rooms import RoomListing

INVENTORY = """
[[institution]]
code = "KR"
names = ["한국"]
[[system]]
code = "PAY"
institution = "KR"
names = ["결제"]
[[asset]]
code = "PAY-WAS-01"
system = "PAY"
layer = "WAS"
environment = "PRD"
host = "pay-was-01"
service = "tomcat"
[[asset]]
code = "PAY-STG-01"
system = "PAY"
layer = "WAS"
environment = "STG"
host = "pay-stg-01"
service = "tomcat"
"""


@dataclass
class Team:
    """The people of a test, as they are listed, and what they work with."""

    min: Person
    jun: Person
    ana: Person
    bot: Person
    proposals: Proposals
    watch: ApprovalWatch
    replan_with: Callable[[Inventory], None]


@pytest.fixture
async def team(db: Database, tmp_path: Path) -> Team:
    listings = [
        Listing("min", Role.REQUESTER, "ko"),
        Listing("jun", Role.ENGINEER, "zh-TW", on_call=True),
        Listing("ana", Role.ADMIN, "en"),
        Listing("robot", Role.AGENT, "en"),
    ]
    async with db.write() as tx:
        await people.sync(tx, listings)
        await rooms.sync(
            tx,
            [
                RoomListing("web", "", "ops"),
                RoomListing("web", "", "approvals", cards=False, approvals=True),
            ],
        )
        everyone = await people.everyone(tx)
    file = tmp_path / "inventory.toml"
    file.write_text(INVENTORY, encoding="utf-8")
    settings = ApprovalSettings()
    planner = Planner(load_inventory(file), load_policy(None), Scripts(None), PlanSettings())
    proposals = Proposals(planner, settings)

    def replan_with(inventory: Inventory) -> None:
        proposals.planner = Planner(inventory, planner.policy, Scripts(None), PlanSettings())

    return Team(*everyone, proposals, ApprovalWatch(db, proposals, settings), replan_with)
