"""Asking for a reason or a code before something is decided, where the platform has forms."""

from __future__ import annotations

from handlers.commands.call import Call
from handlers.inbound import EventKind
from prompts.texts import Text
from storage import outbox

MAX_COMMENT = 1000
"""Characters of a reason that are kept."""


async def asked_first(
    call: Call, question: Text, fallback: Text, *, for_code: bool = False
) -> bool:
    """Whether a form was asked for, so that nothing is decided now: the filled form will.

    ``fallback`` says how to give the reason by command when the form cannot be opened.
    ``for_code``: it asks for the six digits of an authenticator, not for a reason.
    """
    if call.event.kind is EventKind.FORM or "trigger_id" not in call.event.context:
        return False
    body = {
        "text": question.to_json(),
        "user": call.event.speaker.user,
        "person_id": call.person.id,
        "language": call.person.language,
        "token": call.event.button,
        "context": {**call.event.context, **({"asks": "code"} if for_code else {})},
        "fallback": fallback.to_json(),
    }
    await outbox.ask_reason(call.tx, call.room.id, body)
    return True


def given(call: Call) -> str:
    """The reason in a filled form; "" for a press without one."""
    return call.event.text[:MAX_COMMENT] if call.event.kind is EventKind.FORM else ""
