"""An incident as people see it: as a card, as an answer in a room, and in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.actions.names import action_name
from engine.incidents.desk import standing_blocks
from handlers.card import Button, Card, Field, Tone
from handlers.incident_timeline import event_line, words_of
from handlers.replies import Reply
from prompts.texts import Text, say, text
from storage import actions, articles, attempts, incidents
from storage.actions import Action
from storage.attempts import Attempt
from storage.blocks import Block
from storage.database import Transaction
from storage.incidents import Incident, IncidentEvent
from storage.lifecycle import AttemptState, IncidentState

_TONES = {
    IncidentState.OPEN: Tone.WARNING,
    IncidentState.HEALING: Tone.WAITING,
    IncidentState.ESCALATED: Tone.BAD,
    IncidentState.RESOLVED: Tone.GOOD,
}
#: The label is the message ``button_<verb>``.
_STYLES = {"take": "plain", "resolve": "good", "retry": "plain", "why": "plain"}

#: Why it was escalated, where letting it be tried again helps.
_LIMITS = ("blocked", "tries", "breaker", "off")
#: A time is told where it is long; elsewhere the healer looks every few seconds.
_WAITS = (AttemptState.WAITING, AttemptState.SETTLING)
#: What keeps an open incident waiting, and the sentence for it.
_HOLDS = ("frozen", "cooldown", "busy", "pause")

_SHOWN_DETAIL = 1_500
_SHOWN_EVENTS = 25
_EVENTS_READ = 200

Row = tuple[Text | str, Text | str]


@dataclass(frozen=True)
class BlockView:
    """A block, the run that failed, and the key of the anti-pattern; "" = not written yet."""

    block: Block
    failed: Attempt
    article: str


@dataclass(frozen=True)
class IncidentView:
    """An incident and what stands beside it on its card."""

    incident: Incident
    attempt: Attempt | None
    """The last one."""
    action: Action | None
    """What the last attempt proposed."""
    blocks: tuple[BlockView, ...]
    timeline: tuple[IncidentEvent, ...]


async def view(tx: Transaction, incident: Incident) -> IncidentView:
    """Read what the card needs."""
    tried = await attempts.of_incident(tx, incident.id)
    last = tried[-1] if tried else None
    number = (last.undo_id or last.action_id) if last else None
    return IncidentView(
        incident,
        last,
        await actions.by_id(tx, number) if number else None,
        tuple([await _block(tx, block) for block in await standing_blocks(tx, incident)]),
        tuple(await incidents.timeline(tx, incident.id, _EVENTS_READ)),
    )


async def _block(tx: Transaction, block: Block) -> BlockView:
    article = await articles.by_id(tx, block.article_id) if block.article_id else None
    failed = await attempts.must(tx, block.attempt_id)
    return BlockView(block, failed, article.key if article else "")


def verbs(shown: IncidentView) -> list[str]:
    """The buttons that the card has now."""
    incident = shown.incident
    if incident.state is IncidentState.RESOLVED:
        return ["why"]
    again = incident.state is IncidentState.ESCALATED and _was_tried(shown)
    return ["take", "resolve", *(["retry"] if again else []), "why"]


def _was_tried(shown: IncidentView) -> bool:
    """A repair is known, and only its failures or its limits stand in the way."""
    last = _last(shown, "escalate")
    if shown.blocks or (last and last.detail.get("why") in _LIMITS):
        return True
    attempt = shown.attempt
    return attempt is not None and (
        attempt.action_id is not None or attempt.state is AttemptState.FAILED
    )


def incident_card(shown: IncidentView, language: str, tokens: Mapping[str, str]) -> Card:
    """The card in a language; ``tokens`` maps each of ``verbs(shown)`` to its token."""
    reply = _told(shown)
    pointer = text("incident_note", key=shown.incident.key)
    lines = [say(line, language) for line in (reply.text, *reply.lines)]
    return Card(
        title=say(reply.title, language),
        text="\n".join(line for line in lines if line),
        tone=reply.tone,
        fields=tuple(Field(say(k, language), say(v, language)) for k, v in reply.fields),
        code=reply.code,
        note=" · ".join(say(note, language) for note in (reply.note, pointer) if note),
        buttons=tuple(
            Button(say(text(f"button_{verb}"), language), tokens[verb], _STYLES[verb])
            for verb in verbs(shown)
        ),
        overflow_name=f"{shown.incident.key}.txt",
    )


def incident_reply(shown: IncidentView) -> Reply:
    """Everything about an incident, with the last lines of its timeline, as an answer."""
    told = _told(shown)
    events = shown.timeline[-_SHOWN_EVENTS:]
    left = len(shown.timeline) - len(events)
    more = [text("incident_events_before", count=left)] if left else []
    title = text("incident_events_title")
    lines = (*told.lines, title, *more, *(event_line(event) for event in events))
    return replace(told, lines=lines)


def incident_line(incident: Incident) -> Text:
    """An incident in one line of a list."""
    return text(
        "incident_line",
        key=incident.key,
        severity=incident.severity,
        state=state_text(incident.state),
        kind=incident.kind,
        asset=incident.asset or "",
        summary=incident.summary,
        who=incident.assignee,
    )


def state_text(state: IncidentState) -> Text:
    """The name of a state, for people."""
    return text(f"incident_state_{state.value}")


def _told(shown: IncidentView) -> Reply:
    incident = shown.incident
    return Reply(
        title=text("incident_title", key=incident.key, severity=incident.severity),
        text=incident.summary,
        tone=_TONES[incident.state],
        fields=_fields(shown),
        lines=(*_standing(shown), *(_block_line(found) for found in shown.blocks)),
        code=_middle_cut(incident.detail, _SHOWN_DETAIL),
        note=_note(shown),
    )


def _fields(shown: IncidentView) -> tuple[Row, ...]:
    incident = shown.incident
    seen = text(
        "incident_seen",
        count=incident.count,
        flaps=incident.flaps,
        since=incident.created_at,
        last=incident.last_seen_at,
    )
    rows: list[Row] = [
        (text("incident_field_state"), state_text(incident.state)),
        (text("incident_field_class"), incident.kind),
        (text("incident_field_asset"), incident.asset or ""),
        (text("incident_field_source"), incident.source),
        (text("incident_field_seen"), seen),
        (text("incident_field_who"), incident.assignee or text("incident_nobody")),
    ]
    if shown.attempt is not None:
        rows.append((text("incident_field_attempt"), _attempt(shown, shown.attempt)))
    return tuple((label, value) for label, value in rows if value)


def _attempt(shown: IncidentView, attempt: Attempt) -> Text:
    action = shown.action
    return text(
        "incident_attempt",
        playbook=attempt.playbook,
        state=text(f"incident_attempt_{attempt.state.value}"),
        action=action.id if action else 0,
        action_state=text(f"state_{action.state.value}") if action else "",
        due=attempt.due_at if attempt.state in _WAITS else 0,
        # An escalated incident tells it above.
        reason="" if shown.incident.state is IncidentState.ESCALATED else _reason(attempt),
    )


def _reason(attempt: Attempt) -> Text | str:
    return Text.from_json(attempt.reason) if attempt.reason else ""


def _standing(shown: IncidentView) -> tuple[Text | str, ...]:
    """Why it stands where it stands: what holds it up, or why a person was called."""
    state = shown.incident.state
    last = shown.timeline[-1] if shown.timeline else None
    if state is IncidentState.ESCALATED:
        last = _last(shown, "escalate")
        # The line of the block says more, see _block_line.
        if last is not None and last.detail.get("why") == "blocked" and shown.blocks:
            return ()
    elif state is not IncidentState.OPEN or last is None or last.kind not in _HOLDS:
        return ()
    words = words_of(last.detail, "text") if last is not None else ""
    if last is not None and last.detail.get("why") == "alert_only":
        return (words,)
    if words and last is not None and last.kind == "pause":
        due = shown.incident.heal_at or 0
        return (text("incident_stands_pause", why=words, due=due),)
    return (text(f"incident_stands_{state.value}", why=words),) if words else ()


def _last(shown: IncidentView, kind: str) -> IncidentEvent | None:
    return next((event for event in reversed(shown.timeline) if event.kind == kind), None)


def _block_line(found: BlockView) -> Text:
    return text(
        "incident_blocked",
        action=action_name(found.block.action_type),
        at=found.block.created_at,
        until=found.block.expires_at,
        attempt=found.failed.id,
        id=found.failed.action_id or 0,
        article=found.article,
        reason=_reason(found.failed),
    )


def _note(shown: IncidentView) -> Text | str:
    incident = shown.incident
    if incident.state is IncidentState.RESOLVED:
        end = _last(shown, "resolve")
        detail = end.detail if end else {}
        return text(
            "incident_note_resolved",
            at=incident.resolved_at,
            why=words_of(detail, "why"),
            who=end.who if end else "",
            comment=detail.get("comment", ""),
        )
    if incident.cleared_at is not None:
        return text("incident_note_cleared", at=incident.cleared_at)
    if incident.state is IncidentState.ESCALATED:
        return text("incident_note_escalated", at=incident.escalated_at)
    return ""


def _middle_cut(detail: str, limit: int) -> str:
    """Head and tail: a log tells at its end what went wrong, an alert at its beginning."""
    if len(detail) <= limit:
        return detail
    half = limit // 2
    return f"{detail[:half]}\n… (+{len(detail) - 2 * half})\n{detail[-half:]}"
