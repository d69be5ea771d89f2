"""What a card tells of a run over many hosts: before it, while it goes on, and at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.execution.outcome import RunResult
from engine.execution.progress import HostState, Tally, tally, tally_of
from engine.plan import Plan
from handlers.card import Card, Field
from prompts.texts import Text, text
from storage.actions import Action
from storage.lifecycle import State

Row = tuple[str, Text | str]
"""The message key of a label, and the value."""

_AHEAD = (State.PENDING_APPROVAL, State.APPROVED, State.QUEUED)
_ENDED = (State.SUCCEEDED, State.FAILED, State.UNKNOWN)
_SHOWN_NAMES = 10
_SHOWN_CHARACTERS = 250  # of names in one field
_BRIEF_VALUE, _BRIEF_LINE, _BRIEF_LINES = 280, 160, 3

_NAMED = {
    HostState.RUNNING: "progress_field_running",
    HostState.FAILED: "progress_field_failed",
    HostState.UNKNOWN: "progress_field_unknown",
    HostState.WAITING: "progress_field_waiting",
}


def several_hosts(action: Action) -> bool:
    """Whether there is a second host that could be spared."""
    return len({step["host"] for step in action.plan["steps"]}) > 1


def rows(action: Action) -> list[Row]:
    """The fields that the card has for it; none where there is one host."""
    plan = Plan.from_json(action.plan)
    if not several_hosts(action):
        return []
    if action.state in _AHEAD and plan.rolling:
        return [("progress_field_order", text("progress_order", wave=plan.rolling))]
    if action.state is State.RUNNING and action.progress is not None:
        return _under_way(tally(action.progress))
    if action.state in _ENDED:
        return _left_out(action)
    return []


def lost_lines(action: Action) -> dict[str, Text]:
    """Of a run whose end nobody recorded, what each host was at when that was last written down."""
    if action.state is not State.UNKNOWN or action.result or action.progress is None:
        return {}
    standing = tally(action.progress)
    return {
        host: text(f"progress_lost_{state.value}")
        for state in HostState
        for host in standing[state]
    }


def brief(card: Card, action: Action) -> Card:
    """The card of a run that is shown anew every second: so short that it fits every platform.

    What does not fit goes into a file, and each second a new file would be.  The whole stood on the
    card before, and stands there again at its end.
    """
    if action.state is not State.RUNNING or action.progress is None:
        return card
    lines = card.code.splitlines()
    shown = [_cut(line, _BRIEF_LINE) for line in lines[:_BRIEF_LINES]]
    fields = tuple(Field(field.label, _cut(field.value, _BRIEF_VALUE)) for field in card.fields)
    return replace(
        card,
        text=_cut(card.text, _BRIEF_VALUE),
        fields=fields,
        code="\n".join(shown if len(lines) <= _BRIEF_LINES else [*shown, "…"]),
    )


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _under_way(standing: Tally) -> list[Row]:
    found: list[Row] = [("progress_field", _counts(standing))]
    for state, label in _NAMED.items():
        if standing[state]:
            found.append((label, names(standing[state])))
    return found


def _counts(standing: Tally) -> Text:
    return text(
        "progress_counts",
        total=sum(len(hosts) for hosts in standing.values()),
        **{state.value: len(standing[state]) for state in HostState},
    )


def _left_out(action: Action) -> list[Row]:
    if action.result is None:
        if action.progress is None:
            return []
        return [("progress_field_lost", _counts(tally(action.progress)))]
    standing = tally_of(RunResult.from_json(action.result))
    skipped = standing[HostState.SKIPPED]
    if not skipped:
        return []
    total = sum(len(hosts) for hosts in standing.values())
    bad = standing[HostState.FAILED] + standing[HostState.UNKNOWN]
    called_off = action.cancelled_at is not None
    why = text(
        "progress_left_out",
        count=len(skipped),
        total=total,
        host="" if called_off or not bad else bad[0],
    )
    return [("progress_field_left_out", why), ("progress_field_waiting", names(skipped))]


def names(hosts: Sequence[str]) -> str:
    """Names of hosts, cut so that they fit a field: "a, b, … (+23)"."""
    shown: list[str] = []
    room = _SHOWN_CHARACTERS
    for host in hosts[:_SHOWN_NAMES]:
        name = host or "watchstander"
        if shown and len(name) > room:
            break
        shown.append(name)
        room -= len(name) + 2
    hidden = len(hosts) - len(shown)
    return ", ".join([*shown, f"… (+{hidden})"] if hidden else shown)
