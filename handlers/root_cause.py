"""A root cause as an answer in a room: the facts at once, a model's words when there is one."""

from __future__ import annotations

from engine.insight.root_cause import Analysis, root_cause
from engine.insight.wording import lines
from handlers.commands.call import Call
from handlers.explaining import Question
from handlers.replies import Reply
from prompts.texts import text
from storage.incidents import Incident


async def explain(call: Call, incident: Incident) -> None:
    """Tell the caller what points at which cause."""
    await call.whisper(reply(await root_cause(call.tx, call.services.inventory, incident)))
    question = Question(incident.id, call.room.id, call.person, call.event)
    call.services.explaining.ask(question)


def reply(found: Analysis) -> Reply:
    """Causes with their evidence, then what helped the last time."""
    return Reply(
        title=text("cause_title", key=found.incident.key),
        text="" if found.causes else text("cause_none", key=found.incident.key),
        lines=tuple(lines(found)),
        note=text("cause_note") if found.causes else "",
    )
