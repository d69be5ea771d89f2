"""Incidents are repaired over real SSH, and only what stayed well counts as a success."""

from __future__ import annotations

from dataclasses import replace

from prompts.texts import Text, say
from storage import blocks, breakers, freezes, incidents, people
from storage.lifecycle import AttemptState, IncidentMove, IncidentState, State
from tests.unit.healing.ward import RESTART, Ward


async def test_a_broken_service_is_restarted_looked_after_and_resolved(ward: Ward) -> None:
    ward.break_("one")
    await ward.report()
    await ward.step()
    await ward.step()
    (card,) = await ward.waiting()
    assert (card.type, card.targets, card.risk) == ("server_restart", ("ONE",), "HIGH")
    assert card.requester_id not in {person.id for person in ward.yard.people.values()}
    assert not ward.restarts()
    assert (await ward.approve()).state is State.SUCCEEDED
    await ward.step(seconds=1)
    await ward.step()
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SETTLING
    await ward.clear()
    assert (await ward.incident()).state is IncidentState.HEALING  # the window is not over
    await ward.step(minutes=5)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SUCCEEDED
    assert [attempt.findings[when][0]["ok"] for when in ("before", "after", "settled")] == [
        False,
        True,
        True,
    ]
    assert (await ward.incident()).state is IncidentState.RESOLVED
    assert ward.restarts() == ["one systemctl restart -- tomcat"]
    assert await ward.story() == [
        "open", "heal", "attempt", "attempt_act", "attempt_look", "probe", "attempt_settle",
        "probe", "attempt_succeed", "resolve healed",
    ]  # fmt: skip


async def test_an_alert_that_still_fires_after_the_window_is_no_success(ward: Ward) -> None:
    await ward.report()
    await _to_settling(ward)
    await ward.step(minutes=5)  # every probe is well, but nobody said that the alert is over
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SETTLING
    await ward.step(minutes=11)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.FAILED
    assert attempt.reason is not None and attempt.reason["key"] == "heal_still_fires"
    assert (await ward.incident()).state is IncidentState.OPEN  # a second try is left


async def test_a_service_that_stays_down_fails_when_it_had_time_to_start(ward: Ward) -> None:
    ward.break_("one")
    await ward.report()
    await ward.step()
    await ward.step()
    await ward.approve()
    ward.break_("one")  # down again as soon as it was up
    await ward.step(seconds=1)
    await ward.step(seconds=1)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.AFTER  # it may still be starting
    await ward.step(minutes=2)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.FAILED
    assert attempt.reason is not None and attempt.reason["key"] == "heal_still_there"


async def test_the_last_failure_blocks_the_repair_and_the_next_alert_asks(ward: Ward) -> None:
    ward.break_("one", "tomcat stays")
    await ward.report()
    await _fail(ward)
    assert (await ward.incident()).state is IncidentState.OPEN
    await ward.step(minutes=29)
    assert len(await ward.attempts()) == 1  # the cooldown
    await ward.step(minutes=1)
    assert len(await ward.attempts()) == 2
    await _fail(ward, begun=True)
    assert (await ward.incident()).state is IncidentState.ESCALATED
    assert len(ward.restarts()) == 2
    assert (await ward.yard.said()).count("heal_escalated") == 1
    async with ward.yard.db.read() as tx:
        (block,) = await blocks.standing(tx)
    assert (block.action_type, block.avoided) == ("server_restart", 0)

    ward.mend("one")
    await ward.report(fingerprint="f2")
    await ward.step()
    second = await ward.incident(2)
    assert second.state is IncidentState.ESCALATED
    assert await ward.story(2) == ["open", "escalate blocked"]
    async with ward.yard.db.read() as tx:
        told = await incidents.last_event(tx, 2, "escalate")
        (block,) = await blocks.standing(tx)
    assert told is not None
    assert told.detail["block"] == block.id and block.avoided == 1
    assert told.detail["text"]["values"]["id"] == (await ward.attempts())[1].action_id
    assert len(ward.restarts()) == 2


