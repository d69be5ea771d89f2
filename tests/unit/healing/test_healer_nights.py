"""What goes wrong at night: people, sources, playbooks and inventories that change under way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.healing.checks import Check
from engine.healing.playbooks import Playbooks
from engine.incidents import desk
from storage import actions, blocks, breakers, freezes, incidents, playbooks
from storage.incidents import Incident
from storage.lifecycle import AttemptState, IncidentState, Move, State
from tests.unit.healing.ward import RESTART, Ward

LATER = """
name = "wait-then-restart"
minimum = "P3"
cooldown_minutes = 30
max_retries = 2
settle_seconds = 300
[title]
en = "Wait, then restart"
ko = "기다렸다가 재시작"
zh-TW = "等候後重新啟動"
[match]
classes = ["TIMEOUT"]
[step]
kind = "WAIT_RETRY"
wait_minutes = 20
action = "server_restart"
role = "app"
"""
WATCH = """
name = "only-wait"
minimum = "P3"
cooldown_minutes = 30
max_retries = 2
settle_seconds = 300
[title]
en = "Wait"
ko = "대기"
zh-TW = "等候"
[match]
classes = ["TIMEOUT"]
unless = ["scheduler"]
[step]
kind = "WAIT_RETRY"
wait_minutes = 60
"""


def with_playbooks(ward: Ward, *files: str) -> Ward:
    """Another process, with other files."""
    folder = ward.yard.folder / f"playbooks-{len(files)}-{abs(hash(files))}"
    return Ward(ward.yard, Ward.folder(folder, *files), ward.settings)


async def acting(ward: Ward) -> None:
    """Until the card waits."""
    await ward.step()
    await ward.step()
    assert (await ward.attempts())[-1].state is AttemptState.ACTING


async def settling(ward: Ward) -> None:
    await acting(ward)
    await ward.approve()
    await ward.step(seconds=1)
    await ward.step(seconds=1)
    assert (await ward.attempts())[-1].state is AttemptState.SETTLING


async def resolve(ward: Ward, number: int = 1) -> Incident:
    async with ward.yard.db.write() as tx:
        found = await incidents.must(tx, number)
        return await desk.resolve(tx, ward.yard.people["jun"], found)


async def retry(ward: Ward, number: int = 1) -> None:
    async with ward.yard.db.write() as tx:
        found = await incidents.must(tx, number)
        await desk.retry(tx, ward.yard.people["jun"], found)


async def standing(ward: Ward) -> int:
    async with ward.yard.db.read() as tx:
        return len(await blocks.standing(tx))


async def test_nothing_is_proposed_after_the_wait_for_what_is_over(ward: Ward) -> None:
    ward = with_playbooks(ward, LATER)
    await ward.report()
    await ward.step()
    await ward.step()
    assert (await ward.attempts())[0].state is AttemptState.WAITING
    await ward.clear()
    await ward.step(minutes=21)
    await ward.step(seconds=6)
    assert not await ward.waiting()
    (attempt,) = await ward.attempts()
    assert (attempt.state, attempt.action_id) == (AttemptState.SKIPPED, None)
    assert (await ward.incident()).state is IncidentState.RESOLVED


async def test_a_repair_that_helped_has_not_failed_because_a_person_closed_it(ward: Ward) -> None:
    ward = with_playbooks(ward, RESTART.format(tries=1))
    await ward.report()
    await settling(ward)
    await resolve(ward)
    await ward.clear()  # the source says so, too, but later than the person
    assert (await ward.incident()).cleared_at is not None
    await ward.step(minutes=16)
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SUCCEEDED
    assert not await standing(ward)


async def test_a_repair_of_what_left_the_inventory_is_no_success(ward: Ward) -> None:
    await ward.report(source="guard:shop")
    await settling(ward)
    inventory = ward.yard.proposals.planner.inventory
    known = dict(inventory.assets)
    del known["ONE"]
    ward.yard.proposals.planner.inventory = replace(inventory, assets=known)
    ward = Ward(ward.yard, ward.playbooks, ward.settings)
    await ward.step(minutes=6)
    assert (await ward.attempts())[0].state is AttemptState.SETTLING
    await ward.step(minutes=16)
    assert (await ward.attempts())[0].state is AttemptState.FAILED
    assert (await ward.incident()).state is not IncidentState.RESOLVED


async def test_a_playbook_that_is_gone_still_leaves_its_window(ward: Ward) -> None:
    await ward.report(source="guard:shop")
    await acting(ward)
    await ward.approve()
    ward = Ward(ward.yard, Playbooks(()), ward.settings)
    for _ in range(4):
        await ward.step(seconds=6)
    assert (await ward.attempts())[0].state is AttemptState.SETTLING
    await ward.step(minutes=16)
    assert (await ward.attempts())[0].state is AttemptState.SUCCEEDED


async def test_a_playbook_that_changed_before_anything_was_done_begins_anew(ward: Ward) -> None:
    ward = with_playbooks(ward, LATER)
    await ward.report()
    await ward.step()
    await ward.step()
    ward = with_playbooks(ward, LATER.replace("wait_minutes = 20", "wait_minutes = 30"))
    await ward.step(minutes=21)
    assert not await ward.waiting()
    await ward.step(minutes=2)
    await ward.step(seconds=6)
    first, second = await ward.attempts()
    assert (first.state, second.state) == (AttemptState.SKIPPED, AttemptState.WAITING)


async def test_the_inverse_of_another_version_is_not_run(ward: Ward) -> None:
    undo = '[undo]\naction = "service_stop"\n'
    await ward.report()
    await settling(ward)
    ward = with_playbooks(ward, RESTART.format(tries=1) + undo)
    ward.break_("one", "tomcat stays")
    await ward.step(minutes=16)
    assert not await ward.waiting()
    assert (await ward.attempts())[0].state is AttemptState.FAILED


async def test_a_check_that_is_configured_no_more_calls_a_person(ward: Ward) -> None:
    """Its asset is well, but that check never says again that it is over."""
    await ward.report(source="check:shop", fingerprint="shop")
    await acting(ward)
    assert len(await ward.waiting()) == 1


async def test_a_check_that_is_well_but_never_says_so_calls_a_person(ward: Ward) -> None:
    check = Check("shop", "unit", asset="ONE")
    ward = Ward(ward.yard, ward.playbooks, ward.settings, (check,))
    await ward.report(source="check:shop", fingerprint="shop")
    for _ in range(40):
        await ward.step(minutes=1)
    assert (await ward.incident()).state is IncidentState.ESCALATED
    assert len(await ward.attempts()) < 20
    assert (await ward.yard.said()).count("heal_escalated") == 1


@pytest.mark.parametrize("how", ["playbook", "config", "breaker"])
async def test_what_was_stopped_under_way_proposes_nothing(ward: Ward, how: str) -> None:
    ward = with_playbooks(ward, LATER)
    await ward.report()
    await ward.step()
    await ward.step()
    async with ward.yard.db.write() as tx:
        if how == "playbook":
            await playbooks.switch(tx, "wait-then-restart", False, ward.yard.people["jun"])
        elif how == "breaker":
            await breakers.trip(tx, "target:ONE", 3)
    if how == "config":
        ward = Ward(ward.yard, ward.playbooks, replace(ward.settings, enabled=False))
    await ward.step(minutes=21)
    assert not await ward.waiting()
    (attempt,) = await ward.attempts()
    assert attempt.state is AttemptState.SKIPPED
    assert (await ward.incident()).state is IncidentState.ESCALATED
    assert (await ward.yard.said()).count("heal_escalated") == 1


async def test_what_comes_back_goes_on_with_the_repair_that_is_under_way(ward: Ward) -> None:
    ward = with_playbooks(ward, WATCH, RESTART.format(tries=2))
    await ward.report(severity="P3")
    await ward.step()
    await ward.step()
    assert (await ward.attempts())[0].state is AttemptState.WAITING
    await resolve(ward)
    async with ward.yard.db.write() as tx:
        await playbooks.switch(tx, "only-wait", False, ward.yard.people["jun"])
    await ward.report(severity="P1")
    await ward.step(seconds=1)
    assert (await ward.incident()).state is IncidentState.HEALING
    assert len(await ward.attempts()) == 1


async def test_a_card_survives_a_hasty_resolve(ward: Ward) -> None:
    await ward.report()
    await acting(ward)
    await resolve(ward)
    await ward.report()
    await ward.step(seconds=6)
    assert (await ward.incident()).state is IncidentState.HEALING
    assert len(await ward.waiting()) == 1


async def test_a_rejected_card_of_what_is_over_calls_nobody(ward: Ward) -> None:
    await ward.report()
    await acting(ward)
    await ward.clear()
    await ward.reject()
    await ward.step(seconds=1)
    await ward.step(seconds=1)
    assert (await ward.incident()).state is IncidentState.RESOLVED
    assert "heal_escalated" not in await ward.yard.said()


async def test_an_alert_that_went_silent_over_a_failed_repair_calls_a_person(ward: Ward) -> None:
    ward.break_("one", "tomcat stays")
    await ward.report()
    await acting(ward)
    assert (await ward.approve()).state is State.FAILED
    await ward.clear()  # as when the exporter went down with the service
    await ward.step(seconds=6)
    assert (await ward.attempts())[0].state is AttemptState.FAILED
    assert (await ward.incident()).state is IncidentState.ESCALATED
    assert not await standing(ward)  # a try was left


async def undoing(ward: Ward) -> Ward:
    ward = with_playbooks(ward, RESTART.format(tries=2) + '[undo]\naction = "service_stop"\n')
    await ward.report()
    await settling(ward)
    ward.break_("one", "tomcat stays")
    await ward.step(minutes=6)
    assert (await ward.attempts())[0].state is AttemptState.UNDOING
    return ward


async def test_an_undo_is_taken_back_when_it_is_over(ward: Ward) -> None:
    ward = await undoing(ward)
    await resolve(ward)
    await ward.step(seconds=6)
    assert not await ward.waiting()
    assert (await ward.attempts())[0].state is AttemptState.FAILED


async def test_nothing_is_undone_of_what_a_person_closed(ward: Ward) -> None:
    ward = with_playbooks(ward, RESTART.format(tries=2) + '[undo]\naction = "service_stop"\n')
    await ward.report()
    await settling(ward)
    await resolve(ward)
    ward.break_("one", "tomcat stays")
    await ward.step(minutes=6)
    assert not await ward.waiting()
    assert (await ward.attempts())[0].state is AttemptState.FAILED


async def test_an_undo_waits_for_the_end_of_a_freeze(ward: Ward) -> None:
    ward = with_playbooks(ward, RESTART.format(tries=2) + '[undo]\naction = "service_stop"\n')
    await ward.report()
    await settling(ward)
    ward.break_("one", "tomcat stays")
    async with ward.yard.db.write() as tx:
        await freezes.begin(tx, ward.yard.people["jun"], "")
    await ward.step(minutes=6)
    assert (await ward.attempts())[0].state is AttemptState.SETTLING
    assert (await ward.story()).count("probe") == 1
    async with ward.yard.db.write() as tx:
        await freezes.end(tx, ward.yard.people["jun"], "")
    await ward.step(minutes=1)
    assert (await ward.attempts())[0].state is AttemptState.UNDOING


async def test_what_gets_worse_after_a_person_was_called_is_told_once_more(ward: Ward) -> None:
    await ward.report(summary="something odd", severity="P3")
    await ward.step()
    assert (await ward.incident()).state is IncidentState.ESCALATED
    for _ in range(3):
        await ward.report(summary="something odd", severity="P1")
        await ward.step(seconds=1)
    assert (await ward.yard.said()).count("heal_escalated") == 2
    assert (await ward.incident()).heal_at is None


async def test_what_a_person_says_did_not_run_proves_nothing(ward: Ward) -> None:
    ward = with_playbooks(ward, RESTART.format(tries=1))
    await ward.report()
    await acting(ward)
    await ward.yard.kill()
    (card,) = await ward.waiting()
    await ward.yard.decide(card.id)
    async with ward.yard.db.write() as tx:
        await actions.move(tx, card.id, Move.CLAIM, "test")
        await actions.move(tx, card.id, Move.LOSE, "test")
        await ward.yard.proposals.settle(tx, ward.yard.people["jun"], card.id, ran=False)
    await ward.step(seconds=6)
    assert (await ward.story())[-1] == "escalate not_run"
    assert not await standing(ward)
