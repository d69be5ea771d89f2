"""/autoq: the queue of actions, and asking for one by its exact name."""

from __future__ import annotations

import shlex

from engine.actions.names import action_name
from engine.errors import GiveUp, Why
from engine.requests.words import quoted
from handlers.commands.arguments import action_id, head
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import actions, cards
from storage.lifecycle import State

USAGE = "/autoq [list [STATE] | show ID | run TYPE TARGET… [key=value…] | types]"
_SHOWN = 15


async def run(call: Call) -> None:
    verb, rest = head(call.arguments)
    match verb.lower():
        case "" | "list":
            await _list(call, rest)
        case "show":
            await _show(call, rest)
        case "run":
            await _propose(call, rest)
        case "types":
            await _types(call)
        case _:
            raise GiveUp(Why.INVALID, text("argument_extra", given=quoted(verb), usage=USAGE))


async def _list(call: Call, rest: str) -> None:
    states = None
    if rest:
        if rest.upper() not in State.__members__:
            known = ", ".join(State)
            raise GiveUp(Why.INVALID, text("autoq_state", given=quoted(rest), known=known))
        states = [State(rest.upper())]
    found = await actions.listing(call.tx, states=states, limit=_SHOWN)
    lines = tuple(
        text(
            "autoq_line",
            id=action.id,
            risk=action.risk,
            name=action_name(action.type),
            targets=", ".join(action.targets[:3]) + ("…" if len(action.targets) > 3 else ""),
            state=text(f"state_{action.state.value}"),
        )
        for action in found
    )
    title: Text = text("autoq_title") if found else text("autoq_none")
    await call.whisper(Reply(text=title, lines=lines))


async def _show(call: Call, rest: str) -> None:
    wanted = action_id(rest, USAGE)
    action = await actions.by_id(call.tx, wanted)
    if action is None:
        raise GiveUp(Why.MISSING, text("action_missing", id=wanted))
    await cards.place(call.tx, action.subject, call.room.id)
    await call.whisper(text("autoq_shown", id=action.id))


async def _propose(call: Call, rest: str) -> None:
    try:
        words = shlex.split(rest)
    except ValueError:
        raise GiveUp(Why.INVALID, text("autoq_quotes", usage=USAGE)) from None
    if not words:
        raise GiveUp(Why.INVALID, text("argument_extra", given="run", usage=USAGE))
    params: dict[str, object] = {}
    targets = []
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if equals:
            params[name] = value
        else:
            targets.append(word)
    action = await call.services.proposals.propose(
        call.tx,
        call.person,
        words[0],
        targets,
        params,
        room_id=call.room.id,
        origin=call.origin,
    )
    await call.whisper(text("proposed", id=action.id))


async def _types(call: Call) -> None:
    policy = call.services.proposals.planner.policy
    lines = tuple(f"{level.name}: {name}" for name, level in policy.levels.items())
    await call.whisper(Reply(text=text("autoq_types"), lines=lines))


COMMAND = Command("autoq", "help_autoq", USAGE, run)
