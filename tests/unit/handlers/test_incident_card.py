"""The card of an incident, and what its buttons do."""

from __future__ import annotations

import json

import pytest

from handlers.incident_card import incident_card, view
from handlers.incident_timeline import event_line
from prompts.texts import LANGUAGES, say, text
from storage import articles, attempts, blocks, incidents
from storage.articles import Kind
from storage.incidents import IncidentEvent
from storage.lifecycle import AttemptMove, AttemptState, IncidentMove, IncidentState
from tests.unit.handlers.incident_scene import card, failed_attempt, labels, now, reported
from tests.unit.handlers.stage import Stage


def told(shown: object, label: str) -> str:
    (value,) = [f.value for f in shown.fields if f.label == say(text(label), "en")]  # type: ignore[attr-defined]
    return str(value)


async def test_a_report_is_a_card_with_what_is_known(stage: Stage) -> None:
    incident = await reported(stage, detail="line 1\nline 2")
    shown = card(stage, incident)
    assert shown.title == f"Incident {incident.key} · P1"
    assert shown.text == "disk full on /data"
    assert shown.code == "line 1\nline 2"
    assert told(shown, "incident_field_asset") == "PAY-STG-01"
    assert told(shown, "incident_field_class") == "DISK_FULL"
    assert told(shown, "incident_field_source") == "alertmanager"
    assert told(shown, "incident_field_seen").startswith("once, 2026-11-20")
    assert labels(shown) == ["take", "resolve", "why"]


async def test_programs_in_the_room_get_key_asset_and_severity(stage: Stage) -> None:
    incident = await reported(stage)
    (sent,) = [s for s in stage.platform.sent if incident.key in s.card.title]
    assert sent.draft.context == {
        "itsm_ticket_id": incident.key,
        "asset_code": "PAY-STG-01",
        "severity": "P1",
    }


async def test_more_reports_count_on_the_same_card(stage: Stage) -> None:
    incident = await reported(stage)
    for _ in range(2):
        stage.clock.forward(minutes=1)
        await reported(stage)
    assert told(card(stage, incident), "incident_field_seen").startswith("3 times, ")


async def test_a_person_takes_it_and_everybody_sees_who(stage: Stage) -> None:
    incident = await reported(stage)
    button = stage.button(card(stage, incident), "take")
    answer = await stage.presses("jun", button.token)
    assert answer.text == say(text("incident_taken", key=incident.key), "zh-TW")
    assert told(card(stage, incident), "incident_field_who") == "jun"
    again = await stage.presses("jun", button.token)
    assert again.text == say(text("incident_yours_already", key=incident.key), "zh-TW")
    await stage.presses("ana", button.token)
    assert (await now(stage, incident)).assignee == "ana"


@pytest.mark.parametrize("verb", ["take", "resolve", "retry"])
async def test_a_requester_may_only_look(stage: Stage, verb: str) -> None:
    incident = await reported(stage)
    await failed_attempt(stage, incident)
    before = await now(stage, incident)
    answer = await stage.presses("min", stage.button(card(stage, incident), verb).token)
    assert answer.text == say(text("incident_forbidden", name="min"), "ko")
    assert await now(stage, incident) == before
    async with stage.db.read() as tx:
        assert len(await blocks.standing(tx)) == 1


async def test_resolving_ends_it_once(stage: Stage) -> None:
    incident = await reported(stage)
    token = stage.button(card(stage, incident), "resolve").token
    await stage.presses("jun", token)
    shown = card(stage, incident)
    assert (await now(stage, incident)).state is IncidentState.RESOLVED
    assert labels(shown) == ["why"] and "by jun" in shown.note
    answer = await stage.presses("ana", token)
    over = text("incident_over", key=incident.key, at=stage.clock.now)
    assert answer.text == say(over, "en")


async def test_a_block_says_why_since_when_until_when_and_what_was_learned(stage: Stage) -> None:
    incident = await reported(stage)
    attempt = await failed_attempt(stage, incident)
    async with stage.db.write() as tx:
        await tx.change(
            attempts.attempts.update()
            .where(attempts.attempts.c.id == attempt.id)
            .values(action_id=7)
        )
        article = await articles.create(
            tx, kind=Kind.ANTI_PATTERN, title="x", body="y", language="en", actor="test"
        )
        assert article is not None
        await blocks.told_by(tx, attempt.id, article.id)
        await incidents.note(tx, incident.id, "comment", {"comment": "redraw"})
    await stage.settled()
    words = card(stage, incident).text
    assert "2026-11-20 09:00" in words and "2026-11-27 09:00" in words
    assert f"(repair {attempt.id}: action #7 failed)" in words
    assert f"/kb show {article.key}" in words


async def test_between_two_tries_it_says_what_failed_and_when_the_next_comes(stage: Stage) -> None:
    incident = await reported(stage)
    due = stage.clock.now + 60_000
    async with stage.db.write() as tx:
        await incidents.move(tx, incident.id, IncidentMove.HEAL, "test", detail={"playbook": "p"})
        told = {"why": "still_there", "text": text("heal_action_failed", id=7).to_json()}
        again = {"heal_at": due}
        await incidents.move(tx, incident.id, IncidentMove.PAUSE, "test", values=again, detail=told)
    await stage.settled()
    why = text("heal_action_failed", id=7)
    assert say(text("incident_stands_pause", why=why, due=due), "en") in card(stage, incident).text


