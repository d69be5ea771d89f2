"""/api/requests: service requests for programs and scripts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from pydantic import Field, StrictStr

from engine.errors import GiveUp, Why
from engine.language.classify import TYPES
from engine.requests.words import quoted
from handlers.api.door import Caller, api_router, origin, page
from handlers.api.problems import Strict
from handlers.services import Services
from prompts.texts import text
from storage import answers
from storage.answers import Answer
from storage.lifecycle import RequestState
from storage.requests import LIVE, Happening, Request

_MAX_ID = 2**63 - 1

# The desk checks lengths by its settings; these caps only keep absurd sizes out.
Line = Annotated[StrictStr, Field(max_length=10_000)]
Words = Annotated[StrictStr, Field(max_length=100_000)]
TypedId = Annotated[str, Path(max_length=40)]


class NewRequest(Strict):
    """What is asked for."""

    title: Line
    body: Words = ""


class Comment(Strict):
    """What is said about a request."""

    comment: Words


def request_routes(services: Services) -> APIRouter:
    """The routes of /api/requests."""
    router = api_router(services, "/api/requests", "service requests")
    _list_and_create(router, services)
    _one(router, services)
    return router


def _list_and_create(router: APIRouter, services: Services) -> None:
    desk = services.desk

    @router.get("")
    async def get_list(
        person: Caller,
        *,
        status: str | None = None,
        type: str | None = None,
        mine: bool = False,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=1, le=_MAX_ID)] = None,
    ) -> dict[str, Any]:
        """Requests, newest first: the open ones, or those of a ``status`` ("ALL" = every one)."""
        async with services.db.read() as tx:
            found = await desk.listing(
                tx,
                states=_states(status),
                type=_type(type),
                assignee_id=person.id if mine else None,
                limit=limit,
                before=before,
            )
        return page(found, limit, [_shown(request) for request in found])

    @router.post("", status_code=201)
    async def create(
        person: Caller,
        wanted: NewRequest,
        idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
    ) -> dict[str, Any]:
        """Ask for something. The same ``Idempotency-Key`` gives the same request again."""
        made_by = origin(person, idempotency_key)
        # Before the transaction: a model may take its time.
        suggestion = await services.reader.suggest(wanted.title, wanted.body)
        async with services.db.write() as tx:
            request = await desk.create(
                tx, person, wanted.title, wanted.body, suggestion=suggestion, origin=made_by
            )
        return _shown(request)


def _one(router: APIRouter, services: Services) -> None:
    desk = services.desk

    @router.get("/{id}")
    async def show(_person: Caller, id: TypedId) -> dict[str, Any]:
        """One request with its timeline and its answer; the id as people type it.

        ``answer`` is what the knowledge base said, with the article's id and the quoted passage;
        null where it said nothing.
        """
        async with services.db.read() as tx:
            request = await desk.find(tx, id)
            timeline = await desk.timeline(tx, request)
            answer = await answers.of_request(tx, request.id)
        events = [_event(event) for event in timeline]
        return _shown(request) | {"timeline": events, "answer": _answered(answer)}

    @router.post("/{id}/comment", status_code=201)
    async def comment(person: Caller, id: TypedId, said: Comment) -> dict[str, Any]:
        """Add a comment."""
        async with services.db.write() as tx:
            request = await desk.comment(tx, person, id, said.comment)
            timeline = await desk.timeline(tx, request)
        return _shown(request) | {"timeline": [_event(event) for event in timeline]}


def _states(wanted: str | None) -> tuple[RequestState, ...] | None:
    if wanted is None:
        return LIVE
    if wanted.upper() == "ALL":
        return None
    if wanted.upper() in RequestState.__members__:
        return (RequestState(wanted.upper()),)
    known = ", ".join((*RequestState, "ALL"))
    raise GiveUp(Why.INVALID, text("api_bad_state", given=quoted(wanted), known=known))


def _type(wanted: str | None) -> str | None:
    if wanted is None or wanted.upper() in TYPES:
        return wanted and wanted.upper()
    raise GiveUp(Why.INVALID, text("api_bad_type", given=quoted(wanted), known=", ".join(TYPES)))


def _shown(request: Request) -> dict[str, Any]:
    """A request as JSON. Times are milliseconds since 1970 in UTC."""
    return {
        "id": request.key,
        "title": request.title,
        "body": request.body,
        "status": request.state.value,
        "type": request.type,
        "priority": request.priority,
        "suggestion": request.suggestion,
        "requester": request.requester,
        "assignee": request.assignee or None,
        "created_at": request.created_at,
        "due_at": request.due_at,
        "escalated_at": request.escalated_at,
        "breached_at": request.breached_at,
        "closed_at": request.closed_at,
    }


def _answered(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "article": answer.article,
        "title": answer.title,
        "passage": answer.passage,
        "confidence": round(answer.confidence, 4),
        "at": answer.at,
        "solved": answer.solved,
    }


def _event(event: Happening) -> dict[str, Any]:
    return {
        "at": event.at,
        "who": event.who or "watchstander",
        "kind": event.kind,
        "detail": dict(event.detail),
    }