async def test_a_block_ends_by_time_by_a_person_and_by_three_clean_manual_runs(ward: Ward) -> None:
    ward.break_("one", "tomcat stays")
    await ward.report()
    await _fail(ward)
    await ward.step(minutes=30)
    await _fail(ward, begun=True)
    ward.mend("one")
    for number in range(3):
        action = await ward.yard.propose("server_restart", "ONE")
        await ward.yard.decide(action.id)
        assert (await ward.ended(action.id)).state is State.SUCCEEDED
        await ward.report(fingerprint=f"after-{number}")
        await ward.step(seconds=1)
        async with ward.yard.db.read() as tx:
            assert len(await blocks.standing(tx)) == (0 if number == 2 else 1)
        assert (await ward.story(number + 2))[-1] == (
            # Tries of the playbook within a day are used up: that is a person's to forgive.
            "escalate tries" if number == 2 else "escalate blocked"
        )
    async with ward.yard.db.write() as tx:
        jun = ward.yard.people["jun"]
        assert await incidents.move(tx, 4, IncidentMove.RETRY, jun.actor, person=jun)
    await ward.step()
    assert (await ward.incident(4)).state is IncidentState.HEALING


async def test_a_block_expires(ward: Ward) -> None:
    ward.break_("one", "tomcat stays")
    await ward.report()
    await _fail(ward)
    await ward.step(minutes=30)
    await _fail(ward, begun=True)
    ward.mend("one")
    ward.yard.clock.forward(minutes=7 * 24 * 60)
    await ward.report(fingerprint="late")
    await ward.step()
    assert (await ward.incident(2)).state is IncidentState.HEALING


async def test_a_freeze_holds_repairs_up_and_loses_none(ward: Ward) -> None:
    await ward.report()
    async with ward.yard.db.write() as tx:
        await freezes.begin(tx, ward.yard.people["jun"], "release night")
    await ward.step()
    await ward.step(seconds=31)
    assert not await ward.attempts()
    assert await ward.story() == ["open", "frozen"]  # said once
    async with ward.yard.db.write() as tx:
        await freezes.end(tx, ward.yard.people["jun"], "")
    await ward.step(seconds=31)
    assert len(await ward.attempts()) == 1


async def test_a_freeze_between_two_steps_holds_the_action_up(ward: Ward) -> None:
    await ward.report()
    await ward.step()  # the attempt began
    async with ward.yard.db.write() as tx:
        await freezes.begin(tx, ward.yard.people["jun"], "")
    await ward.healer.run_once()
    (attempt,) = await ward.attempts()
    assert (attempt.state, attempt.action_id) == (AttemptState.BEFORE, None) or not ward.restarts()


async def test_a_rejected_repair_calls_a_person_and_leaves_no_block(ward: Ward) -> None:
    await ward.report()
    await ward.step()
    await ward.step()
    await ward.reject()
    await ward.step(seconds=1)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SKIPPED
    assert (await ward.story())[-1] == "escalate rejected"
    async with ward.yard.db.read() as tx:
        assert not await blocks.standing(tx)


async def test_an_alert_that_ends_by_itself_takes_its_card_back(ward: Ward) -> None:
    await ward.report()
    await ward.step()
    await ward.step()
    (card,) = await ward.waiting()
    await ward.clear()
    await ward.step(seconds=1)
    await ward.step()
    assert (await ward.yard.action(card.id)).state is State.SUPERSEDED
    assert (await ward.incident()).state is IncidentState.RESOLVED
    assert not ward.restarts()


async def test_no_playbook_no_target_and_a_switched_off_healer_call_a_person(ward: Ward) -> None:
    await ward.report(summary="something odd", fingerprint="a")
    await ward.report(asset="NOWHERE", fingerprint="b")
    await ward.step()
    assert await ward.story(1) == ["open", "escalate no_playbook"]
    assert await ward.story(2) == ["open", "escalate no_target"]
    off = Ward(ward.yard, ward.playbooks, replace(ward.settings, enabled=False))
    await ward.report(fingerprint="c")
    await off.step()
    assert await ward.story(3) == ["open", "escalate off"]


async def test_one_repair_at_a_time_on_a_target(ward: Ward) -> None:
    await ward.report(fingerprint="a")
    await ward.report(fingerprint="b", summary="another request timed out")
    await ward.step()
    assert (await ward.incident(1)).state is IncidentState.HEALING
    assert await ward.story(2) == ["open", "busy"]


