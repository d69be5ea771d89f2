"""/status: is everything alive, what waits, is anything frozen."""

from __future__ import annotations

from handlers.commands.arguments import none_left
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import actions, freezes, outbox, people

USAGE = "/status"


async def run(call: Call) -> None:
    none_left(call.arguments, USAGE)
    counts = await actions.counts(call.tx)
    freeze = await freezes.current(call.tx)
    lines: list[Text | str] = []
    if freeze is not None:
        lines.append(text("frozen", name=freeze.begun_by, at=freeze.begun_at, reason=freeze.reason))
    for link in call.services.links():
        lines.append(f"{'🟢' if link.ok else '🔴'} {link.name}: {link.detail}")
    lost = await outbox.undelivered(call.tx)
    if lost:
        lines.append(text("pending_undelivered", count=lost))
    on_call = ", ".join(p.name for p in await people.everyone(call.tx) if p.on_call) or "–"
    await call.whisper(
        Reply(
            title=text("status_title"),
            lines=tuple(lines),
            fields=(
                (text("status_on_call"), on_call),
                *(
                    (text(f"state_{state.value}"), str(count))
                    for state, count in sorted(counts.items(), key=lambda pair: pair[0].value)
                ),
            ),
        )
    )


COMMAND = Command("status", "help_status", USAGE, run)
