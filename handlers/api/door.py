"""The door of the REST API: who is calling, how big the body may be, and what a refusal looks like.

The size and the caller are known before a byte of the body is read.  Every refusal has the body
``{"error": why, "message": text}``, in the caller's language.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Message, Receive

from engine.errors import GiveUp, Why
from handlers.api.problems import first_problem
from handlers.api.wrong_tokens import WINDOW_S, address_of
from handlers.services import Services
from prompts.texts import DEFAULT_LANGUAGE, LANGUAGES, Text, say, text
from storage import tokens
from storage.database import Away
from storage.people import Person, Role
from storage.redaction import hidden
from storage.tokens import Verdict

BODY_LIMIT = 256 * 1024
"""Bytes of a request body; a hundred targets and a long description fit many times over."""

_log = logging.getLogger(__name__)
_KEY_LIMIT = 200  # characters of an Idempotency-Key
_STATUS = {Why.INVALID: 422, Why.FORBIDDEN: 403, Why.MISSING: 404, Why.CONFLICT: 409}
_TOKEN_TEXTS = {
    Verdict.EXPIRED: "api_token_expired",
    Verdict.REVOKED: "api_token_revoked",
    Verdict.INACTIVE: "api_token_inactive",
}
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": str(int(WINDOW_S))}}
# Only for the reference page: the check itself is in the route class, before the body is read.
_scheme = HTTPBearer(auto_error=False, description="An API token: watchstander token create")


class Refused(Exception):
    """No entry, or too much to carry. ``error`` is the machine's word, ``message`` the person's."""

    def __init__(self, status: int, error: str, message: Text) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.message = message


def api_router(
    services: Services, prefix: str, tag: str, body_limit: int = BODY_LIMIT
) -> APIRouter:
    """A router whose every route asks for a bearer token and answers errors alike.

    ``body_limit``: bytes of a request body.
    """
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=_door(services, body_limit),
        dependencies=[Depends(_scheme)],
        responses={
            401: {"description": "No token, or one that is unknown, expired or revoked"},
            429: {"description": "Too many wrong tokens from this address; a good one gets in"},
            403: {"description": "Not this person"},
            422: {"description": "The input is wrong; the message names what and the mend"},
            503: {"description": "The database is away; nothing was done, send it again"},
        },
    )


def caller(request: Request) -> Person:
    """The person whose token opened the door."""
    person = request.state.person
    assert isinstance(person, Person)
    return person


Caller = Annotated[Person, Depends(caller)]


def origin(person: Person, key: str | None) -> str | None:
    """The origin of what a call makes: the same key by the same person makes it once."""
    if key is None:
        return None
    if not (0 < len(key) <= _KEY_LIMIT and key.isascii() and key.isprintable()):
        raise GiveUp(Why.INVALID, text("api_bad_key", limit=_KEY_LIMIT))
    return f"rest:{person.id}:{key}"


def no_agents(person: Person) -> None:
    """Programs report; they never propose or decide."""
    if person.role < Role.REQUESTER:
        raise GiveUp(Why.FORBIDDEN, text("api_forbidden_agent", name=person.name))


def admins_only(person: Person) -> None:
    """Raises GiveUp(FORBIDDEN) for everybody else."""
    if person.role < Role.ADMIN:
        raise GiveUp(
            Why.FORBIDDEN,
            text("api_forbidden_admin", name=person.name, role=person.role.name),
        )


def _door(services: Services, limit: int) -> type[APIRoute]:
    class Door(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def handle(request: Request) -> Response:
                language = _wanted_language(request)
                try:
                    # A header alone tells it: no look into the database for a body that is refused.
                    _refuse_large(request, limit)
                    person = await _who(services, request)
                    language = person.language
                    request.state.person = person
                    receive = _counted(request.receive, limit)
                    return await inner(Request(request.scope, receive))
                except Exception as error:  # noqa: BLE001 - _answer raises what is no refusal
                    response = _answer(error, language, limit)
                    if isinstance(error, GiveUp) and error.why is Why.CONFLICT:
                        services.db.announce({"watch"})  # a changed plan gets its new card at once
                    return response

            return handle

    return Door


async def _who(services: Services, request: Request) -> Person:
    header = request.headers.get("authorization", "")
    if not header:
        raise Refused(401, "token_missing", text("api_token_missing"))
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Refused(401, "token_malformed", text("api_token_malformed"))
    async with services.db.read() as tx:
        found = await tokens.examine(tx, secret.strip(), "api")
    if found.person is not None:
        return found.person
    if services.wrong_tokens.too_many(address_of(request)):
        raise Refused(429, "too_many_wrong_tokens", text("security_too_many_tokens"))
    key = _TOKEN_TEXTS.get(found.verdict, "api_token_unknown")
    raise Refused(401, key.removeprefix("api_"), text(key))


def _refuse_large(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()) or int(declared[:12]) > limit:
        raise _too_large(limit)


def _counted(receive: Receive, limit: int) -> Receive:
    """The same body, cut off when it grows beyond the limit: it may come in chunks."""
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            # FastAPI lets only an HTTPException out while it reads a body.
            raise HTTPException(413)
        return message

    return take


def _too_large(limit: int) -> Refused:
    return Refused(413, "too_large", text("api_too_large", limit=limit))


def _answer(error: Exception, language: str, limit: int) -> Response:
    """The refusal as an answer. What is no refusal is a bug and is raised on."""
    if isinstance(error, GiveUp):
        return _body(_STATUS[error.why], error.why.value, error.text, language)
    if isinstance(error, RequestValidationError):
        return _body(422, Why.INVALID.value, first_problem(error), language)
    if isinstance(error, StarletteHTTPException):
        return _http_error(error, language, limit)
    if isinstance(error, Refused):
        return _body(error.status, error.error, error.message, language)
    if isinstance(error, Away):
        _log.warning("REST: %s", error)
        return _body(503, "unavailable", text("api_unavailable"), language)
    raise error


def _http_error(error: StarletteHTTPException, language: str, limit: int) -> Response:
    if error.status_code == 413:
        return _answer(_too_large(limit), language, limit)
    if error.status_code == 408:
        return _body(408, "too_slow", text("api_too_slow"), language)
    if error.status_code == 400:  # FastAPI could not even decode the body
        problem = text("api_invalid_field", field="body", problem=text("api_problem_object"))
        return _body(422, Why.INVALID.value, problem, language)
    raise error


def _body(status: int, error: str, message: Text, language: str) -> Response:
    headers = _HEADERS.get(status)
    content = {"error": error, "message": hidden(say(message, language))}
    return JSONResponse(content, status_code=status, headers=headers)


def _wanted_language(request: Request) -> str:
    """The language of somebody we do not know yet, by Accept-Language."""
    for part in request.headers.get("accept-language", "").split(","):
        wanted = part.partition(";")[0].strip().lower()
        for language in LANGUAGES:
            if wanted and wanted.partition("-")[0] == language.partition("-")[0].lower():
                return language
    return DEFAULT_LANGUAGE


def page(rows: Sequence[Any], limit: int, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of a list; ``next`` is the ``before`` of the next page, null at the end."""
    more = len(rows) == limit and bool(rows)
    return {"items": shown, "next": rows[-1].id if more else None}
