"""The HTTP side: health, metrics, REST, webhooks and the web room, in one FastAPI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web_floor import BODY_CEILING, Floor
from handlers.services import Link
from prompts.texts import say
from storage import failpoints
from storage.redaction import hidden

if TYPE_CHECKING:
    from bot.platforms.slack.platform import SlackPlatform
    from bot.platforms.telegram.platform import TelegramPlatform

#: Bytes of a webhook body that are read at all.
BODY_LIMIT = 1_000_000

Ready = Callable[[], Awaitable[Sequence[Link]]]
Measure = Callable[[], Awaitable[None]]
"""Sets the gauges from the database."""


def build(
    routers: Sequence[APIRouter],
    ready: Ready,
    measure: Measure,
    slack: SlackPlatform | None,
    telegram: TelegramPlatform | None,
    version: str,
    body_ceiling: int = 0,
) -> FastAPI:
    """The application. Routers come ready-made from handlers and platforms.

    ``body_ceiling``: bytes of the largest body that a router was set up to take.
    """
    app = FastAPI(title="Watchstander", version=version, docs_url=None, redoc_url=None)
    app.include_router(_health(ready, measure))
    for router in routers:
        app.include_router(router)
    if slack is not None:
        app.include_router(_slack(slack))
    if telegram is not None:
        app.include_router(_telegram(telegram))
    app.add_middleware(_Acknowledging)
    app.add_middleware(Floor, ceiling=max(body_ceiling, BODY_CEILING))
    return app


class _Acknowledging:
    """Names the moment in which a sender hears that its POST was taken; see storage/failpoints."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                failpoints.before("http.ack")
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                failpoints.after("http.ack")

        named = failpoints.armed() and scope["type"] == "http" and scope["method"] == "POST"
        await self._app(scope, receive, answer if named else send)


def _health(ready: Ready, measure: Measure) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """Database, rooms and model, each by name; 503 when one that is needed is not ready."""
        links = await ready()
        ok = all(link.ok for link in links if link.needed)
        checks: dict[str, Any] = {
            say(link.name, "en"): {"ok": link.ok, "detail": hidden(say(link.detail, "en"))}
            for link in links
        }
        body = {"status": "ready" if ok else "not ready", "checks": checks}
        return JSONResponse(body, 200 if ok else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Counters, and how things stand now, for Prometheus."""
        await measure()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _slack(slack: SlackPlatform) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post("/slack/events")
    async def events(request: Request) -> Response:
        body = await read_body(request)
        if body is None:
            return Response("too large", 413)
        status, headers, answer = await slack.http(body, dict(request.headers))
        return Response(answer, status, dict(headers))

    return router


def _telegram(telegram: TelegramPlatform) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post("/telegram/webhook")
    async def webhook(request: Request) -> Response:
        status = telegram.knock(request.headers)
        if status != 200:
            return Response(status_code=status)
        body = await read_body(request)
        if body is None:
            return Response(status_code=413)
        return Response(status_code=await telegram.http(body, request.headers))

    return router


async def read_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is longer than any honest one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return body
