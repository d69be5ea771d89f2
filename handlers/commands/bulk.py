"""/bulk: one change to up to a hundred service requests, as one action that a person approves."""

from __future__ import annotations

from engine.errors import GiveUp, Why
from engine.requests import bulk
from handlers.commands.call import Call, Command
from prompts.texts import text

USAGE = (
    "/bulk close ID… [: text] | assign NAME ID… | "
    "priority CRITICAL|HIGH|MEDIUM|LOW ID… | comment ID… : text"
)


async def run(call: Call) -> None:
    if not call.arguments:
        raise GiveUp(Why.INVALID, text("bulk_empty", usage=USAGE))
    wanted = bulk.read(call.arguments, call.tx.now)
    await bulk.check(call.tx, wanted)
    action = await call.services.proposals.propose(
        call.tx,
        call.person,
        bulk.ACTION_TYPE,
        wanted.keys,
        wanted.params,
        room_id=call.room.id,
        origin=call.origin,
    )
    await call.whisper(text("bulk_proposed", id=action.id, op=wanted.op, count=len(wanted.keys)))


COMMAND = Command("bulk", "bulk_summary", USAGE, run)
