"""/unfreeze [reason]: let actions run again."""

from __future__ import annotations

from engine.errors import GiveUp, Why
from handlers import replies
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import text
from storage import freezes, rooms
from storage.people import Role

USAGE = "/unfreeze [reason]"


async def run(call: Call) -> None:
    if not await freezes.end(call.tx, call.person, call.arguments[:500]):
        raise GiveUp(Why.CONFLICT, text("freeze_none"))
    words = Reply(text=text("freeze_ended", name=call.person.name))
    for room in await rooms.with_cards(call.tx):
        if room.id != call.room.id:
            await replies.announce(call.tx, room.id, words)
    await call.answer(words)


COMMAND = Command("unfreeze", "help_unfreeze", USAGE, run, least=Role.ADMIN)
