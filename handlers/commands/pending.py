"""/pending: everything that waits for a person, and whatever could not be delivered."""

from __future__ import annotations

from engine.actions.names import action_name
from handlers.commands.arguments import none_left
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import actions, outbox, people
from storage.lifecycle import OPEN

USAGE = "/pending"
_SHOWN = 20


async def run(call: Call) -> None:
    none_left(call.arguments, USAGE)
    waiting = await actions.listing(call.tx, states=OPEN, limit=_SHOWN, oldest_first=True)
    lines: list[Text | str] = []
    for action in waiting:
        lines.append(
            text(
                "pending_line",
                id=action.id,
                risk=action.risk,
                name=action_name(action.type),
                targets=", ".join(action.targets[:3]) + ("…" if len(action.targets) > 3 else ""),
                requester=await people.name_of(call.tx, action.requester_id),
                state=text(f"state_{action.state.value}"),
                at=action.created_at,
            )
        )
    lost = await outbox.undelivered(call.tx)
    if lost:
        lines.append(text("pending_undelivered", count=lost))
    title = text("pending_title", count=len(waiting)) if waiting else text("pending_none")
    await call.whisper(Reply(text=title, lines=tuple(lines)))


COMMAND = Command("pending", "help_pending", USAGE, run)
