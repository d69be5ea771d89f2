"""/approve ID [comment]: say yes to a waiting action."""

from __future__ import annotations

from engine.approvals.proposals import Verdict
from handlers.commands.arguments import action_id, head
from handlers.commands.call import Call, Command
from handlers.reasons import MAX_COMMENT
from prompts.texts import text

USAGE = "/approve ID [comment]"


async def run(call: Call) -> None:
    first, comment = head(call.arguments)
    action = await call.services.proposals.decide(
        call.tx,
        call.person,
        action_id(first, USAGE),
        Verdict.APPROVE,
        comment=comment[:MAX_COMMENT],
    )
    await call.whisper(text("decided_approve", id=action.id))


COMMAND = Command("approve", "help_approve", USAGE, run)
