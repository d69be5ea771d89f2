"""A few people, rooms, articles and repairs that have ended, in a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.healing.probes import Finding
from engine.requests.desk import Desk
from prompts.texts import text
from storage import actions, articles, attempts, blocks, incidents, people, rooms
from storage.actions import NewAction
from storage.articles import WATCHSTANDER, Article, Kind
from storage.attempts import Attempt
from storage.database import Database
from storage.lifecycle import ArticleMove, AttemptMove
from storage.people import Listing, Person, Role
from storage.rooms import RoomListing
from storage.tables import cards, outbox

LISTINGS = [
    Listing("min", Role.REQUESTER, "ko"),
    Listing("jun", Role.ENGINEER, "en"),
    Listing("lin", Role.ENGINEER, "zh-TW"),
    Listing("ana", Role.ADMIN, "en"),
    Listing("robot", Role.AGENT, "en"),
]

VPN = (
    "Resetting the VPN password",
    "Open the self-service portal, choose VPN, and press Reset. A new password comes by text "
    "message within five minutes. After three wrong passwords the account is locked for an hour.",
)
PRINTER = (
    "Connecting to the office printer",
    "Add the printer named floor-3 from the system settings. The driver installs itself. Paper "
    "is in the cupboard beside the kitchen.",
)
LEAVE = (
    "연차 휴가 신청 방법",
    "인사 포털에서 근태 메뉴를 열고 휴가 신청을 누르세요. 팀장이 승인하면 메일이 옵니다.",
)
PLAN = {
    "action": "server_restart",
    "targets": ["PAY-WAS-01"],
    "params": {},
    "steps": [
        {
            "asset": "PAY-WAS-01",
            "host": "pay-was-01",
            "endpoint": "ops@10.0.0.1:22",
            "argv": ["sudo", "-n", "systemctl", "restart", "--", "tomcat"],
            "under": [],
            "upload": "",
        }
    ],
    "risk": "HIGH",
    "reasons": [],
    "policy_version": "p1",
    "digest": "d" * 64,
}


@dataclass
class Shelves:
    """The database, the people by name, and the room where cards come up."""

    db: Database
    people: dict[str, Person]
    room: int
    desk: Desk

    async def published(
        self, title: str, body: str, kind: Kind = Kind.ARTICLE, **more: Any
    ) -> Article:
        async with self.db.write() as tx:
            made = await articles.create(
                tx,
                kind=kind,
                title=title,
                body=body,
                language="en",
                actor=WATCHSTANDER,
                **more,
            )
            assert made is not None
            await articles.move(tx, made, ArticleMove.PUBLISH, WATCHSTANDER)
            return await articles.must(tx, made.id)

    async def all(self) -> list[Article]:
        """Every article, oldest first."""
        async with self.db.read() as tx:
            return list(reversed(await articles.listing(tx)))

    async def said(self) -> list[dict[str, Any]]:
        """The words that rooms were told, oldest first."""
        query = sa.select(outbox.c.body).where(outbox.c.kind == "say").order_by(outbox.c.id)
        async with self.db.read() as tx:
            return [json.loads(row.body) for row in await tx.all(query)]

    async def cards(self) -> list[str]:
        """The subjects that have a card somewhere."""
        async with self.db.read() as tx:
            return [row.subject for row in await tx.all(sa.select(cards.c.subject))]

    async def repair(
        self,
        *,
        good: bool,
        summary: str = "upstream timed out",
        playbook: str = "restart-app",
        block: bool = True,
        detail: str = "",
        symptom: str = "a" * 16,
    ) -> Attempt:
        """An attempt that acted and has ended, well or not."""
        async with self.db.write() as tx:
            incident = await incidents.create(
                tx,
                source="alertmanager",
                severity="P1",
                summary=summary,
                asset="PAY-WAS-01",
                actor=WATCHSTANDER,
                kind="TIMEOUT",
                symptom=symptom,
                detail=detail,
            )
            attempt = await attempts.begin(
                tx,
                incident,
                playbook=playbook,
                playbook_digest="0" * 64,
                action_type="server_restart",
                targets=["PAY-WAS-01"],
            )
            requester = await people.itself(tx)
            new = NewAction("server_restart", "", requester.id, None, None, PLAN)
            action = await actions.insert(tx, new, WATCHSTANDER)
            assert action is not None
            found: Mapping[str, Any] = {"before": [_finding(False)], "after": [_finding(good)]}
            acted = {"action_id": action.id, "findings": found}
            await attempts.move(tx, attempt, AttemptMove.ACT, values=acted)
            for step in (AttemptMove.LOOK, AttemptMove.SETTLE if good else AttemptMove.FAIL):
                now = await attempts.must(tx, attempt.id)
                why = {} if good else {"reason": text("probe_container_gone").to_json()}
                await attempts.move(tx, now, step, values=why)
            now = await attempts.must(tx, attempt.id)
            if good:
                await attempts.move(tx, now, AttemptMove.SUCCEED)
            elif block:
                await blocks.put(tx, now, tx.now + 7 * 24 * 3_600_000)
            return await attempts.must(tx, attempt.id)


def _finding(ok: bool) -> dict[str, Any]:
    detail = text("probe_container_gone")
    return Finding("PAY-WAS-01 (tomcat)", ok, detail).to_json()


async def furnish(db: Database) -> Shelves:
    """People and one room with cards."""
    async with db.write() as tx:
        await people.sync(tx, LISTINGS)
        await rooms.sync(tx, [RoomListing("web", "", "ops")])
        (room,) = await rooms.with_cards(tx)
        found = {person.name: person for person in await people.everyone(tx)}
    return Shelves(db, found, room.id, Desk())
