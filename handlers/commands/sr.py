"""/sr: service requests, from asking to closing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from engine.errors import GiveUp, Why
from engine.language.classify import TYPES
from engine.requests import words
from engine.requests.desk import state_text
from handlers.commands.arguments import head, none_left, title_and_body
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from handlers.request_card import request_line, request_reply
from prompts.texts import Text, text
from storage import requests
from storage.lifecycle import RequestState
from storage.people import Role
from storage.requests import LIVE, Request

USAGE = (
    "/sr new TITLE [| body] | list [STATE|TYPE] | show ID | mine | assign ID NAME | "
    "comment ID text | close ID [text] | reject ID [text] | reopen ID"
)
_SHOWN = 15


async def run(call: Call) -> None:
    verb, rest = head(call.arguments)
    act = _VERBS.get(verb.lower() or "list")
    if act is None:
        raise GiveUp(Why.INVALID, text("sr_unknown_verb", verb=words.quoted(verb), usage=USAGE))
    await act(call, rest)


async def _new(call: Call, rest: str) -> None:
    title, body = title_and_body(rest)
    if not title:
        raise GiveUp(Why.INVALID, text("sr_no_title", usage="/sr new TITLE [| body]"))
    request = await call.services.desk.create(
        call.tx,
        call.person,
        title,
        body,
        suggestion=call.suggestion,
        room_id=call.room.id,
        origin=call.origin,
    )
    reply = request_reply(request)
    await call.answer(
        Reply(
            title=reply.title,
            text=text("sr_created", key=request.key),
            tone=reply.tone,
            fields=reply.fields,
        )
    )


async def _list(call: Call, rest: str) -> None:
    wanted = rest.strip().upper()
    if not wanted:
        found = await call.services.desk.listing(call.tx, limit=_SHOWN)
    elif wanted in RequestState.__members__:
        states = [RequestState(wanted)]
        found = await call.services.desk.listing(call.tx, states=states, limit=_SHOWN)
    elif wanted in TYPES:
        found = await call.services.desk.listing(call.tx, type=wanted, limit=_SHOWN)
    else:
        known = ", ".join((*RequestState.__members__, *TYPES))
        raise GiveUp(Why.INVALID, text("sr_bad_filter", given=words.quoted(rest), known=known))
    await _show_lines(call, text("sr_list_title"), found)


async def _mine(call: Call, rest: str) -> None:
    none_left(rest, "/sr mine")
    desk, me = call.services.desk, call.person.id
    has = await desk.listing(call.tx, assignee_id=me, limit=_SHOWN)
    asked = await desk.listing(call.tx, requester_id=me, limit=_SHOWN)
    both = {request.id: request for request in (*has, *asked)}
    found = sorted(both.values(), key=lambda request: -request.id)
    await _show_lines(call, text("sr_mine_title", name=call.person.name), found)


async def _show(call: Call, rest: str) -> None:
    request = await call.services.desk.find(call.tx, _only_id(rest, "/sr show ID"))
    timeline = await call.services.desk.timeline(call.tx, request)
    await call.whisper(request_reply(request, timeline))


async def _assign(call: Call, rest: str) -> None:
    typed, name = _id_and_words(rest, "/sr assign ID NAME", needed=True)
    request = await call.services.desk.assign(call.tx, call.person, typed, name)
    await call.answer(
        text("sr_assigned", key=request.key, title=request.title, name=request.assignee)
    )


async def _comment(call: Call, rest: str) -> None:
    typed, said = _id_and_words(rest, "/sr comment ID text", needed=True)
    request = await call.services.desk.comment(call.tx, call.person, typed, said)
    await call.answer(text("sr_commented", key=request.key, title=request.title))


async def _close(call: Call, rest: str) -> None:
    typed, said = _id_and_words(rest, "/sr close ID [text]")
    await _tell_moved(call, await call.services.desk.close(call.tx, call.person, typed, said))


async def _reject(call: Call, rest: str) -> None:
    typed, said = _id_and_words(rest, "/sr reject ID [text]")
    await _tell_moved(call, await call.services.desk.reject(call.tx, call.person, typed, said))


async def _reopen(call: Call, rest: str) -> None:
    typed = _only_id(rest, "/sr reopen ID")
    await _tell_moved(call, await call.services.desk.reopen(call.tx, call.person, typed))


async def _tell_moved(call: Call, request: Request) -> None:
    state = state_text(request.state)
    await call.answer(text("sr_moved", key=request.key, title=request.title, state=state))


async def _show_lines(call: Call, title: Text, found: list[Request]) -> None:
    if not found:
        await call.whisper(Reply(title=title, text=text("sr_none")))
        return
    counts = await requests.counts(call.tx)
    note = text("sr_live_count", count=sum(counts[state.value] for state in LIVE))
    lines = tuple(request_line(request) for request in found[:_SHOWN])
    await call.whisper(Reply(title=title, lines=lines, note=note))


def _opens(arguments: str) -> tuple[str, str] | None:
    verb, rest = head(arguments)
    title, body = title_and_body(rest)
    return (title, body) if title and _VERBS.get(verb.lower()) is _new else None


def _id_and_words(rest: str, usage: str, *, needed: bool = False) -> tuple[str, str]:
    typed, said = head(rest)
    if not typed or (needed and not said):
        raise GiveUp(Why.INVALID, text("sr_needs_more", usage=usage))
    return typed, said


def _only_id(rest: str, usage: str) -> str:
    typed, more = _id_and_words(rest, usage)
    none_left(more, usage)
    return typed


_VERBS: Mapping[str, Callable[[Call, str], Awaitable[None]]] = {
    "new": _new,
    "list": _list,
    "mine": _mine,
    "show": _show,
    "assign": _assign,
    "comment": _comment,
    "close": _close,
    "reject": _reject,
    "reopen": _reopen,
}

COMMAND = Command("sr", "sr_summary", USAGE, run, Role.AGENT, _opens)
