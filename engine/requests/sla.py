"""Deadlines: who is told before one is missed, and the record when one was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prompts.texts import Text, text
from storage import backlog, outbox, people, rooms
from storage.backlog import Late
from storage.database import Transaction

_SHOWN = 10  # requests named in one notice; the rest are counted


async def escalate(tx: Transaction, margin_ms: int, limit: int) -> int:
    """Tell the approvals rooms about requests that are due within the margin; each one once."""
    late = await backlog.escalate(tx, margin_ms, limit)
    await _tell(tx, "request_escalated", late)
    return len(late)


async def breach(tx: Transaction, limit: int) -> int:
    """Record requests whose deadline is over, and tell the approvals rooms; each one once."""
    late = await backlog.breach(tx, limit)
    await _tell(tx, "request_breached", late)
    return len(late)


async def _tell(tx: Transaction, title: str, late: Sequence[Late]) -> None:
    """One notice for all of them: a flood of late requests is not a flood of messages."""
    if not late:
        return
    on_call = [person for person in await people.everyone(tx) if person.on_call]
    names = ", ".join(person.name for person in on_call)
    body: dict[str, Any] = {
        "tone": "warning",
        "text": text(title, count=len(late)).to_json(),
        "lines": [line.to_json() for line in _lines(late)],
        "note": text("request_on_call", names=names).to_json() if names else "",
    }
    for room in await rooms.for_approvals(tx) or await rooms.with_cards(tx):
        await outbox.say(tx, room.id, body)
    for person in on_call:
        for room in await rooms.direct(tx, person.id):
            await outbox.say(tx, room.id, body | {"language": person.language})


def _lines(late: Sequence[Late]) -> list[Text]:
    lines = [
        text(
            "request_late_line",
            key=item.key,
            priority=item.priority or "–",
            title=item.title,
            who=item.assignee or text("request_nobody"),
            due=item.due_at,
        )
        for item in late[:_SHOWN]
    ]
    if len(late) > _SHOWN:
        lines.append(text("request_late_more", count=len(late) - _SHOWN))
    return lines
