"""The card of an action, drawn from its row: what, where, how risky, who, and how it stands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.actions.names import action_name
from engine.execution.outcome import Outcome
from handlers import run_progress
from handlers.card import Button, Card, Field, Tone
from prompts.texts import Text, say, text
from storage import holds, people
from storage.actions import Action
from storage.database import Transaction
from storage.holds import SHOWN_PLACES, Waiting
from storage.lifecycle import State

_TONES = {
    State.PENDING_APPROVAL: Tone.WAITING,
    State.APPROVED: Tone.WAITING,
    State.QUEUED: Tone.WAITING,
    State.RUNNING: Tone.WAITING,
    State.SUCCEEDED: Tone.GOOD,
    State.FAILED: Tone.BAD,
    State.UNKNOWN: Tone.WARNING,
    State.EXPIRED: Tone.WARNING,
}

#: Verb, style, asks for a reason. The label is the message ``button_<verb>``.
_CANCEL = ("cancel", "danger", False)
_BUTTONS: Mapping[State, tuple[tuple[str, str, bool], ...]] = {
    State.PENDING_APPROVAL: (
        ("approve", "good", False),
        ("reject", "danger", True),
        ("details", "plain", False),
    ),
    State.APPROVED: (_CANCEL,),
    State.QUEUED: (_CANCEL,),
    State.RUNNING: (_CANCEL,),
    State.UNKNOWN: (
        ("ran", "good", False),
        ("not_run", "danger", False),
        ("check", "plain", False),
    ),
}

_POLICY = "plan_reason_policy"
"""The version of the table: /why tells it, a card need not."""
_FIRST = {"plan_reason_listed": "plan_card_listed", "plan_reason_unlisted": "plan_card_unlisted"}
_RAISING = {
    "plan_reason_environment": "plan_card_environment",
    "plan_reason_count": "plan_card_count",
    "plan_reason_hint": "plan_card_hint",
}
"""Why a level is what it is, and why it was raised: as the plan keeps it, and for a card."""

_EXIT = "plan_run_exit"
"""That a command ended with a status: the line with the command has it."""

_SHOWN_TARGETS = 12
_SHOWN_PLAN_LINES = 15
_SHOWN_OUTPUT = 1500


@dataclass(frozen=True)
class ActionView:
    """An action and the names on its card."""

    action: Action
    requester: str
    decider: str
    canceller: str = ""
    waiting: Waiting | None = None


async def view(tx: Transaction, action: Action) -> ActionView:
    """Read what the card needs."""
    return ActionView(
        action,
        await people.name_of(tx, action.requester_id),
        await people.name_of(tx, action.decided_by),
        await people.name_of(tx, action.cancelled_by),
        await holds.queue(tx, action.id),
    )


def verbs(action: Action) -> list[str]:
    """The buttons that the card has now."""
    return [verb for verb, _, _ in _buttons(action)]


def _buttons(action: Action) -> tuple[tuple[str, str, bool], ...]:
    if action.state is State.RUNNING and (
        action.cancelled_at is not None or not run_progress.several_hosts(action)
    ):
        return ()  # there is nothing left that could be spared
    return _BUTTONS.get(action.state, ())


def action_card(shown: ActionView, language: str, tokens: Mapping[str, str]) -> Card:
    """The card in a language; ``tokens`` maps each of ``verbs(action)`` to its token."""
    action = shown.action
    speak = partial(say, language=language)
    buttons = tuple(
        Button(
            speak(text(f"button_{verb}")),
            tokens[verb],
            style,
            wants_reason,
            may_want_code=verb == "approve",
        )
        for verb, style, wants_reason in _buttons(action)
    )
    card = Card(
        title=speak(text("card_title", id=action.id, name=action_name(action.type))),
        text=action.description,
        tone=_TONES.get(action.state, Tone.PLAIN),
        fields=_fields(shown, speak),
        code=_code(action, speak),
        note=speak(_note(shown)),
        buttons=buttons,
        overflow_name=f"action-{action.id}.txt",
    )
    return run_progress.brief(card, action)


def waits_for(waiting: Waiting) -> Text:
    """What an action waits for, who has that, and how many are before it."""
    if not waiting.target:
        return text("replicas_waits_far", places=SHOWN_PLACES)
    place = {"target": waiting.target, "place": waiting.place}
    if waiting.holder is None:
        return text("replicas_waits_line", **place)
    return text("replicas_waits_held", holder=waiting.holder, since=waiting.since, **place)


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """The exact argv, host by host. shlex.join shows each argument as one word."""
    return [
        f"{step['host'] or 'watchstander'}: {shlex.join(step['argv'])}" for step in plan["steps"]
    ]


def _fields(shown: ActionView, speak: Callable[[Text | str], str]) -> tuple[Field, ...]:
    action = shown.action
    targets = ", ".join(action.targets[:_SHOWN_TARGETS])
    if len(action.targets) > _SHOWN_TARGETS:
        targets += f" … ({len(action.targets)})"
    rows: list[tuple[str, str]] = [
        ("field_targets", targets),
        ("field_risk", " – ".join([action.risk, *_because(action, speak)])),
        ("field_requester", shown.requester),
        ("field_state", speak(text(f"state_{action.state.value}"))),
    ]
    words = f": {action.comment}" if action.comment else ""
    if shown.decider:
        decided = "field_rejected_by" if action.state is State.REJECTED else "field_approved_by"
        # Whoever calls it off has the last word: the reason is theirs then.
        rows.append((decided, shown.decider + ("" if shown.canceller else words)))
    if shown.canceller:
        rows.append(("field_cancelled_by", shown.canceller + words))
    if shown.waiting:
        rows.append(("replicas_field_waits", speak(waits_for(shown.waiting))))
    rows += [(label, speak(value)) for label, value in run_progress.rows(action)]
    return tuple(Field(speak(text(label)), value) for label, value in rows if value)


def _because(action: Action, speak: Callable[[Text | str], str]) -> list[str]:
    """Why the action has its level, in one line; empty where nothing is kept."""
    kept = [Text.from_json(reason) for reason in action.reasons if reason["key"] != _POLICY]
    raising = [reason for reason in kept if reason.key in _RAISING]
    found: list[Text] = []
    for reason in kept:
        if reason.key in _FIRST:
            name = action_name(reason.values["action"])
            own = reason.values["level"] == action.risk
            values = {**reason.values, "action": name, "own": own}
            found.append(Text(_FIRST[reason.key], values))
        elif reason.key not in _RAISING:
            found.append(reason)
    if raising:
        causes = [Text(_RAISING[reason.key], reason.values) for reason in raising]
        found.append(text("plan_card_raised", causes=causes))
    return [" · ".join(map(speak, found))] if found else []


def _code(action: Action, speak: Callable[[Text | str], str]) -> str:
    lost = run_progress.lost_lines(action)
    lines = plan_lines(action.plan)
    if lost:
        hosts = [step["host"] for step in action.plan["steps"]]
        # All of them: whoever settles it has to look at each.
        return "\n".join(
            f"{line} → {speak(lost[host])}" for line, host in zip(lines, hosts, strict=True)
        )
    if len(lines) > _SHOWN_PLAN_LINES:
        hidden = len(lines) - _SHOWN_PLAN_LINES
        lines = [*lines[:_SHOWN_PLAN_LINES], f"… +{hidden}"]
    if not action.result:
        return "\n".join(lines)
    return "\n".join(_result_lines(action, speak))


def _result_lines(action: Action, speak: Callable[[Text | str], str]) -> list[str]:
    assert action.result is not None
    found = []
    told = ""
    for step in action.result["steps"]:
        argv = shlex.join(step["step"]["argv"])
        host = step["step"]["host"] or "watchstander"
        exit_status = "" if step["exit_status"] is None else f" (exit {step['exit_status']})"
        found.append(f"{host}: {argv} → {step['outcome']}{exit_status}")
        reason = Text.from_json(step["detail"])
        if step["outcome"] != Outcome.DONE and reason.key != _EXIT and speak(reason) != told:
            told = speak(reason)  # once for all that one failure keeps from beginning
            found.append(told)
        output = step["output"].rstrip()
        if output:
            found.append(output if len(output) <= _SHOWN_OUTPUT else output[:_SHOWN_OUTPUT] + "…")
    return found


def _note(shown: ActionView) -> Text:
    action = shown.action
    if action.state is State.PENDING_APPROVAL:
        key = "note_escalated" if action.escalated_at else "note_pending"
        return text(key, id=action.id, at=action.decide_by, digest=action.digest[:12])
    if action.state is State.UNKNOWN:
        return text("note_unknown", id=action.id)
    if action.state is State.SUPERSEDED:
        return text("note_superseded", id=action.id, new=action.superseded_by)
    at = action.finished_at or action.cancelled_at or action.decided_at or action.created_at
    return text("note_plain", id=action.id, at=at, digest=action.digest[:12])