async def test_too_many_repairs_trip_a_breaker_that_only_a_person_closes(ward: Ward) -> None:
    ward = Ward(ward.yard, ward.playbooks, replace(ward.settings, per_hour=1))
    await ward.report(asset="ONE", fingerprint="a")
    await ward.step()
    await ward.report(asset="TWO", fingerprint="b", summary="other thing timed out")
    await ward.step()
    assert (await ward.story(2))[-1] == "escalate breaker"
    ward.yard.clock.forward(minutes=120)
    await ward.report(asset="THREE", fingerprint="c", summary="third thing timed out")
    await ward.step()
    assert (await ward.story(3))[-1] == "escalate breaker"
    await ward.healer.keep_watch()
    assert "heal_breaker_reminder" not in await ward.yard.said()
    ward.yard.clock.forward(minutes=24 * 60)
    await ward.healer.keep_watch()
    await ward.healer.keep_watch()
    assert (await ward.yard.said()).count("heal_breaker_reminder") == 1
    async with ward.yard.db.write() as tx:
        assert await breakers.close(tx, "global", ward.yard.people["jun"])
    await ward.report(asset="TWO", fingerprint="d", summary="fourth thing timed out")
    await ward.step()
    assert (await ward.incident(4)).state is IncidentState.HEALING


async def test_wait_retry_survives_a_restart(ward: Ward) -> None:
    await ward.report(
        source="guard:crawl",
        severity="P3",
        asset=None,
        summary="crawler got HTTP 429 Too Many Requests",
    )
    await ward.step()
    await ward.step()
    (attempt,) = await ward.attempts()
    assert (attempt.playbook, attempt.state) == ("http-429", AttemptState.WAITING)
    again = Ward(ward.yard, ward.playbooks, ward.settings)  # another process, the same rows
    await again.step(minutes=29)
    assert (await again.attempts())[0].state is AttemptState.WAITING
    await again.step(minutes=1)
    await again.step()
    assert (await again.attempts())[0].state is AttemptState.SETTLING
    await again.step(minutes=30)
    assert (await again.attempts())[0].state is AttemptState.SUCCEEDED
    assert (await again.incident()).state is IncidentState.RESOLVED


async def test_alert_only_tells_a_person_where_the_guide_is(ward: Ward) -> None:
    await ward.report(
        source="guard:backup",
        asset=None,
        summary="google drive upload: invalid_grant: Token has been expired or revoked",
    )
    await ward.step()
    (attempt,) = await ward.attempts()
    assert (attempt.playbook, attempt.state) == ("gdrive-token", AttemptState.SKIPPED)
    assert (await ward.story())[-1] == "escalate alert_only"
    assert attempt.reason is not None and "다시 로그인해" in say(
        Text.from_json(attempt.reason), "ko"
    )


async def test_the_undo_runs_when_the_step_did_not_help(ward: Ward, tmp_path: object) -> None:
    content = RESTART.format(tries=1) + '[undo]\naction = "service_stop"\n'
    playbooks = Ward.folder(ward.yard.folder / "undo", content)
    ward = Ward(ward.yard, playbooks, replace(ward.settings, start_s=0))
    ward.break_("one")
    await ward.report()
    await ward.step()
    await ward.step()
    await ward.approve()
    ward.break_("one", "tomcat stays")
    await ward.step(seconds=1)
    await ward.step(seconds=1)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.UNDOING
    assert (await ward.approve()).type == "service_stop"
    await ward.step(seconds=1)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.FAILED
    assert attempt.reason is not None and attempt.reason["key"] == "heal_undone"
    assert (await ward.incident()).state is IncidentState.ESCALATED


async def test_a_person_is_never_the_requester_of_a_repair(ward: Ward) -> None:
    await ward.report()
    await ward.step()
    await ward.step()
    (card,) = await ward.waiting()
    async with ward.yard.db.write() as tx:
        itself = await people.itself(tx)
        assert itself.id == card.requester_id
        assert itself.name not in [person.name for person in await people.everyone(tx)]


async def _to_settling(ward: Ward) -> None:
    await ward.step()
    await ward.step()
    await ward.approve()
    await ward.step(seconds=1)
    await ward.step(seconds=1)
    assert (await ward.attempts())[-1].state is AttemptState.SETTLING


async def _fail(ward: Ward, *, begun: bool = False) -> None:
    """The command itself fails: the service stays down whatever is done."""
    if not begun:
        await ward.step()
    await ward.step()
    assert (await ward.approve()).state is State.FAILED
    await ward.step(seconds=1)
    assert (await ward.attempts())[-1].state is AttemptState.FAILED


async def test_the_first_playbook_that_finds_something_to_touch_is_used(ward: Ward) -> None:
    # Words of scheduler-oom, in a system that has no scheduler.
    await ward.report(summary="cron worker: java.lang.OutOfMemoryError: Java heap space")
    await ward.step()
    (attempt,) = await ward.attempts()
    assert (attempt.playbook, attempt.targets) == ("app-oom", ("ONE",))
