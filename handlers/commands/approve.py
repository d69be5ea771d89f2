"""/approve ID [code] [comment]: say yes to a waiting action."""

from __future__ import annotations

from engine.approvals.proposals import Verdict
from engine.approvals.second_factor import split_code
from handlers.commands.arguments import action_id, head
from handlers.commands.call import Call, Command
from handlers.reasons import MAX_COMMENT
from prompts.texts import text

USAGE = "/approve ID [code] [comment]"


async def run(call: Call) -> None:
    first, rest = head(call.arguments)
    # Six digits in this place are a code, wanted or not: no code becomes a comment.
    code, comment = split_code(rest)
    action = await call.services.proposals.decide(
        call.tx,
        call.person,
        action_id(first, USAGE),
        Verdict.APPROVE,
        comment=comment[:MAX_COMMENT],
        code=code,
    )
    await call.whisper(text("decided_approve", id=action.id))


COMMAND = Command("approve", "help_approve", USAGE, run)
