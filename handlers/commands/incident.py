"""/incident: what machines reported, how it stands, and who has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from engine.errors import GiveUp, Why
from engine.incidents import desk
from engine.requests.words import quoted
from handlers.commands.arguments import head, none_left
from handlers.commands.call import Call, Command
from handlers.incident_card import incident_line, incident_reply, view
from handlers.replies import Reply
from handlers.root_cause import explain
from prompts.texts import text
from storage import incidents
from storage.people import Role

USAGE = (
    "/incident list [open|all] | show KEY | why KEY | take KEY | resolve KEY [comment] | "
    "retry KEY | comment KEY words"
)
_SHOWN = 15


async def run(call: Call) -> None:
    verb, rest = head(call.arguments)
    act = _act(verb or "list")
    if act is None:
        raise GiveUp(Why.INVALID, text("incident_unknown_verb", verb=quoted(verb), usage=USAGE))
    await act(call, rest)


async def _list(call: Call, rest: str) -> None:
    wanted = rest.strip().lower() or "open"
    if wanted not in ("open", "all"):
        raise GiveUp(Why.INVALID, text("incident_bad_filter", given=quoted(rest)))
    states = desk.LIVE if wanted == "open" else None
    found = await incidents.listing(call.tx, _SHOWN + 1, states=states)
    lines = tuple(incident_line(incident) for incident in found[:_SHOWN])
    note = text("incident_list_more", shown=_SHOWN) if len(found) > _SHOWN else ""
    empty = text("incident_none") if not found else ""
    title = text(f"incident_list_{wanted}")
    await call.whisper(Reply(title=title, text=empty, lines=lines, note=note))


async def _show(call: Call, rest: str) -> None:
    found = await desk.find(call.tx, _only_key(rest, "/incident show KEY"))
    await call.whisper(incident_reply(await view(call.tx, found)))


async def _why(call: Call, rest: str) -> None:
    await explain(call, await desk.find(call.tx, _only_key(rest, "/incident why KEY")))


async def _take(call: Call, rest: str) -> None:
    found = await desk.find(call.tx, _only_key(rest, "/incident take KEY"))
    taken = await desk.take(call.tx, call.person, found)
    await call.answer(text("incident_taken_by", key=taken.key, name=taken.assignee))


async def _resolve(call: Call, rest: str) -> None:
    typed, said = _key_and_words(rest, "/incident resolve KEY [comment]")
    found = await desk.find(call.tx, typed)
    over = await desk.resolve(call.tx, call.person, found, said)
    await call.answer(text("incident_resolved_by", key=over.key, name=call.person.name))


async def _retry(call: Call, rest: str) -> None:
    found = await desk.find(call.tx, _only_key(rest, "/incident retry KEY"))
    again, lifted = await desk.retry(call.tx, call.person, found)
    await call.answer(text("incident_retried", key=again.key, lifted=lifted))


async def _comment(call: Call, rest: str) -> None:
    usage = "/incident comment KEY words"
    typed, said = _key_and_words(rest, usage)
    if not said:
        raise GiveUp(Why.INVALID, text("incident_needs_more", usage=usage))
    found = await desk.find(call.tx, typed)
    await desk.comment(call.tx, call.person, found, said)
    await call.answer(text("incident_commented", key=found.key))


def _key_and_words(rest: str, usage: str) -> tuple[str, str]:
    typed, said = head(rest)
    if not typed:
        raise GiveUp(Why.INVALID, text("incident_needs_more", usage=usage))
    return typed, said


def _only_key(rest: str, usage: str) -> str:
    typed, more = _key_and_words(rest, usage)
    none_left(more, usage)
    return typed


_VERBS: Mapping[str, Callable[[Call, str], Awaitable[None]]] = {
    "list": _list,
    "show": _show,
    "why": _why,
    "take": _take,
    "resolve": _resolve,
    "retry": _retry,
    "comment": _comment,
}

#: The same verbs in words.
_WORDS = {
    "목록": "list",
    "조회": "show",
    "원인": "why",
    "담당": "take",
    "해결": "resolve",
    "재시도": "retry",
    "댓글": "comment",
    "清單": "list",
    "查看": "show",
    "原因": "why",
    "接手": "take",
    "解決": "resolve",
    "重試": "retry",
    "留言": "comment",
}


def _act(verb: str) -> Callable[[Call, str], Awaitable[None]] | None:
    return _VERBS.get(_WORDS.get(verb, verb.lower()))


def _meant(arguments: str) -> bool:
    """Without a slash, only what is plainly a command: "incident at the gate" is a message.

    Bare, ``list``, or a verb with something that can be a key behind it.
    """
    verb, rest = head(arguments)
    if not verb or _act(verb) is _list:
        return rest.lower() in ("", "open", "all")
    return _act(verb) is not None and desk.looks_like_key(head(rest)[0])


COMMAND = Command("incident", "incident_summary", USAGE, run, Role.AGENT, meant=_meant)
