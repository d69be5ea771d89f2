"""A small estate with a day's work on it: incidents, actions, repairs and freezes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.incidents.classify import classify
from engine.incidents.symptom import symptom_hash
from engine.insight.root_cause import Analysis, root_cause
from engine.inventory import Inventory, load_inventory
from storage import actions, attempts, freezes, incidents, people
from storage.actions import Action, NewAction
from storage.attempts import Attempt
from storage.database import Database
from storage.incidents import Incident
from storage.lifecycle import AttemptMove, IncidentMove, Move
from storage.people import Listing, Person, Role
from tests.conftest import FakeClock

ASSETS = (
    # code, system, layer, environment, host
    ("PAY-WEB-01", "PAY", "WEB", "PRD", "pay-web"),
    ("PAY-WAS-01", "PAY", "WAS", "PRD", "pay-was-1"),
    ("PAY-WAS-02", "PAY", "WAS", "PRD", "pay-was-2"),
    ("PAY-DB-01", "PAY", "DB", "PRD", "pay-db"),
    ("PAY-STG-DB", "PAY", "DB", "STG", "pay-stg"),
    ("BATCH-01", "BATCH", "WAS", "PRD", "pay-was-1"),
    ("SHOP-WAS-01", "SHOP", "WAS", "PRD", "shop"),
)
DIED = "java.net.SocketTimeoutException: connect timed out to 10.0.0.7:5432"


class Scene:
    """``clock`` is the database's; ``ask`` is what the product answers."""

    def __init__(self, db: Database, clock: FakeClock, folder: Path) -> None:
        self.db = db
        self.clock = clock
        self.inventory = _inventory(folder)
        self.jun: Person

    async def start(self) -> None:
        async with self.db.write() as tx:
            await people.sync(tx, [Listing("jun", Role.ENGINEER, "en")])
            (self.jun,) = await people.everyone(tx)

    async def incident(self, asset: str | None, summary: str = DIED, **more: Any) -> Incident:
        kind = more.pop("kind", classify(summary))
        values = {
            "source": "alertmanager",
            "severity": "P2",
            "actor": "test",
            "symptom": symptom_hash(kind, asset or "", summary),
            **more,
        }
        async with self.db.write() as tx:
            return await incidents.create(tx, summary=summary, asset=asset, kind=kind, **values)

    async def action(
        self,
        *targets: str,
        type: str = "server_restart",
        risk: str = "HIGH",
        ends: Move | None = None,
    ) -> Action:
        """An action that a runner began now."""
        plan = {
            "targets": list(targets),
            "params": {},
            "steps": [],
            "risk": risk,
            "reasons": [],
            "policy_version": "p",
            "digest": "d",
        }
        async with self.db.write() as tx:
            new = NewAction(type, "", self.jun.id, None, None, plan)
            made = await actions.insert(tx, new, self.jun.actor)
            assert made is not None
            await actions.move(tx, made.id, Move.QUEUE, "test")
            await actions.move(tx, made.id, Move.CLAIM, "test", values={"started_at": tx.now})
            await actions.move(tx, made.id, ends or Move.SUCCEED, "test")
        return made

    async def repair(
        self, incident: Incident, *steps: AttemptMove, action: int | None = None, **values: Any
    ) -> Attempt:
        """An attempt, moved by these steps."""
        async with self.db.write() as tx:
            await incidents.move(tx, incident.id, IncidentMove.HEAL, "test")
            attempt = await attempts.begin(
                tx,
                incident,
                playbook="restart-app",
                playbook_digest="",
                action_type="server_restart",
                targets=(incident.asset or "",),
            )
            for step in steps:
                given = {"action_id": action} if step is AttemptMove.ACT else {}
                await attempts.move(tx, attempt, step, values=given | values)
                attempt = await attempts.must(tx, attempt.id)
        return attempt

    async def resolve(self, incident: Incident, comment: str = "") -> None:
        detail = {"why": "person"} | ({"comment": comment} if comment else {})
        async with self.db.write() as tx:
            assert await incidents.move(
                tx, incident.id, IncidentMove.RESOLVE, "test", detail=detail, person=self.jun
            )

    async def freeze(self, minutes: int) -> None:
        async with self.db.write() as tx:
            await freezes.begin(tx, self.jun, "sale")
        self.clock.forward(minutes=minutes)
        async with self.db.write() as tx:
            await freezes.end(tx, self.jun, "over")

    async def ask(self, incident: Incident) -> Analysis:
        async with self.db.read() as tx:
            return await root_cause(tx, self.inventory, await incidents.must(tx, incident.id))


def _inventory(folder: Path) -> Inventory:
    rows = ['[[institution]]\ncode = "KR"\nnames = ["KR"]\n']
    rows += [
        f'[[system]]\ncode = "{code}"\ninstitution = "KR"\nnames = ["{code}"]\n'
        for code in ("PAY", "BATCH", "SHOP")
    ]
    rows += [
        f'[[asset]]\ncode = "{code}"\nsystem = "{system}"\nlayer = "{layer}"\n'
        f'environment = "{environment}"\nhost = "{host}"\nservice = "tomcat"\n'
        for code, system, layer, environment, host in ASSETS
    ]
    file = folder / "inventory.toml"
    file.write_text("".join(rows), encoding="utf-8")
    return load_inventory(file)
