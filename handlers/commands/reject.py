"""/reject ID [reason]: say no to a waiting action."""

from __future__ import annotations

from engine.approvals.proposals import Verdict
from handlers.commands.arguments import action_id, head
from handlers.commands.call import Call, Command
from handlers.reasons import MAX_COMMENT
from prompts.texts import text

USAGE = "/reject ID [reason]"


async def run(call: Call) -> None:
    first, reason = head(call.arguments)
    action = await call.services.proposals.decide(
        call.tx,
        call.person,
        action_id(first, USAGE),
        Verdict.REJECT,
        comment=reason[:MAX_COMMENT],
    )
    await call.whisper(text("decided_reject", id=action.id))


COMMAND = Command("reject", "help_reject", USAGE, run)