async def test_a_retry_lifts_the_block_and_lets_it_be_repaired(stage: Stage) -> None:
    incident = await reported(stage)
    await failed_attempt(stage, incident)
    shown = card(stage, incident)
    assert labels(shown) == ["take", "resolve", "retry", "why"]
    answer = await stage.presses("jun", stage.button(shown, "retry").token)
    assert answer.text == say(text("incident_retried", key=incident.key, lifted=1), "zh-TW")
    after = await now(stage, incident)
    assert after.state is IncidentState.OPEN and after.heal_at == stage.clock.now
    async with stage.db.read() as tx:
        assert await blocks.standing(tx) == []
        lifted = await blocks.by_id(tx, 1)
    assert lifted is not None and lifted.lifted_why == "person" and lifted.lifted_by is not None
    assert "block.lift" in await stage.audited()


async def test_what_was_never_tried_is_not_offered_again(stage: Stage) -> None:
    incident = await reported(stage)
    async with stage.db.write() as tx:
        why = text("heal_no_playbook", kind="DISK_FULL", severity="P1")
        detail = {"why": "no_playbook", "text": why.to_json()}
        await incidents.move(tx, incident.id, IncidentMove.ESCALATE, "test", detail=detail)
    await stage.settled()
    shown = card(stage, incident)
    assert labels(shown) == ["take", "resolve", "why"]
    assert say(why, "en") in shown.text


async def test_a_refused_retry_leaves_the_block(stage: Stage) -> None:
    incident = await reported(stage)
    await failed_attempt(stage, incident)
    token = stage.button(card(stage, incident), "retry").token
    async with stage.db.write() as tx:
        await incidents.move(tx, incident.id, IncidentMove.RETRY, "test")
    answer = await stage.presses("ana", token)
    assert "does not wait for a person" in answer.text
    async with stage.db.read() as tx:
        assert len(await blocks.standing(tx)) == 1


async def test_the_shipped_healer_shows_its_guide_as_text(stage: Stage) -> None:
    """ALERT_ONLY: message and address stand on the card, in the room's language."""
    incident = await reported(stage, "gdrive token expired: invalid_grant")
    await stage.services.healer.run_once()
    await stage.settled()
    shown = card(stage, incident)
    assert (await now(stage, incident)).state is IncidentState.ESCALATED
    playbook = stage.services.healer.playbooks.named("gdrive-token")
    assert playbook is not None
    assert playbook.step.message["en"] in shown.text
    assert playbook.step.guide in shown.text


async def test_every_state_of_a_repair_can_be_told(stage: Stage) -> None:
    incident = await reported(stage)
    attempt = await failed_attempt(stage, incident, block=False)
    for state in AttemptState:
        async with stage.db.write() as tx:
            table = attempts.attempts
            await tx.change(
                table.update().where(table.c.id == attempt.id).values(state=state.value)
            )
            shown = await view(tx, await incidents.must(tx, incident.id))
        for language in LANGUAGES:
            drawn = incident_card(
                shown, language, dict.fromkeys(("take", "resolve", "retry", "why"), "t")
            )
            name = say(text(f"incident_attempt_{state.value}"), language)
            assert any(name in field.value for field in drawn.fields)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_kind_of_event_has_words(stage: Stage, language: str) -> None:
    kinds = [*IncidentMove, "open", "take", "comment", "attempt", "probe", "frozen", "cooldown"]
    kinds += [f"attempt_{step}" for step in AttemptMove] + ["busy"]
    for kind in kinds:
        line = say(event_line(IncidentEvent(1, 0, "", str(kind), {})), language)
        assert f"{kind}" not in line.replace("resolved", "") or language == "en", line


async def test_an_unknown_kind_is_shown_plainly(stage: Stage) -> None:
    event = IncidentEvent(1, 0, "jun", "moonphase", {"phase": "full", "n": 3})
    line = say(event_line(event), "en")
    assert "jun" in line and "moonphase" in line and json.dumps({"phase": "full", "n": 3}) in line


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ 7 * 7 }}",
        "</pre><script>alert(1)</script>",
        "<!channel> @everyone",
        "\u202eevil",
        "%s %n",
    ],
)
async def test_hostile_words_stay_words(stage: Stage, hostile: str) -> None:
    incident = await reported(stage, f"disk full {hostile}", detail=hostile, source="rest:x")
    shown = card(stage, incident)
    assert "49" not in shown.text
    assert (hostile in shown.text) or ("\u202e" in hostile)
    assert labels(shown) == ["take", "resolve", "why"]


async def test_a_very_long_detail_keeps_head_and_tail(stage: Stage) -> None:
    incident = await reported(stage, detail="begin\n" + "x\n" * 9_000 + "end: killed")
    code = card(stage, incident).code
    assert code.startswith("begin") and code.endswith("end: killed") and len(code) < 2_000
