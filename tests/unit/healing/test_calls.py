"""A person is called once for what comes and goes, and again for what they did not expect."""

from __future__ import annotations

import json

import sqlalchemy as sa

from engine.incidents import desk
from storage.lifecycle import IncidentState
from storage.tables import outbox
from tests.unit.healing.ward import Ward

UNKNOWN = {"summary": "the moon is in the wrong phase"}


async def calls(ward: Ward) -> int:
    """How often somebody was called so far, in a room."""
    async with ward.yard.db.read() as tx:
        rows = await tx.all(sa.select(outbox.c.room_id, outbox.c.body))
    told = [row.room_id for row in rows if _key(row.body) == "heal_escalated"]
    return max((told.count(room) for room in told), default=0)


def _key(body: str) -> str:
    return str(json.loads(body).get("text", {}).get("key"))


async def test_an_alert_that_comes_and_goes_calls_once_in_half_an_hour(ward: Ward) -> None:
    for _ in range(5):
        await ward.report(**UNKNOWN)
        await ward.step(minutes=4)
        assert (await ward.incident()).state is IncidentState.ESCALATED
        await ward.clear(**UNKNOWN)
        assert (await ward.incident()).state is IncidentState.RESOLVED
        assert await calls(ward) == 1
    await ward.step(minutes=15)
    await ward.report(**UNKNOWN)
    await ward.step()
    assert await calls(ward) == 2
    assert (await ward.incident()).flaps == 5


async def test_what_comes_back_after_a_person_called_it_over_is_told(ward: Ward) -> None:
    await ward.report(**UNKNOWN)
    await ward.step()
    async with ward.yard.db.write() as tx:
        await desk.resolve(tx, ward.yard.people["jun"], await ward.incident())
    await ward.report(**UNKNOWN)
    await ward.step()
    assert await calls(ward) == 2


async def test_what_came_back_worse_is_told(ward: Ward) -> None:
    await ward.report(**UNKNOWN, severity="P3")
    await ward.step()
    await ward.clear(**UNKNOWN)
    await ward.report(**UNKNOWN, severity="P1")
    await ward.step()
    assert await calls(ward) == 2
