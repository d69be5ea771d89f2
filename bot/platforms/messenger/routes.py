"""``POST /messenger/webhook``: a message from another messenger."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.platforms.messenger.intake import BadMessage, Incoming, read_message, source_of
from bot.platforms.messenger.platform import MessengerPlatform
from bot.platforms.port import Keep
from engine.incidents.reports import Report

_log = logging.getLogger(__name__)


def messenger_routes(platform: MessengerPlatform) -> APIRouter:
    """202 once the message is kept; 401, 404, 413, 422 or 503 with what is wrong otherwise."""
    router = APIRouter()

    @router.post("/messenger/webhook", status_code=202, tags=["messenger"])
    async def webhook(request: Request) -> JSONResponse:
        try:
            repeated = not await _receive(platform, request)
        except BadMessage as problem:
            return JSONResponse({"error": str(problem)}, problem.status)
        return JSONResponse({"status": "kept", "repeated": repeated}, 202)

    return router


async def _receive(platform: MessengerPlatform, request: Request) -> bool:
    # Who it is comes before the body is read, let alone parsed.
    source = source_of(platform.settings, request.headers.get("authorization", ""))
    if source is None:
        raise BadMessage(401, "send the messenger's secret as Authorization: Bearer SECRET")
    message = read_message(await _body(request, platform.settings.body_limit))
    if not await platform.listed(source, message.room):
        raise BadMessage(
            404, f"room: messenger:{source}/{message.room} is not in the configuration"
        )
    keep = platform.keep
    if keep is None:
        raise BadMessage(503, "Watchstander is not ready; send it again")
    # The port allows keep() to raise anything: whatever it is, the sender must send it again.
    try:
        if message.alert is not None:
            return await _take_alert(platform, keep, source, message, message.alert)
        return await platform.take(keep, source, message)
    except BadMessage:
        raise
    except Exception:  # noqa: BLE001
        _log.exception("a message from messenger %s was not kept", source)
        raise BadMessage(503, "the message could not be kept; send it again") from None


async def _take_alert(
    platform: MessengerPlatform, keep: Keep, source: str, message: Incoming, alert: Report
) -> bool:
    person = await platform.reporter(source, message.user)
    if person is None:
        raise BadMessage(403, f"user: messenger:{source}/{message.user} is nobody who is listed")
    return await platform.take_alert(keep, source, message, alert, person)


async def _body(request: Request, limit: int) -> bytes:
    too_large = BadMessage(413, f"the body is larger than {limit} bytes")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)
