"""/why ID: the rule, the inputs and the version behind an action's risk, and what became of it."""

from __future__ import annotations

from engine.actions.names import action_name
from engine.approvals.proposals import fate
from engine.errors import GiveUp, Why
from handlers.action_card import plan_lines, waits_for
from handlers.commands.arguments import action_id
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import actions, holds, people
from storage.lifecycle import State

USAGE = "/why ID"


async def run(call: Call) -> None:
    wanted = action_id(call.arguments, USAGE)
    action = await actions.by_id(call.tx, wanted)
    if action is None:
        raise GiveUp(Why.MISSING, text("action_missing", id=wanted))
    reasons = [Text.from_json(reason) for reason in action.reasons]
    story: list[Text | str] = [*reasons]
    if action.state is not State.PENDING_APPROVAL:
        story.append(await fate(call.tx, action))
    waiting = await holds.queue(call.tx, action.id)
    if waiting is not None:
        story.append(waits_for(waiting))
    await call.whisper(
        Reply(
            title=text("why_title", id=action.id, name=action_name(action.type), risk=action.risk),
            lines=tuple(story),
            fields=(
                (text("field_requester"), await people.name_of(call.tx, action.requester_id)),
                (text("field_state"), text(f"state_{action.state.value}")),
                (text("field_digest"), action.digest),
            ),
            code="\n".join(plan_lines(action.plan)),
        )
    )


COMMAND = Command("why", "help_why", USAGE, run)
