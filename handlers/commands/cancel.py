"""/cancel ID [reason]: call an action off, before it begins or while it goes from host to host."""

from __future__ import annotations

import re

from engine.approvals.cancel import cancel
from handlers.commands.arguments import action_id, head
from handlers.commands.call import Call, Command
from handlers.reasons import MAX_COMMENT
from prompts.texts import Text, text
from storage import people
from storage.actions import Action
from storage.database import Transaction
from storage.lifecycle import State

USAGE = "/cancel ID [reason]"

# "취소" and "取消" open many a sentence; they are this command only before a number.
_NUMBER = re.compile(r"#?[0-9]{1,12}(\s|$)", re.ASCII)


async def run(call: Call) -> None:
    first, reason = head(call.arguments)
    wanted = action_id(first, USAGE)
    policy = call.services.proposals.planner.policy
    action = await cancel(call.tx, policy, call.person, wanted, reason[:MAX_COMMENT])
    await call.whisper(await answer(call.tx, action))


async def answer(tx: Transaction, action: Action) -> Text:
    """What whoever called an action off hears; the same again for who comes second."""
    key = "cancel_running" if action.state is State.RUNNING else "cancel_done"
    by = await people.name_of(tx, action.cancelled_by)
    return text(key, id=action.id, name=by, at=action.cancelled_at)


COMMAND = Command(
    "cancel", "help_cancel", USAGE, run, meant=lambda rest: _NUMBER.match(rest) is not None
)
