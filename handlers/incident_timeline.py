"""The lines of an incident's timeline in words. Kinds nobody wrote words for are shown plainly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.actions.names import action_name
from prompts.texts import Text, catalogue, text
from storage.incidents import IncidentEvent

_SHOWN_DETAIL = 300


def event_line(event: IncidentEvent) -> Text:
    """One line: when, who, what."""
    who = event.who or text("request_watchstander")
    return text("incident_event", at=event.at, who=who, what=_what(event))


def words_of(detail: Mapping[str, Any], *names: str) -> Text | str:
    """The first of these details that holds words; "" = none does.

    Words are a Text as JSON, or a word of ours (``incident_why_<word>``), or somebody's own.
    """
    for name in names:
        found = detail.get(name)
        if isinstance(found, Mapping) and found.get("key") in catalogue():
            return Text.from_json(found)
        if isinstance(found, str) and found:
            known = f"incident_why_{found}"
            return text(known) if known in catalogue() else found
    return ""


def _what(event: IncidentEvent) -> Text | str:
    detail = event.detail
    key = f"incident_event_{event.kind}"
    if key not in catalogue():
        return _plainly(event)
    return text(
        key,
        why=words_of(detail, "text", "comment", "why", "source"),
        playbook=detail.get("playbook", ""),
        doing=action_name(str(detail.get("action_type") or "")),
        targets=", ".join(map(str, detail.get("targets") or ())),
        attempt=detail.get("attempt", 0),
        action=detail.get("action", 0),
        until=detail.get("until", 0),
        lifted=len(detail.get("lifted") or ()),
    )


def _plainly(event: IncidentEvent) -> Text:
    """A kind without words of its own: its name, and its details as they are kept."""
    told = words_of(event.detail, "text", "comment", "why")
    if not told and event.detail:
        told = json.dumps(dict(event.detail), ensure_ascii=False)[:_SHOWN_DETAIL]
    return text("incident_event_other", kind=event.kind, why=told)
