"""/freeze [reason]: stop everything that changes a host, at once."""

from __future__ import annotations

from engine.approvals.proposals import refuse_when_frozen
from handlers import replies
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import text
from storage import freezes, rooms
from storage.people import Role

USAGE = "/freeze [reason]"


async def run(call: Call) -> None:
    reason = call.arguments[:500]
    if not await freezes.begin(call.tx, call.person, reason):
        await refuse_when_frozen(call.tx)
    words = Reply(text=text("freeze_begun", name=call.person.name, reason=reason))
    for room in await rooms.with_cards(call.tx):
        if room.id != call.room.id:
            await replies.announce(call.tx, room.id, words)
    await call.answer(words)


COMMAND = Command("freeze", "help_freeze", USAGE, run, least=Role.ENGINEER)
