"""What goes wrong inside: clocks that are put back, and steps that meet a bug."""

from __future__ import annotations

import pytest

from storage import attempts, failpoints, freezes, incidents
from storage.database import Away
from storage.incident_tables import attempts as attempt_rows
from storage.incident_tables import incidents as incident_rows
from storage.lifecycle import AttemptMove, AttemptState, IncidentState
from tests.unit.healing.test_healer_nights import LATER, acting, retry, with_playbooks
from tests.unit.healing.ward import Ward


async def test_a_clock_that_was_years_ahead_leaves_nothing_stuck(ward: Ward) -> None:
    ward = with_playbooks(ward, LATER)
    right = ward.yard.clock.now
    await ward.report()
    await ward.step()
    await ward.step()
    assert (await ward.attempts())[0].state is AttemptState.WAITING
    ward.yard.clock.now = right + 400 * 24 * 3_600_000
    async with ward.yard.db.write() as tx:
        await freezes.begin(tx, ward.yard.people["jun"], "")
    await ward.report(fingerprint="waits", asset="TWO", summary="another request timed out")
    await ward.step()  # the freeze holds both up
    ward.yard.clock.now = right
    async with ward.yard.db.write() as tx:
        await freezes.end(tx, ward.yard.people["jun"], "")
    await ward.step(minutes=21)
    await ward.step()
    assert (await ward.attempts())[0].state is AttemptState.ACTING
    assert len(await ward.attempts(2)) == 1


async def test_a_retry_that_was_said_at_a_wrong_time_forgives_nothing_later(ward: Ward) -> None:
    ward.break_("one", "tomcat stays")
    right = ward.yard.clock.now
    await ward.report(asset="NOWHERE")
    await ward.step()
    ward.yard.clock.now = right + 24 * 3_600_000
    await retry(ward)
    ward.yard.clock.now = right
    async with ward.yard.db.write() as tx:
        found = await incidents.must(tx, 1)
        for _ in range(2):
            made = await attempts.begin(
                tx,
                found,
                playbook="restart-app",
                playbook_digest="",
                action_type="server_restart",
                targets=["ONE"],
            )
            await attempts.move(tx, made, AttemptMove.SKIP, values={"action_id": 1})
        await tx.change(incident_rows.update().values(asset="ONE", heal_at=tx.now))
    await ward.step(minutes=31)
    assert (await ward.story())[-1] == "escalate tries"


async def test_a_service_that_is_down_has_two_minutes_by_any_clock(ward: Ward) -> None:
    await ward.report()
    await acting(ward)
    await ward.approve()
    ward.break_("one")
    await ward.step(seconds=1)
    ward.yard.clock.now -= 3_600_000
    for _ in range(3):
        await ward.step(minutes=1)
        async with ward.yard.db.write() as tx:
            (attempt,) = await attempts.of_incident(tx, 1)
            await attempts.postpone(tx, attempt, tx.now)
    await ward.step()
    assert (await ward.attempts())[0].state is AttemptState.FAILED


async def test_a_repair_that_meets_a_bug_is_told_and_does_not_spin(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    await ward.report()
    await acting(ward)
    await ward.approve()
    async with ward.yard.db.write() as tx:  # a row that no version of ours wrote
        await tx.change(attempt_rows.update().values(action_id=99))
    for _ in range(5):
        await ward.step(seconds=1)
    assert caplog.text.count("could not go on") == 1
    for _ in range(4):
        await ward.step(minutes=2)
    assert (await ward.yard.said()).count("heal_fault") == 1


async def test_a_repair_goes_on_at_once_when_the_database_is_back(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    await ward.report()
    await acting(ward)
    await ward.approve()

    def reached(point: str, when: str) -> None:
        if (point, when) == ("attempts.update", "before"):
            raise Away("the database cannot be used: the server closed the connection")

    failpoints.arm(reached)
    try:
        for _ in range(4):
            with pytest.raises(Away):
                await ward.step(seconds=1)
    finally:
        failpoints.arm(None)
    assert (await ward.attempts())[0].state is AttemptState.ACTING
    await ward.step(seconds=1)
    assert (await ward.attempts())[0].state is AttemptState.AFTER
    assert "heal_fault" not in await ward.yard.said()
    assert caplog.text.count("waits: the database cannot be used") == 4


async def test_an_incident_that_meets_a_bug_calls_a_person(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    await ward.report()
    async with ward.yard.db.write() as tx:
        await tx.change(incident_rows.update().values(severity="P9"))
    for _ in range(5):
        await ward.step(minutes=2)
    assert (await ward.incident()).state is IncidentState.ESCALATED
    assert caplog.text.count("could not be considered") == 3
    assert (await ward.yard.said()).count("heal_escalated") == 1
