"""A service request as people see it: as an answer in a room, and as a card."""

from __future__ import annotations

from collections.abc import Sequence

from engine.requests.desk import state_text
from handlers.card import Card, Field, Tone
from handlers.replies import Reply
from prompts.texts import Text, say, text
from storage.lifecycle import RequestState
from storage.requests import Happening, Request

_TONES = {
    RequestState.NEW: Tone.WAITING,
    RequestState.OPEN: Tone.WAITING,
    RequestState.ASSIGNED: Tone.WAITING,
    RequestState.DONE: Tone.GOOD,
    RequestState.REJECTED: Tone.BAD,
}
_SHOWN_EVENTS = 15
_SHOWN_BODY = 1_500

#: Events whose message needs more than who and when.
_KINDS = frozenset(
    {
        "create",
        "classify",
        "assign",
        "close",
        "reject",
        "reopen",
        "comment",
        "priority",
        "escalate",
        "breach",
        "nearest",
    }
)


def request_reply(request: Request, timeline: Sequence[Happening] = ()) -> Reply:
    """Everything about a request, with the last events of its timeline."""
    body = request.body
    if len(body) > _SHOWN_BODY:
        body = body[:_SHOWN_BODY] + "…"
    return Reply(
        title=f"{request.key} {request.title}",
        text=body,
        tone=Tone.WARNING if request.live and request.breached_at else _TONES[request.state],
        fields=_fields(request),
        lines=tuple(_happened(event) for event in timeline[-_SHOWN_EVENTS:]),
    )


def request_card(request: Request, timeline: Sequence[Happening], language: str) -> Card:
    """The same as a card in one language."""
    reply = request_reply(request, timeline)
    lines = [say(line, language) for line in (reply.text, *reply.lines)]
    return Card(
        title=say(reply.title, language),
        text="\n".join(line for line in lines if line),
        tone=reply.tone,
        fields=tuple(Field(say(k, language), say(v, language)) for k, v in reply.fields),
    )


def request_line(request: Request) -> Text:
    """A request in one line of a list."""
    return text(
        "request_line",
        key=request.key,
        state=state_text(request.state),
        type=request.type or "–",
        priority=request.priority or "–",
        title=request.title,
        who=request.assignee or text("request_nobody"),
    )


def _fields(request: Request) -> tuple[tuple[Text | str, Text | str], ...]:
    fields: list[tuple[Text | str, Text | str]] = [
        (text("request_field_state"), state_text(request.state)),
        (text("request_field_requester"), request.requester),
        (text("request_field_assignee"), request.assignee or text("request_nobody")),
    ]
    if request.type and request.priority:
        fields.append((text("request_field_type"), request.type))
        fields.append((text("request_field_priority"), request.priority))
    elif request.suggestion:
        guess = text(
            "request_suggestion",
            type=request.suggestion["type"],
            priority=request.priority or request.suggestion["priority"],
        )
        fields.append((text("request_field_suggestion"), guess))
    if request.due_at is not None:
        key = "request_due_missed" if request.breached_at else "request_due"
        fields.append((text("request_field_due"), text(key, due=request.due_at)))
    return tuple(fields)


def _happened(event: Happening) -> Text:
    who: Text | str = event.who or text("request_watchstander")
    kind = event.kind if event.kind in _KINDS else "other"
    detail = {
        "type": "",
        "priority": "",
        "assignee": "",
        "comment": "",
        "to": "",
        "kind": event.kind,
        "articles": [],
        "why": "",
        **event.detail,
    }
    return text(f"request_event_{kind}", at=event.at, who=who, **detail)
