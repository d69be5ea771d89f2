"""/status: is everything alive, what waits, is anything frozen."""

from __future__ import annotations

from handlers.commands.arguments import none_left
from handlers.commands.call import Call, Command
from handlers.commands.heal import breaker_lines
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import actions, checks, freezes, incidents, outbox, people
from storage.database import Transaction

USAGE = "/status"
_MOST_CHECKS = 10


async def run(call: Call) -> None:
    none_left(call.arguments, USAGE)
    counts = await actions.counts(call.tx)
    freeze = await freezes.current(call.tx)
    lines: list[Text | str] = []
    if freeze is not None:
        lines.append(text("frozen", name=freeze.begun_by, at=freeze.begun_at, reason=freeze.reason))
    for link in call.services.links():
        lines.append(text("status_link", ok=link.ok, name=link.name, detail=link.detail))
    lines += await breaker_lines(call.tx)
    lines += await _failing_checks(call.tx)
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
                (text("status_incidents"), await _incidents(call)),
                *(
                    (text(f"state_{state.value}"), str(count))
                    for state, count in sorted(counts.items(), key=lambda pair: pair[0].value)
                ),
            ),
        )
    )


async def _failing_checks(tx: Transaction) -> list[Text | str]:
    """What did not go well at the last look: what is reported first, then by how long."""
    bad = [one for one in await checks.listing(tx) if one.firing or one.ok is not True]
    bad.sort(key=lambda one: (not one.firing, one.since))
    lines: list[Text | str] = [
        text(
            "check_status_line",
            name=one.name,
            found=Text.from_json(one.detail),
            since=one.since,
            firing=one.firing,
        )
        for one in bad[:_MOST_CHECKS]
    ]
    if len(bad) > _MOST_CHECKS:
        lines.append(text("check_status_more", count=len(bad) - _MOST_CHECKS))
    return lines


async def _incidents(call: Call) -> str:
    found = await incidents.unresolved(call.tx)
    return " · ".join(f"{severity}: {count}" for severity, count in found.items()) or "–"


COMMAND = Command("status", "help_status", USAGE, run)
