"""What ends when, looked at once a day, and told before it is too late."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

from engine.upkeep import certificates
from engine.upkeep.days import Calendar
from engine.upkeep.listed import Certificate, Listed
from engine.upkeep.settings import UpkeepSettings
from prompts.texts import Text, say, text
from storage import clocks, expiries, outbox, rooms
from storage.database import Database, Transaction
from storage.expiries import Expiry

_log = logging.getLogger(__name__)

CLOCK = "expiry"
_SIDE_BY_SIDE = 10
_MOST_LINES = 30
_WRONG_NAME = "upkeep_wrong_name"


@dataclass(frozen=True)
class Ending:
    """One thing that ends, as it stands now."""

    kind: str
    """certificate, licence or domain."""
    name: str
    what: str
    """What it is about: where a certificate is served, the product of a licence."""
    owner: str
    asset: str
    ends_at: int | None
    """Milliseconds; None = not known yet."""
    days_left: int | None
    """Days of the configured zone; 0 = today; negative after the day of its end."""
    ends_on: str
    """The day of its end in that zone, "2026-12-02"; "" = not known yet."""
    ended: bool
    problem: Text | None
    """Why the last look failed."""
    looked_at: int | None

    def line(self) -> Text:
        """It in one line."""
        return text(
            "upkeep_line",
            kind=text(f"upkeep_kind_{self.kind}"),
            name=self.name,
            what=self.what if self.what != self.name else "",
            owner=self.owner,
            left=self.left(),
            problem=self.problem or "",
        )

    def left(self) -> Text:
        """How long it still lasts."""
        if self.ends_at is None or self.days_left is None:
            return text("upkeep_unknown")
        return text("upkeep_left", days=self.days_left, ended=self.ended, on=self.ends_on)


class Upkeep:
    """The daily look and the daily notice; each is harmless to do twice."""

    def __init__(
        self, db: Database, listed: Listed, settings: UpkeepSettings, team_zone: str = ""
    ) -> None:
        self.settings = settings
        self.calendar = Calendar.of(settings.time_zone or team_zone)
        self._db = db
        self._listed = listed
        self._looked = False
        self._facts = {(kind, name): facts for kind, name, *facts in _facts(listed)}

    async def run_once(self) -> bool:
        """Look and tell, when it is time and today was not told yet. True: today was told now.

        The first call of a process looks in any case: the inventory may have changed.
        """
        async with self._db.read() as tx:
            due = self._due(tx, await clocks.last(tx, CLOCK))
        if due or not self._looked:
            await self.look()
        if not due:
            return False
        async with self._db.write() as tx:
            today = self.calendar.day(tx.now).isoformat()
            # Two processes may have looked; one of them takes the day and tells.
            if not self._due(tx, None) or not await clocks.reach(tx, CLOCK, today):
                return False
            await self._tell(tx)
        return True

    def _due(self, tx: Transaction, last: str | None) -> bool:
        now = self.calendar.local(tx.now)
        return now.time() >= self.settings.moment and last != now.date().isoformat()

    async def look(self) -> None:
        """See when everything ends, and write it down. Takes a while."""
        listed, gate = self._listed, asyncio.Semaphore(_SIDE_BY_SIDE)
        found = await asyncio.gather(*(self._look_at(one, gate) for one in listed.certificates))
        async with self._db.write() as tx:
            await expiries.keep_only(tx, self._facts.keys())
            for one, seen in zip(listed.certificates, found, strict=True):
                problem = seen.problem.to_json() if seen.problem else None
                await expiries.looked(tx, "certificate", one.name, seen.ends_at, problem)
            for licence in listed.licences:
                ends_at = self.calendar.end_of(licence.expires)
                await expiries.looked(tx, "licence", licence.name, ends_at)
            for domain in listed.domains:
                ends_at = self.calendar.end_of(domain.expires)
                await expiries.looked(tx, "domain", domain.name, ends_at)
        self._looked = True

    async def _look_at(self, one: Certificate, gate: asyncio.Semaphore) -> certificates.Seen:
        async with gate:
            try:
                return await certificates.look(one, self.settings.probe_timeout_s)
            # The boundary: what one server presents must not keep the others from being told.
            except Exception as error:  # noqa: BLE001
                _log.exception("upkeep: %s cannot be looked at", one.name)
                why, where = type(error).__name__, certificates.place(one)
                return certificates.Seen(None, text("upkeep_unreadable", where=where, why=why))

    async def endings(self, tx: Transaction) -> list[Ending]:
        """Everything that is listed, soonest first; what is not known yet comes first of all."""
        known = {(row.kind, row.name): row for row in await expiries.listing(tx)}
        found = [self._ending(tx.now, key, known.get(key)) for key in self._facts]
        return sorted(found, key=lambda one: (one.ends_at or 0, one.kind, one.name))

    async def soon(self, tx: Transaction) -> list[Ending]:
        """What has ended, or ends within the first threshold."""
        most = max(self.settings.days)
        return [
            one
            for one in await self.endings(tx)
            if one.days_left is not None and (one.ended or one.days_left <= most)
        ]

    def _ending(self, now: int, key: tuple[str, str], row: Expiry | None) -> Ending:
        what, owner, asset = self._facts[key]
        ends_at = row.ends_at if row else None
        return Ending(
            *key,
            what,
            owner,
            asset,
            ends_at,
            None if ends_at is None else self.calendar.days_left(now, ends_at),
            "" if ends_at is None else self.calendar.day(ends_at).isoformat(),
            ends_at is not None and ends_at <= now,
            Text.from_json(row.problem) if row and row.problem else None,
            row.looked_at if row else None,
        )

    async def _tell(self, tx: Transaction) -> None:
        """One notice a room, of whatever is due today."""
        places = await rooms.for_approvals(tx) or await rooms.with_cards(tx)
        if not places:
            _log.warning("upkeep: no room is listed; what ends is told in /license alone")
            return  # nothing is marked as told: the first room that is listed hears it
        due = []
        for row in await expiries.listing(tx):
            if (row.kind, row.name) in self._facts and await self._is_due(tx, row):
                due.append(self._ending(tx.now, (row.kind, row.name), row))
        if not due:
            return
        due.sort(key=lambda one: (one.ends_at or 0, one.kind, one.name))
        lines: list[Text] = [one.line() for one in due[:_MOST_LINES]]
        if len(due) > len(lines):
            lines.append(text("upkeep_more", count=len(due) - len(lines)))
        body = {
            "title": text("upkeep_title", count=len(due)).to_json(),
            "text": "",
            "lines": [line.to_json() for line in lines],
            "tone": "bad" if any(one.ended for one in due) else "warning",
            "note": text("upkeep_note").to_json(),
        }
        for room in places:
            await outbox.say(tx, room.id, body)

    async def _is_due(self, tx: Transaction, row: Expiry) -> bool:
        """Whether it is told today; that it was is written down."""
        one = self._ending(tx.now, (row.kind, row.name), row)
        troubled = self._trouble_is_due(tx.now, row)
        if troubled:
            await expiries.told_problem(tx, row)
        if one.days_left is None:
            return troubled
        if one.ended:
            return True
        reached = [days for days in self.settings.days if one.days_left <= days]
        if not reached or (row.told_days is not None and row.told_days <= min(reached)):
            return troubled
        await expiries.told(tx, row, min(reached))
        return True

    def _trouble_is_due(self, now: int, row: Expiry) -> bool:
        if row.problem is None or row.failing_since is None:
            return False
        if row.problem["key"] == _WRONG_NAME:
            return row.problem_told != _WRONG_NAME  # it was seen, and will not pass by itself
        if row.problem_told not in ("", _WRONG_NAME):
            return False
        days = self.calendar.days_left(row.failing_since, now)
        return days >= self.settings.unreachable_days


def _facts(listed: Listed) -> list[tuple[str, str, str, str, str]]:
    """Kind, name, what it is about, owner, asset."""
    return [
        *(("certificate", c.name, _what(c), "", c.asset) for c in listed.certificates),
        *(("licence", one.name, one.product, one.owner, "") for one in listed.licences),
        *(("domain", one.name, "", "", "") for one in listed.domains),
    ]


def _what(certificate: Certificate) -> str:
    """The name that it must hold, and the port."""
    return certificates.place(replace(certificate, host=certificate.wanted))


def report(endings: list[Ending], language: str) -> list[dict[str, Any]]:
    """Endings as programs see them; the problem in a person's language."""
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "what": one.what,
            "owner": one.owner,
            "asset": one.asset,
            "ends_on": one.ends_on or None,
            "ends_at": one.ends_at,
            "days_left": one.days_left,
            "ended": one.ended,
            "problem": say(one.problem, language) if one.problem else "",
            "looked_at": one.looked_at,
        }
        for one in endings
    ]
