"""What the buttons of an incident's card do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from engine.errors import GiveUp, Why
from engine.incidents import desk
from handlers.commands.call import Call
from handlers.root_cause import explain
from prompts.texts import text
from storage import incidents
from storage.buttons import ButtonRow
from storage.incidents import Incident


async def _take(call: Call, button: ButtonRow) -> None:
    taken = await desk.take(call.tx, call.person, await _incident(call, button))
    await call.whisper(text("incident_taken", key=taken.key))


async def _resolve(call: Call, button: ButtonRow) -> None:
    over = await desk.resolve(call.tx, call.person, await _incident(call, button))
    await call.whisper(text("incident_resolved", key=over.key))


async def _retry(call: Call, button: ButtonRow) -> None:
    again, lifted = await desk.retry(call.tx, call.person, await _incident(call, button))
    await call.whisper(text("incident_retried", key=again.key, lifted=lifted))


async def _why(call: Call, button: ButtonRow) -> None:
    await explain(call, await _incident(call, button))


async def _incident(call: Call, button: ButtonRow) -> Incident:
    found = await incidents.by_id(call.tx, int(button.payload["incident"]))
    if found is None:
        raise GiveUp(Why.MISSING, text("button_unknown"))
    return found


VERBS: Mapping[str, Callable[[Call, ButtonRow], Awaitable[None]]] = {
    "take": _take,
    "resolve": _resolve,
    "retry": _retry,
    "why": _why,
}
