"""The real parts that handlers work with, on a small inventory."""

from __future__ import annotations

from pathlib import Path

from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals
from engine.approvals.settings import ApprovalSettings
from engine.approvals.watch import ApprovalWatch
from engine.cycle import Cycle
from engine.execution.ssh import SshRunner, SshSettings
from engine.healing.healer import Healer
from engine.healing.playbooks import load_playbooks
from engine.healing.probes import Prober
from engine.healing.settings import HealSettings
from engine.inventory import load_inventory
from engine.knowledge.knowledge import Knowledge
from engine.language.model import ModelSettings
from engine.language.reader import Reader
from engine.nudges import Nudges, shipped
from engine.planning import Planner, PlanSettings
from engine.requests.desk import Desk
from engine.risk import load_policy
from engine.upkeep.expiry import Upkeep
from engine.upkeep.settings import UpkeepSettings
from handlers.explaining import Explaining
from handlers.services import Link, Services
from storage.database import Database
from tests.ssh_keys import write_keys

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


def build_services(db: Database, folder: Path, model: ModelSettings | None = None) -> Services:
    """Everything but the rooms; the reader's model is not started: few tests need one."""
    file = folder / "inventory.toml"
    file.write_text(INVENTORY, encoding="utf-8")
    inventory = load_inventory(file)
    planner = Planner(inventory, load_policy(None), Scripts(None), PlanSettings())
    approvals = ApprovalSettings()
    proposals = Proposals(planner, approvals)
    desk = Desk()
    watch = ApprovalWatch(db, proposals, approvals)
    cycle = Cycle(db, desk, watch.run_once)
    reader = Reader(inventory, model or ModelSettings(shipped=False))
    links = (Link("database", True, "answers"),)
    runner = SshRunner(SshSettings(*write_keys(folder / "ssh")), inventory, Scripts(None))
    prober = Prober(planner, runner, ())
    healer = Healer(db, proposals, load_playbooks(), prober, HealSettings())
    knowledge = Knowledge(db)
    return Services(
        db=db,
        inventory=inventory,
        reader=reader,
        proposals=proposals,
        desk=desk,
        cycle=cycle,
        links=lambda: links,
        healer=healer,
        knowledge=knowledge,
        explaining=Explaining(db, inventory, knowledge.writer),
        nudges=Nudges(shipped(), planner),
        upkeep=Upkeep(db, inventory.listed, UpkeepSettings(), "Asia/Seoul"),
    )
