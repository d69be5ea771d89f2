"""Asking for a reason before something is decided, where the platform can open a form."""

from __future__ import annotations

from handlers.commands.call import Call
from handlers.inbound import EventKind
from prompts.texts import Text
from storage import outbox

MAX_COMMENT = 1000
"""Characters of a reason that are kept."""


async def asked_first(call: Call, question: Text, fallback: Text) -> bool:
    """Whether a form was asked for, so that nothing is decided now: the filled form will.

    ``fallback`` says how to give the reason by command when the form cannot be opened.
    """
    if call.event.kind is EventKind.FORM or "trigger_id" not in call.event.context:
        return False
    body = {
        "text": question.to_json(),
        "user": call.event.speaker.user,
        "person_id": call.person.id,
        "language": call.person.language,
        "token": call.event.button,
        "context": dict(call.event.context),
        "fallback": fallback.to_json(),
    }
    await outbox.ask_reason(call.tx, call.room.id, body)
    return True


def given(call: Call) -> str:
    """The reason in a filled form; "" for a press without one."""
    return call.event.text[:MAX_COMMENT] if call.event.kind is EventKind.FORM else ""
